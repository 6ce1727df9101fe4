"""Great Expectations in a process of its own, which can be started before there is anything to judge.

Belongs here: that process. Importing Great Expectations takes longer than most judging; beside a run that has other
things to do first, nobody waits for it.
"""

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import pandas as pd

from expectations.run import Outcome, validate

_WITHIN_SECONDS = 600


@cache
def _worker() -> ProcessPoolExecutor:
    # Spawned, not forked: this process may have threads by now.
    return ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)


def prepare() -> None:
    """Start the process, and do not wait until it is ready."""
    _worker().submit(_import)


def judge(suite_name: str, frame: pd.DataFrame) -> Outcome:
    """As `run.validate`, in the process.

    Raises:
        KeyError: there is no such suite.
        TimeoutError: no verdict within ten minutes.
    """
    return _worker().submit(validate, suite_name, frame).result(timeout=_WITHIN_SECONDS)


def end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this runs in the child

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _import() -> None:
    import great_expectations  # noqa: F401
