"""`python -m serving.bench`: the ceiling, the service, the ratio; the service under fixed rates; a soak.

Reads the environment of the service (an edition with a publication) and starts two servers of its own on free ports.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import httpx
import psutil

from pipelines.evidence import write_evidence
from serving.identity.roles import Role
from serving.identity.tokens import Tokens
from serving.settings import BODY_FILE, Settings

POINTS: Final = ((1_000, 500), (5_000, 2_000), (10_000, 5_000))
"""Requests a second, and connections."""

CEILING_CONNECTIONS: Final = 64
READY_SECONDS: Final = 60.0


@click.command()
@click.option("--seconds", type=float, default=30.0, show_default=True, help="How long each figure is measured.")
@click.option("--workers", type=int, default=1, show_default=True, help="Workers of the service and of the bare application.")
@click.option(
    "--soak", "soak_minutes", type=float, default=0.0, show_default=True, help="Minutes of a soak at 500/s, at the end."
)
@click.option("--evidence", type=click.Path(path_type=Path), default=None, help="A folder to keep the figures in, as JSON.")
def main(seconds: float, workers: int, soak_minutes: float, evidence: Path | None) -> None:
    """Measure the service beside a bare application that sends the same bytes."""
    if shutil.which("wrk") is None:
        raise click.ClickException("wrk is not installed: `make system-deps` brings it.")
    settings = Settings.read()
    bearer = "Bearer " + Tokens.from_file(settings.jwt_secret_file, settings.edition).issue("1", next(iter(Role)), "bench")
    click.echo(f"{os.cpu_count()} cores, shared by server and generator of load; {workers} worker(s); {seconds:g} s a figure")
    figures: dict[str, Any] = {"workers": workers, "seconds": seconds, "is_sharing_cores_with_generator": True}
    with _server([sys.executable, "-m", "serving"], workers) as ours:
        for name, path in _paths(ours.port, bearer).items():
            body = (
                httpx.get(f"http://127.0.0.1:{ours.port}{path}", headers=_asking(bearer), timeout=10).raise_for_status().content
            )
            figures[name] = _beside_the_ceiling(name, path, body, ours.port, bearer, workers, seconds)
        path = _paths(ours.port, bearer)["list"]
        body = httpx.get(f"http://127.0.0.1:{ours.port}{path}", headers=_asking(bearer), timeout=10).raise_for_status().content
        figures["points"] = []
        with _bare(body, workers) as bare:
            for rate, connections in POINTS:
                point = {
                    "ours": _load(ours.port, path, bearer, rate, connections, seconds),
                    "generator_at_bare": _load(bare.port, path, "", rate, connections, seconds),
                    "resident_mb": round(ours.resident_bytes() / 1e6, 1),
                }
                figures["points"].append(point)
                click.echo(_told(rate, connections, point))
        if soak_minutes:
            figures["soak"] = _soak(ours, path, bearer, soak_minutes)
    if evidence is not None:
        click.echo(str(write_evidence(evidence, "bench-serving", figures)))


class _Server:
    """A server in processes of its own, at a free port."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.port = port
        self._process = psutil.Process(process.pid)

    def resident_bytes(self) -> int:
        """Of all its processes."""
        return sum(each.memory_info().rss for each in (self._process, *self._process.children(recursive=True)))

    def n_descriptors(self) -> int:
        """Open files and connections of all its processes."""
        return sum(each.num_fds() for each in (self._process, *self._process.children(recursive=True)))


@contextmanager
def _server(command: list[str], workers: int, **environment: str) -> Iterator[_Server]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    # The load comes from one address with one token: the limits are on, and out of its way.
    variables = {**os.environ, **environment, "API_PORT": str(port), "API_WORKERS": str(workers), "API_RATE_PER_SECOND": "100000"}
    arguments = [each.format(port=port) for each in command]
    process = subprocess.Popen(arguments, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=2).raise_for_status()
                break
            except httpx.HTTPError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise click.ClickException(f"{' '.join(arguments)} did not start: {error}") from None
                time.sleep(0.1)
        yield _Server(process, port)
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def _bare(body: bytes, workers: int) -> Iterator[_Server]:
    with tempfile.NamedTemporaryFile(prefix="football-bare-") as file:
        file.write(body)
        file.flush()
        command = [sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws", "--http", "1", "--backlog", "4096"]
        options = ["--workers", str(workers), "--port", "{port}", "--host", "127.0.0.1", "serving.bench.bare:app"]
        with _server([*command, *options], workers, **{BODY_FILE: file.name}) as server:
            yield server


def _paths(port: int, bearer: str) -> dict[str, str]:
    """The list of the competition with most predictions, and the prediction with the longest answer among its first."""
    ask = f"http://127.0.0.1:{port}/v1"
    competitions = httpx.get(f"{ask}/competitions", headers=_asking(bearer), timeout=10).raise_for_status().json()["competitions"]
    largest = max(competitions, key=lambda each: each["n_predictions"], default=None)
    if largest is None or not largest["n_predictions"]:
        raise click.ClickException("The edition has no predictions to serve: run the pipeline first.")
    path = f"/v1/predictions?competition={largest['competition_id']}"
    listed = httpx.get(f"http://127.0.0.1:{port}{path}", headers=_asking(bearer), timeout=10).raise_for_status().json()
    return {"list": path, "single": f"/v1/predictions/{listed['predictions'][0]['prediction_id']}"}


def _asking(bearer: str) -> dict[str, str]:
    """As the generators ask: for plain JSON, uncompressed."""
    return {"Authorization": bearer, "Accept": "application/json", "Accept-Encoding": "identity"}


def _beside_the_ceiling(
    name: str, path: str, body: bytes, port: int, bearer: str, workers: int, seconds: float
) -> dict[str, Any]:
    """Closed-loop with wrk, in turn: the bare application, ours, the bare application again."""
    with _bare(body, workers) as bare:
        before = _wrk(bare.port, path, bearer, seconds)
        ours = _wrk(port, path, bearer, seconds)
        after = _wrk(bare.port, path, bearer, seconds)
    ceiling = (before + after) / 2
    ratio = ours / ceiling
    click.echo(
        f"{name:<7} {len(body) / 1024:6.1f} KiB, {CEILING_CONNECTIONS} connections: ceiling {ceiling:8.0f}/s "
        f"({before:.0f}, {after:.0f}), ours {ours:8.0f}/s, ratio {ratio:.2f}"
    )
    return {"path": path, "bytes": len(body), "ceiling_runs": [before, after], "ours": ours, "ratio": round(ratio, 3)}


def _wrk(port: int, path: str, bearer: str, seconds: float) -> float:
    """Requests answered a second."""
    options = [f"-c{CEILING_CONNECTIONS}", "-t1", f"-d{max(1, round(seconds))}s"]
    headers = ["-H", f"Authorization: {bearer}", "-H", "Accept: application/json"]
    command = ["wrk", *options, *headers, f"http://127.0.0.1:{port}{path}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s*([\d.]+)", told)
    if found is None or "Non-2xx" in told or "Socket errors" in told:
        raise click.ClickException(f"wrk met errors:\n{told}")
    return float(found.group(1))


def _load(port: int, path: str, bearer: str, rate: float, connections: int, seconds: float) -> dict[str, Any]:
    arguments = [str(each) for each in (port, path, rate, connections, seconds)]
    command = ["sh", "-c", 'ulimit -n "$(ulimit -Hn)" && exec "$@"', "sh", sys.executable, "-m", "serving.bench.load", *arguments]
    done = subprocess.run(command, input=bearer, capture_output=True, text=True, check=True)
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def _told(rate: float, connections: int, point: Mapping[str, Any]) -> str:
    def one(name: str, run: Mapping[str, Any]) -> str:
        return (
            f"  {name:<18} p50 {run['p50_ms']} p95 {run['p95_ms']} p99 {run['p99_ms']} ms, errors {run['errors']} of "
            f"{run['requests']}, answered {run['answered_per_second']:.0f}/s"
        )

    return "\n".join([
        f"{rate:,}/s, {connections:,} connections, open loop: resident {point['resident_mb']} MB",
        one("ours", point["ours"]),
        one("generator's limit", point["generator_at_bare"]),
    ])  # fmt: skip


def _soak(server: _Server, path: str, bearer: str, minutes: float) -> dict[str, Any]:
    """A steady 500/s, memory and descriptors looked at every five seconds; slopes by least squares after the first minute."""
    samples: list[tuple[float, int, int]] = []
    is_over = threading.Event()
    begun = time.monotonic()

    def watch() -> None:
        while not is_over.wait(5):
            samples.append((time.monotonic() - begun, server.resident_bytes(), server.n_descriptors()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    outcome = _load(server.port, path, bearer, 500, 100, minutes * 60)
    is_over.set()
    watcher.join()
    settled = [each for each in samples if each[0] >= min(60.0, minutes * 20)]
    memory = _slope([at / 60 for at, _, _ in settled], [resident / 1e6 for _, resident, _ in settled])
    descriptors = _slope([at / 60 for at, _, _ in settled], [float(n) for _, _, n in settled])
    click.echo(
        f"soak of {minutes:g} min at 500/s: p95 {outcome['p95_ms']} ms, errors {outcome['errors']}; resident memory "
        f"{memory:+.2f} MB/min, descriptors {descriptors:+.2f}/min"
    )
    return {"minutes": minutes, **outcome, "memory_mb_per_minute": memory, "descriptors_per_minute": descriptors}


def _slope(at: list[float], values: list[float]) -> float:
    """Per unit of `at`, by least squares; NaN for fewer than two moments."""
    n = len(at)
    if n < 2:
        return float("nan")
    middle, level = sum(at) / n, sum(values) / n
    spread = sum((x - middle) ** 2 for x in at)
    return sum((x - middle) * (y - level) for x, y in zip(at, values, strict=True)) / spread


if __name__ == "__main__":
    main()
