"""Runs the service on granian: `python -m serving`."""

import atexit
import os
import resource
import shutil
import sys
import tempfile
from typing import Final

from granian import Granian
from granian.constants import HTTPModes, Interfaces

from serving.settings import SHARED_DIR, Settings, SettingsError

MAXIMUM_CONNECTIONS: Final = 16_384
"""Of a worker. Granian would take no more at a time than wait to be taken (`backlog`): those beyond would never be answered."""


def main() -> None:
    """Serve until told to stop; a request under way at SIGTERM is answered first."""
    try:
        settings = Settings.read()
    except SettingsError as error:
        sys.exit(str(error))
    if settings.workers > 1:
        # They count in files that each of them can add up, and take turns by others.
        folder = tempfile.mkdtemp(prefix="football-workers-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ[SHARED_DIR] = folder
    from serving.telemetry import log_config  # only now: the workers inherit how the library of metrics counts

    # A connection is a descriptor: the usual soft limit is for programs that open files.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    Granian(
        "serving.worker:application",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=HTTPModes.http1,
        websockets=False,
        backlog=4096,
        backpressure=MAXIMUM_CONNECTIONS,
        workers_kill_timeout=10,
        respawn_failed_workers=True,
        log_dictconfig=log_config(),
    ).serve()


if __name__ == "__main__":
    main()
