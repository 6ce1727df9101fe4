"""The servers that are measured, each in processes of its own at a free port.

Belongs here: how each is started, how it is known to be ready, how it ends, and what it holds meanwhile. Does not belong here:
what is asked of it.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import click
import httpx
import psutil

from serving.bench.asked import HOST
from serving.settings import BODY_FILE

READY_SECONDS: Final = 120.0
END_SECONDS: Final = 30.0


class Server:
    """A server that answers."""

    def __init__(self, process: psutil.Process, port: int) -> None:
        self.port = port
        self._process = process

    def resident_mb(self) -> float:
        """Of all its processes."""
        return round(sum(each.memory_info().rss for each in self._processes()) / 1e6, 1)

    def n_descriptors(self) -> int:
        """Open files and connections of all its processes."""
        return sum(each.num_fds() for each in self._processes())

    def _processes(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


@contextmanager
def ours(workers: int) -> Iterator[Server]:
    """The service. The load comes from one address with one token: the limits are on, and out of its way."""
    variables = {"API_WORKERS": str(workers), "API_RATE_PER_SECOND": "100000"}
    with _running(["-m", "serving"], "/health/ready", port_variable="API_PORT", **variables) as server:
        yield server


@contextmanager
def bare(body: bytes, workers: int) -> Iterator[Server]:
    """The ceiling: `serving.bench.bare`, which sends these bytes."""
    with tempfile.NamedTemporaryFile(prefix="football-bare-") as file:
        file.write(body)
        file.flush()
        command = ["-m", "granian", "--interface", "asgi", "--no-ws", "--http", "1", "--workers", str(workers)]
        limits = ["--backlog", "4096", "--backpressure", "16384"]  # as ours has them
        address = ["--host", HOST, "--port", "{port}", "serving.bench.bare:app"]
        with _running([*command, *limits, *address], "/", **{BODY_FILE: file.name}) as server:
            yield server


@contextmanager
def fastapi(workers: int) -> Iterator[Server]:
    """`serving.bench.instead` on uvicorn."""
    options = ["--workers", str(workers), "--host", HOST, "--port", "{port}", "--backlog", "4096", "--no-access-log"]
    with _running(["-m", "uvicorn", *options, "serving.bench.instead:app"], "/openapi.json") as server:
        yield server


@contextmanager
def mlflow(model: str, workers: int) -> Iterator[Server]:
    """`mlflow models serve` with a registered model (`models:/name@alias`), in this environment."""
    options = ["--env-manager", "local", "--workers", str(workers), "--host", HOST, "--port", "{port}"]
    with _running(["-m", "mlflow", "models", "serve", "--model-uri", model, *options], "/ping") as server:
        yield server


@contextmanager
def _running(arguments: Sequence[str], ready_path: str, port_variable: str = "PORT", **variables: str) -> Iterator[Server]:
    """Python with these arguments, `{port}` in them replaced, until the block ends."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port = int(listener.getsockname()[1])
    command = [sys.executable, *(each.format(port=port) for each in arguments)]
    environment = {**os.environ, **variables, port_variable: str(port)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                httpx.get(f"http://{HOST}:{port}{ready_path}", timeout=2).raise_for_status()
                break
            except httpx.HTTPError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise click.ClickException(f"{' '.join(command)} did not start: {error}") from None
                time.sleep(0.1)
        yield Server(psutil.Process(process.pid), port)
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to end, and its processes with it; after a while, do not ask. An overloaded one has much left to do."""
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        everyone = [*first.children(recursive=True), first]
        process.terminate()
        _, left = psutil.wait_procs(everyone, END_SECONDS)
        for each in left:
            each.kill()
    process.wait()
