"""The ratings of all matches, computed in a process of their own beside what else a run does.

After `gold.fct_match` the warehouse still has tables to make that no rating looks at, and dbt, which makes them, is Python, too.

Belongs here: what that process is asked: to rate all matches, and to write what was changed by it. Does not belong here:
the replay itself (`pipelines.forecast`), when it is asked (`pipelines.defs`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import adbc_driver_postgresql.dbapi as adbc
import psycopg

from pipelines import machine_code
from pipelines.beside import Beside
from pipelines.store import gold
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

TABLE: Final = "forecast.match_rating"

_PROCESS: Final = Beside()


class Written(NamedTuple):
    """What came of it."""

    n_matches: int
    n_changed: int


def prepare() -> None:
    """Start the process, and do not wait until it is ready: where the loops' machine code is missing, it makes it."""
    _PROCESS.begin(machine_code.make)


def begin(warehouse: Warehouse, run_id: str) -> None:
    """Have all matches rated as they are now, for `write` to find; what was begun earlier counts no more."""
    _PROCESS.begin(_begin, warehouse, run_id)


def write(warehouse: Warehouse, run_id: str) -> Written:
    """Make the table what the ratings say of all matches, from what the same run has begun, or else of those there now.

    Raises:
        BesideStopped: it took longer than ten minutes, or the process was ended; nothing was written.
    """
    return _PROCESS.ask(_write, warehouse, run_id)


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
