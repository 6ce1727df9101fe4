"""The service as a process of its own: granian with as many workers as `API_WORKERS` says.

Belongs here: what it is given, starting and stopping it, freezing the Valkey that it asks, and a way to PostgreSQL that can be cut.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import redis
import sqlalchemy as sa

from deploy.local.ports import Ports


def variables(database_url: str, secret_file: Path, redis_url: str, server_state: Path) -> dict[str, str]:
    """What it is given, with a port of its own."""
    port = Ports(server_state / "ports.json").claim("service")
    return {
        "API_DATABASE_URL": database_url,
        "JWT_SECRET_FILE": str(secret_file),
        "REDIS_URL": redis_url,
        "EDITION": "demo",
        "IS_SIMULATED": "1",
        "API_PORT": str(port),
        "API_URL": f"http://127.0.0.1:{port}",
    }


@contextmanager
def serving(
    environment: Mapping[str, str], folder: Path, inherited: Mapping[str, str] = os.environ
) -> Iterator["subprocess.Popen[bytes]"]:
    """The running service; what it prints is in the file `log` of the folder."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving"], env={**inherited, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{environment['API_URL']}/health/live", timeout=1)
                break
            except httpx.HTTPError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def frozen(redis_url: str) -> Iterator[None]:
    """A Valkey that does not answer, and closes no connection."""
    with redis.Redis.from_url(redis_url) as admin:
        process = int(admin.info("server")["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


class Way:
    """The way to a database, over which nothing comes any more once it is cut: neither words nor that a connection was closed."""

    def __init__(self, url: str) -> None:
        there = sa.make_url(url)
        self._there = (there.host or "127.0.0.1", there.port or 5432)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._is_open = threading.Event()
        self._is_open.set()
        self._ends: list[socket.socket] = []
        here = there.set(host="127.0.0.1", port=self._listening.getsockname()[1])
        self.url = here.render_as_string(hide_password=False)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def is_open(self) -> bool:
        """Whether it is not cut."""
        return self._is_open.is_set()

    def cut(self) -> None:
        """Let nothing pass, and nobody in, until it is mended."""
        self._is_open.clear()

    def mend(self) -> None:
        """Let pass whatever comes, and what was held up."""
        self._is_open.set()

    def close(self) -> None:
        """End all that goes over it."""
        self.mend()
        for each in (self._listening, *self._ends):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._there)
                self._ends += (near, far)
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                self._is_open.wait()
                target.sendall(content)
            self._is_open.wait()
            target.shutdown(socket.SHUT_WR)


@contextmanager
def way_to(url: str) -> Iterator[Way]:
    """A way to this database; its `url` leads over it."""
    way = Way(url)
    try:
        yield way
    finally:
        way.close()
