"""A second process beside this one: two threads would take turns at one interpreter's lock, two processes have a core each.

Belongs here: starting it, asking it, ending it. Does not belong here: what it is asked.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.util import Finalize
from typing import Final, TypeVar

T = TypeVar("T")

_WITHIN_SECONDS: Final = 600.0


class BesideStopped(Exception):
    """The process was ended from outside, or did not come to an end."""


class Beside:
    """One process, started when it is first asked; another one is, where it is gone."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._pid: Future[int] | None = None

    def begin(self, function: Callable[..., T], *arguments: object) -> "Future[T]":
        """Have it call a function of a module when all that it was asked before is done, and do not wait."""
        try:
            return self._running().submit(function, *arguments)
        except BrokenProcessPool:
            self._pool = None
            return self._running().submit(function, *arguments)

    def ask(self, function: Callable[..., T], *arguments: object, within_seconds: float = _WITHIN_SECONDS) -> T:
        """What the function returns, or raises. Whoever stops waiting ends it: nothing is done behind their back.

        Raises:
            BesideStopped: it took longer, or the process was ended, for want of memory most likely.
        """
        asked = self.begin(function, *arguments)
        try:
            return asked.result(within_seconds)
        except BrokenProcessPool as error:
            raise BesideStopped(f"the process of {function.__name__.strip('_')} was ended: is there memory?") from error
        except TimeoutError as error:
            if asked.done():  # the function's own
                raise
            raise BesideStopped(f"{function.__name__.strip('_')} was not done after {within_seconds:.0f} seconds") from error
        finally:
            if not asked.done():
                self.end()

    def end(self) -> None:
        """End the process, whatever it is doing."""
        pool, pid, self._pool = self._pool, self._pid, None
        if pool is not None and pid is not None:
            pool.shutdown(wait=False, cancel_futures=True)
            if pid.done() and not pid.cancelled() and pid.exception() is None:
                with suppress(ProcessLookupError):
                    os.kill(pid.result(), signal.SIGKILL)

    def _running(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Spawned, not forked: this process may have threads by now.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_end_with_parent)
            self._pid = self._pool.submit(os.getpid)
            # A child of multiprocessing waits for its own children before anything else could end them: each step of Dagster's
            # multiprocess executor is one, and would never come to its end.
            Finalize(None, self.end, exitpriority=0)
        return self._pool


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this runs in the child

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
