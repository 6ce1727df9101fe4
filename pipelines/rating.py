"""The ratings of all matches, computed in a process of their own beside what else a run does.

After `gold.fct_match` the warehouse still has tables to make that no rating looks at. Two threads would take turns at one
interpreter's lock, for dbt is Python too; two processes have a core each.

Belongs here: that process, and what it is asked: to rate all matches, and to write what was changed by it. Does not belong here:
the replay itself (`pipelines.forecast`), when it is asked (`pipelines.defs`).
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from expectations.worker import end_with_parent
from pipelines import machine_code
from pipelines.store import gold
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

TABLE: Final = "forecast.match_rating"

_WITHIN_SECONDS: Final = 600


class Written(NamedTuple):
    """What came of it."""

    n_matches: int
    n_changed: int


@cache
def _process() -> ProcessPoolExecutor:
    # Spawned, not forked: this process may have threads by now.
    return ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)


def prepare() -> None:
    """Start the process, and do not wait until it is ready: where the loops' machine code is missing, it makes it."""
    _process().submit(machine_code.make)


def begin(warehouse: Warehouse, run_id: str) -> None:
    """Have all matches rated as they are now, for `write` to find; what was begun earlier counts no more."""
    _process().submit(_begin, warehouse, run_id)


def write(warehouse: Warehouse, run_id: str) -> Written:
    """Make the table what the ratings say of all matches, from what the same run has begun, or else of those there now.

    Raises:
        TimeoutError: it took longer than ten minutes.
        BrokenProcessPool: somebody ended the process.
    """
    return _process().submit(_write, warehouse, run_id).result(timeout=_WITHIN_SECONDS)


_begun: "dict[str, tuple[pd.DataFrame, pd.DataFrame]]" = {}
"""In the process: by the run, its ratings, and the digests of those in the table. Asked twice, they are computed anew."""


def _begin(warehouse: Warehouse, run_id: str) -> None:
    import pandas as pd

    from pipelines.forecast.features import rate

    _begun.clear()
    ratings = rate(gold.matches(warehouse)).reset_index()
    # As PostgreSQL has whole numbers, with a sign. To read all that is there would take as long as the ratings do.
    digest = pd.util.hash_pandas_object(ratings, index=False).to_numpy().view("int64")
    _begun[run_id] = ratings.assign(digest=digest), gold.rating_digests(warehouse)


def _write(warehouse: Warehouse, run_id: str) -> Written:
    if run_id not in _begun:
        _begin(warehouse, run_id)
    ratings, there = _begun.pop(run_id)
    return Written(len(ratings), warehouse.update(TABLE, "match_id", ratings, there))
