"""The ratings of all matches, computed in a process of their own beside what else a run does.

After `gold.fct_match` the warehouse still has tables to make that no rating looks at. Two threads would take turns at one
interpreter's lock, for dbt is Python too; two processes have a core each.

Belongs here: that process, and what it is asked: to rate all matches, and to write what was changed by it. Does not belong here:
the replay itself (`pipelines.forecast`), when it is asked (`pipelines.defs`).
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import adbc_driver_postgresql.dbapi as adbc
import psycopg

from expectations.worker import end_with_parent
from pipelines import machine_code
from pipelines.store import gold
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

TABLE: Final = "forecast.match_rating"

_WITHIN_SECONDS: Final = 600

T = TypeVar("T")


class Written(NamedTuple):
    """What came of it."""

    n_matches: int
    n_changed: int


class RatingStopped(Exception):
    """The process was ended from outside, or did not come to an end; nothing was written."""


@cache
def _process() -> "tuple[ProcessPoolExecutor, Future[int]]":
    # Spawned, not forked: this process may have threads by now.
    process = ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)
    return process, process.submit(os.getpid)


def _ask(function: Callable[..., T], *arguments: object) -> "Future[T]":
    """Have the process do it; another one, where it is gone."""
    try:
        return _process()[0].submit(function, *arguments)
    except BrokenProcessPool:
        _process.cache_clear()
        return _process()[0].submit(function, *arguments)


def prepare() -> None:
    """Start the process, and do not wait until it is ready: where the loops' machine code is missing, it makes it."""
    _ask(machine_code.make)


def begin(warehouse: Warehouse, run_id: str) -> None:
    """Have all matches rated as they are now, for `write` to find; what was begun earlier counts no more."""
    _ask(_begin, warehouse, run_id)


def write(warehouse: Warehouse, run_id: str) -> Written:
    """Make the table what the ratings say of all matches, from what the same run has begun, or else of those there now.

    Raises:
        RatingStopped: it took longer than ten minutes, or the process was ended, for want of memory most likely.
    """
    asked = _ask(_write, warehouse, run_id)
    try:
        return asked.result(timeout=_WITHIN_SECONDS)
    except BrokenProcessPool as error:
        raise RatingStopped("the process that rates was ended: is there memory?") from error
    except TimeoutError as error:
        end()
        raise RatingStopped(f"the ratings were not there after {_WITHIN_SECONDS} seconds") from error
    except BaseException:
        # The run is being stopped: nobody may write behind its back when another one has begun.
        end()
        raise


def end() -> None:
    """End the process, whatever it is doing; what is asked next has another one."""
    process, pid = _process()
    if pid.done() and not pid.exception():
        with suppress(ProcessLookupError):
            os.kill(pid.result(), signal.SIGKILL)
    process.shutdown(wait=False, cancel_futures=True)
    _process.cache_clear()


_begun: "dict[str, tuple[pd.DataFrame, pd.DataFrame]]" = {}
"""In the process: by the run, its ratings, and the digests of those in the table. Asked twice, they are computed anew."""


def _begin(warehouse: Warehouse, run_id: str) -> None:
    import pandas as pd

    from pipelines.forecast.features import rate

    _begun.clear()
    with _errors_that_travel():
        ratings = rate(gold.matches(warehouse)).reset_index()
        # As PostgreSQL has whole numbers, with a sign. To read all that is there would take as long as the ratings do.
        digest = pd.util.hash_pandas_object(ratings, index=False).to_numpy().view("int64")
        _begun[run_id] = ratings.assign(digest=digest), gold.rating_digests(warehouse)


def _write(warehouse: Warehouse, run_id: str) -> Written:
    if run_id not in _begun:
        _begin(warehouse, run_id)
    ratings, there = _begun.pop(run_id)
    with _errors_that_travel():
        return Written(len(ratings), warehouse.update(TABLE, "match_id", ratings, there))


@contextmanager
def _errors_that_travel() -> Iterator[None]:
    """Errors of ADBC cannot be sent from one process to another; psycopg's say the same."""
    try:
        yield
    except adbc.OperationalError as error:
        raise psycopg.OperationalError(str(error)) from None
    except adbc.Error as error:
        raise psycopg.DatabaseError(str(error)) from None
