"""The outbox: messages that are written in the transaction that they tell of, and sent then.

Belongs here: writing them down, handing those that wait to whoever sends them, noting which were taken, and removing these when
they are old. Does not belong here: sending, and where to (`pipelines.streams.relay`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pipelines.store.warehouse import Warehouse

AT_ONCE: Final = 100
"""So many messages are sent in one transaction at most."""

KEPT_FOR: Final = timedelta(days=30)
"""What was taken longer ago is removed: the publication that it told of stands on its own."""


@dataclass(frozen=True)
class Waiting:
    """A message that no broker has taken yet."""

    outbox_id: int
    key: str
    message: Mapping[str, Any]


def write(connection: psycopg.Connection, key: str, message: Mapping[str, Any], now: datetime) -> None:
    """Write a message down in the connection's transaction: it is sent if, and only if, that is committed."""
    connection.execute(
        "insert into operations.outbox (key, message, written_at) values (%s, %s, %s)",
        (key, Jsonb(dict(message)), now),
    )


def relay(warehouse: Warehouse, send: Callable[[Sequence[Waiting]], Sequence[int]], now: datetime) -> tuple[int, int]:
    """Hand the oldest messages that wait to `send`, which answers with the ids of those that were taken, note these, and
    remove what was taken long ago.

    Returns how many were taken and how many wait still. One relay at a time, so that none overtakes another; killed between an
    answer and its noting, it sends again what had been taken.
    """
    with warehouse.connect() as connection, connection.cursor(row_factory=class_row(Waiting)) as cursor:
        connection.execute("select pg_advisory_xact_lock(hashtext('operations.outbox'))")
        waiting = cursor.execute(
            """
            select outbox_id, key, message from operations.outbox
            where delivered_at is null order by outbox_id limit %s
            """,
            (AT_ONCE,),
        ).fetchall()
        taken = send(waiting) if waiting else ()
        connection.execute("update operations.outbox set delivered_at = %s where outbox_id = any(%s)", (now, list(taken)))
        connection.execute("delete from operations.outbox where delivered_at < %s", (now - KEPT_FOR,))
        n_left = _n_waiting(connection)
    return len(taken), n_left


def n_waiting(warehouse: Warehouse) -> int:
    """How many messages no broker has taken yet."""
    with warehouse.connect() as connection:
        return _n_waiting(connection)


def _n_waiting(connection: psycopg.Connection) -> int:
    row = connection.execute("select count(*) from operations.outbox where delivered_at is null").fetchone()
    return int(row[0]) if row else 0
