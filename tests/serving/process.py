"""The service as a process of its own: granian with as many workers as `API_WORKERS` says.

Belongs here: what it is given, starting and stopping it, and freezing the Valkey that it asks.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import redis

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
