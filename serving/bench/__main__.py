"""`python -m serving.bench`: the ceiling, the service, the ratio, what one would build instead; all under fixed rates; a soak.

Reads the environment of the service (an edition with a publication) and `MLFLOW_TRACKING_URI`, where the edition's champions are
registered. Belongs here: what is measured in which order, and how it is told.
"""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import httpx
from prometheus_client.parser import text_string_to_metric_families

from pipelines.evidence import write_evidence
from serving.bench import servers
from serving.bench.asked import HOST, Asked
from serving.bench.generators import CONNECTIONS, closed_loop, open_loop
from serving.bench.servers import Server
from serving.identity.roles import Role
from serving.identity.tokens import TOKEN_LIFETIME, Tokens
from serving.settings import Settings

POINTS: Final = ((1_000, 500), (5_000, 2_000), (10_000, 5_000))
"""Requests a second, and connections."""

POINTS_WITHOUT_ERROR: Final = 5_000
"""Requests a second up to which none may fail."""

MAXIMUM_SOAK_MINUTES: Final = TOKEN_LIFETIME.total_seconds() / 60 - 1
"""A figure is asked for with one token, made when it begins."""

LEAST_WITHOUT_DATABASE: Final = 0.95
"""Of the requests of a load, how many should be answered without PostgreSQL."""

PLAIN: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""As the generators ask: for plain JSON, uncompressed."""


class Alternative(NamedTuple):
    """What a user would build instead: a server, started anew for each figure, and the request for the same prediction."""

    name: str
    start: Callable[[], AbstractContextManager[Server]]
    asked: Asked


@click.command()
@click.option("--seconds", type=float, default=30.0, show_default=True, help="How long each figure is measured.")
@click.option("--workers", type=int, default=1, show_default=True, help="Workers of each server.")
@click.option(
    "--soak",
    "soak_minutes",
    type=click.FloatRange(0, MAXIMUM_SOAK_MINUTES),
    default=0.0,
    show_default=True,
    help="Minutes of a soak at 500/s, at the end.",
)
@click.option("--evidence", type=click.Path(path_type=Path), default=None, help="A folder to keep the figures in, as JSON.")
def main(seconds: float, workers: int, soak_minutes: float, evidence: Path | None) -> None:
    """Measure the service beside a bare application that sends the same bytes, and beside what one would build instead."""
    if missing := [each for each in ("wrk", "h2load") if shutil.which(each) is None]:
        raise click.ClickException(f"{' and '.join(missing)} is not installed: `make system-deps` brings it.")
    settings = Settings.read()
    tokens = Tokens.from_file(settings.jwt_secret_file, settings.edition)

    def signed() -> dict[str, str]:
        return {**PLAIN, "Authorization": "Bearer " + tokens.issue("1", next(iter(Role)), "bench")}

    click.echo(f"{os.cpu_count()} cores, shared by server and generator of load; {workers} worker(s); {seconds:g} s a figure")
    figures: dict[str, Any] = {"workers": workers, "seconds": seconds, "is_sharing_cores_with_generator": True}
    with servers.ours(workers) as ours:
        paths = dict(zip(("list", "single"), _paths(ours.port, signed()), strict=True))
        alternatives = _alternatives(_answer(ours.port, Asked(paths["single"], signed())).json(), workers)
        for name, path in paths.items():
            figures[name] = _beside_the_ceiling(name, Asked(path, signed()), ours, workers, seconds)
        figures["instead of single"] = {
            each.name: _instead(each, figures["single"]["ours"]["per_second"], seconds) for each in alternatives
        }
        body = _answer(ours.port, Asked(paths["list"], signed())).content
        figures["points"] = [
            _point(rate, connections, ours, Asked(paths["list"], signed()), body, alternatives, workers, seconds)
            for rate, connections in POINTS
        ]
        if soak_minutes:
            figures["soak"] = _soak(ours, Asked(paths["list"], signed()), soak_minutes)
        figures["without_database"] = ratio = without_database(_answer(ours.port, Asked("/metrics", {})).text)
    click.echo(f"{ratio:.4f} of the requests were answered without PostgreSQL")
    if evidence is not None:
        click.echo(str(write_evidence(evidence, "bench-serving", figures)))
    if ratio < LEAST_WITHOUT_DATABASE:
        raise click.ClickException(f"At least {LEAST_WITHOUT_DATABASE} of them should be.")
    measured = [each["ours"] for each in figures["points"] if each["rate"] <= POINTS_WITHOUT_ERROR]
    if n_errors := sum(each["errors"] for each in (*measured, figures.get("soak", {"errors": 0}))):
        raise click.ClickException(f"{n_errors} requests failed, of which there should be none up to {POINTS_WITHOUT_ERROR:,}/s.")


def without_database(metrics: str) -> float:
    """Of the requests for what is published since the service began, how many were answered without asking PostgreSQL.

    At least so many, as its metrics tell it: what workers read ahead counts as if a request had asked for it.
    """
    samples = [sample for family in text_string_to_metric_families(metrics) for sample in family.samples]
    requests = [each for each in samples if each.name == "serving_requests_total" and each.labels["route"].startswith("/v1/")]
    asked = sum(each.value for each in requests if each.labels["status"] < "400")  # whoever is refused asks for nothing
    missed = {"layer": "shared", "outcome": "miss"}
    return 1 - sum(each.value for each in samples if each.name == "serving_cache_lookups_total" and each.labels == missed) / asked


def _answer(port: int, asked: Asked) -> httpx.Response:
    return httpx.get(f"http://{HOST}:{port}{asked.path}", headers=dict(asked.headers), timeout=10).raise_for_status()


def _paths(port: int, headers: Mapping[str, str]) -> tuple[str, str]:
    """Of the list of the competition with most predictions, and of the first of these."""
    competitions = _answer(port, Asked("/v1/competitions", headers)).json()["competitions"]
    largest = max(competitions, key=lambda each: each["n_predictions"], default=None)
    if largest is None or not largest["n_predictions"]:
        raise click.ClickException("The edition has no predictions to serve: run the pipeline first.")
    listed = f"/v1/predictions?competition={largest['competition_id']}"
    first = _answer(port, Asked(listed, headers)).json()["predictions"][0]
    return listed, f"/v1/predictions/{first['prediction_id']}"


def _alternatives(prediction: Mapping[str, Any], workers: int) -> list[Alternative]:
    """A handler that reads the prediction's row, and the champion that makes such predictions."""
    row = f"/publications/{prediction['publication_id']}/predictions/{prediction['prediction_id']}"
    model = f"models:/{prediction['model_name']}@champion"
    return [
        Alternative("FastAPI + uvicorn", lambda: servers.fastapi(workers), Asked(row, PLAIN)),
        Alternative("mlflow models serve", lambda: servers.mlflow(model, workers), _scoring(model)),
    ]


def _scoring(model: str) -> Asked:
    """One match for `model` to score. All its features are 0: how long it takes does not depend on them."""
    from mlflow.exceptions import MlflowException
    from mlflow.models import get_model_info

    try:
        names = get_model_info(model).signature.inputs.input_names()
    except MlflowException as error:
        raise click.ClickException(f"{model} cannot be had from the model registry: {error.message}") from None
    match = {"dataframe_split": {"columns": names, "data": [[0.0] * len(names)]}}
    return Asked("/invocations", {"Content-Type": "application/json"}, json.dumps(match))


def _beside_the_ceiling(name: str, asked: Asked, ours: Server, workers: int, seconds: float) -> dict[str, Any]:
    """Closed-loop, in turn: the bare application, ours, the bare application again."""
    body = _answer(ours.port, asked).content
    with servers.bare(body, workers) as bare:
        found = [closed_loop(port, asked, seconds) for port in (bare.port, ours.port, bare.port)]
    if any(each["errors"] for each in found):
        raise click.ClickException(f"wrk met errors: {found}")
    before, measured, after = found
    ceiling = (before["per_second"] + after["per_second"]) / 2
    ratio = measured["per_second"] / ceiling
    click.echo(
        f"{name:<7} {len(body) / 1024:6.1f} KiB, {CONNECTIONS} connections: ceiling {ceiling:8.0f}/s "
        f"({before['per_second']:.0f}, {after['per_second']:.0f}), ours {measured['per_second']:8.0f}/s, ratio {ratio:.2f}"
    )
    return {"path": asked.path, "bytes": len(body), "ceiling_runs": [before, after], "ours": measured, "ratio": round(ratio, 3)}


def _instead(alternative: Alternative, ours_per_second: float, seconds: float) -> dict[str, Any]:
    """The same of another server, and how many times as many ours answers."""
    with alternative.start() as server:
        found = closed_loop(server.port, alternative.asked, seconds)
        found["resident_mb"] = server.resident_mb()
    times = f"ours {ours_per_second / found['per_second']:.1f} times as many" if found["per_second"] else "none"
    click.echo(
        f"  instead, {alternative.name}: {found['per_second']:.0f}/s ({times}), {_times(found)}, errors {found['errors']}, "
        f"resident {found['resident_mb']} MB"
    )
    return found


def _point(
    rate: int,
    connections: int,
    ours: Server,
    asked: Asked,
    body: bytes,
    alternatives: list[Alternative],
    workers: int,
    seconds: float,
) -> dict[str, Any]:
    """Open loop: ours, the generator's own limit at the bare application, and what one would build instead."""
    click.echo(f"{rate:,}/s, {connections:,} connections, open loop, times from sending:")

    def load(name: str, server: Server, asked: Asked) -> dict[str, Any]:
        found = open_loop(server.port, asked, rate, connections, seconds)
        found["resident_mb"] = server.resident_mb()
        click.echo(
            f"  {name:<20} {_times(found)}, errors {found['errors']} of {found['requests']}, sent "
            f"{found['sent_per_second']:.0f}/s, answered {found['answered_per_second']:.0f}/s, resident {found['resident_mb']} MB"
        )
        return found

    point = {"ours": load("ours", ours, asked)}
    with servers.bare(body, workers) as bare:
        point["generator_at_bare"] = load("generator's limit", bare, asked)
    for each in alternatives:
        with each.start() as server:
            point[each.name] = load(each.name, server, each.asked)
    return {"rate": rate, "connections": connections, **point}


def _times(found: Mapping[str, Any]) -> str:
    return f"p50 {found['p50_ms']} p95 {found['p95_ms']} p99 {found['p99_ms']} ms"


def _soak(server: Server, asked: Asked, minutes: float) -> dict[str, Any]:
    """A steady 500/s, memory and descriptors looked at every five seconds; slopes by least squares after the first minute."""
    samples: list[tuple[float, float, int]] = []
    is_over = threading.Event()
    begun = time.monotonic()

    def watch() -> None:
        while not is_over.wait(5):
            samples.append((time.monotonic() - begun, server.resident_mb(), server.n_descriptors()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    outcome = open_loop(server.port, asked, 500, 100, minutes * 60)
    is_over.set()
    watcher.join()
    settled = [each for each in samples if each[0] >= min(60.0, minutes * 20)]
    memory = _slope([at / 60 for at, _, _ in settled], [resident for _, resident, _ in settled])
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
