"""A process of granian's that answers requests.

Belongs here: what it does before and beside that. Does not belong here: the application (`app`), how many there are
(`__main__`).
"""

import logging.config
import multiprocessing
import os
import signal
import threading
import time
from typing import Final

from litestar import Litestar

from serving.app import create_app
from serving.settings import Settings
from serving.telemetry import forget_dead_workers, log_config

LOOK_SECONDS: Final = 1.0


def application() -> Litestar:
    """The service as the environment describes it."""
    logging.config.dictConfig(log_config())
    forget_dead_workers()
    if (parent := multiprocessing.parent_process()) is not None and parent.pid is not None:
        threading.Thread(target=_end_with, args=(parent.pid,), name="end-with-parent", daemon=True).start()
    return create_app(Settings.read())


def _end_with(parent: int) -> None:
    """Stop this process when the one that started it is gone.

    Killed, that one could not tell its workers: they would go on answering beside those of its successor, at the same port.
    """
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
