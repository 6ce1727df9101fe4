"""Runs the service on granian: `python -m serving`."""

import sys

from granian import Granian
from granian.constants import HTTPModes, Interfaces

from serving.settings import Settings, SettingsError
from serving.telemetry import log_config


def main() -> None:
    """Serve until told to stop; a request under way at SIGTERM is answered first."""
    try:
        settings = Settings.read()
    except SettingsError as error:
        sys.exit(str(error))
    Granian(
        "serving.app:from_environment",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=HTTPModes.http1,
        websockets=False,
        backlog=4096,
        workers_kill_timeout=10,
        respawn_failed_workers=True,
        log_dictconfig=log_config(),
    ).serve()


if __name__ == "__main__":
    main()
