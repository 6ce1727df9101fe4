"""One run at a time writes to a warehouse.

Belongs here: the lock, which PostgreSQL lets go of when its holder dies. Short locks of single tables are where those
tables are written.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg

_LOCK = "hashtext('football.run')"


class Busy(Exception):
    """Another run has been writing for longer than anybody should wait; the message says what to do."""


@contextmanager
def alone(url: str, within: timedelta, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the warehouse's lock; wait for another holder's end, which `on_wait` is told of once.

    Raises:
        Busy: the lock was not free `within` that time.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(f"select pg_try_advisory_lock({_LOCK})").fetchone()
        if row is None or not row[0]:
            on_wait()
            connection.execute(f"set lock_timeout = {int(within.total_seconds() * 1000)}")
            try:
                connection.execute(f"select pg_advisory_lock({_LOCK})")
            except psycopg.errors.LockNotAvailable as error:
                raise Busy(
                    f"Another run has been at work for more than {within}. Look for it in the Dagster UI; "
                    "if it hangs, terminate it there, and start this one again."
                ) from error
        yield
