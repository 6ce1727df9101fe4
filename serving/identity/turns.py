"""At most so many at a time of something that keeps a core busy, whichever worker process of this machine does it.

Belongs here: taking turns. Does not belong here: what is done in one.
"""

import fcntl
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Turns:
    """A turn is a locked file of a folder that all workers share: the kernel gives it back for whoever is killed in it."""

    def __init__(self, folder: Path, n: int) -> None:
        self._files = [folder / f"turn-{each}.lock" for each in range(n)]

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn, in a thread of one's own, and have it until the block ends."""
        for file in self._files:
            with self._opened(file) as descriptor:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield
                return
        with self._opened(random.choice(self._files)) as descriptor:  # noqa: S311 - which queue to stand in is no secret
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield

    @staticmethod
    @contextmanager
    def _opened(file: Path) -> Iterator[int]:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
