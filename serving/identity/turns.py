"""At most so many at a time of something that keeps a core busy, whichever worker process of this machine does it.

Belongs here: taking turns. Does not belong here: what is done in one.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

PATIENCE_SECONDS: Final = 10.0
LOOK_AGAIN_SECONDS: Final = 0.005
"""Much less than a turn takes."""


class Busy(Exception):
    """Too many wait for their turn, or whoever has it does not end."""


class Turns:
    """A turn is a locked file of a folder that all workers share: the kernel gives it back for whoever is killed in it."""

    def __init__(self, folder: Path, n: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._files = [folder / f"turn-{each}.lock" for each in range(n)]

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn, in a thread of one's own, and have it until the block ends.

        Raises:
            Busy: there was none in spite of patience, as where a worker was halted in its own.
        """
        deadline = time.monotonic() + self._patience_seconds
        with ExitStack() as opened:
            descriptors = [opened.enter_context(_opened(file)) for file in self._files]
            while not any(map(_is_had, descriptors)):
                if time.monotonic() > deadline:
                    raise Busy
                time.sleep(LOOK_AGAIN_SECONDS)
            yield


@contextmanager
def _opened(file: Path) -> Iterator[int]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_had(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
