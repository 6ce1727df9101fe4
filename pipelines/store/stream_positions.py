"""How far a stream was read, and its messages into bronze: both in one transaction.

Belongs here: the positions, and the fence that lets only one of two readers write what both have read. Does not belong here:
reading from a broker (`pipelines.streams`), or what becomes of rows (`bronze`).
"""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from pipelines.store import bronze
from pipelines.store.delivered import Delivery, ParsedFile
from pipelines.store.encoding import encode
from pipelines.store.warehouse import Warehouse


class Overtaken(Exception):
    """Another reader has moved the partition's position: what was read is in bronze already, or is going to be."""


@dataclass(frozen=True)
class Span:
    """The messages of one partition from where it stood (None: it was never read) up to, and without, `next_offset`."""

    topic: str
    partition: int
    begun_at: int | None
    next_offset: int


def positions(warehouse: Warehouse, topic: str) -> dict[int, int]:
    """Partition to the offset of the first message that is not in bronze; one that was never read is missing."""
    with warehouse.connect() as connection:
        rows = connection.execute("select partition, next_offset from bronze.stream_position where topic = %s", (topic,))
        return dict(rows.fetchall())


def take_in(warehouse: Warehouse, span: Span, delivery: Delivery, parsed: ParsedFile, now: datetime) -> bronze.LoadResult:
    """Write a batch of messages and move the position behind it, in one transaction.

    Raises:
        Overtaken: the partition does not stand where the batch begins; nothing was written.
    """
    with warehouse.connect() as connection, connection.transaction(), connection.cursor() as cursor:
        move(cursor, span, now)
        (result,) = bronze.write(cursor, [encode(delivery, parsed)], now)
    return result


def move(cursor: psycopg.Cursor[tuple[object, ...]], span: Span, now: datetime) -> None:
    """Move a position, if it is still where the span begins; another reader's move is waited for. Raises Overtaken."""
    facts = vars(span) | {"now": now}
    if span.begun_at is None:
        cursor.execute(
            """
            insert into bronze.stream_position (topic, partition, next_offset, moved_at)
            values (%(topic)s, %(partition)s, %(next_offset)s, %(now)s)
            on conflict do nothing
            """,
            facts,
        )
    else:
        cursor.execute(
            """
            update bronze.stream_position set next_offset = %(next_offset)s, moved_at = %(now)s
            where topic = %(topic)s and partition = %(partition)s and next_offset = %(begun_at)s
            """,
            facts,
        )
    if cursor.rowcount != 1:
        raise Overtaken(f"{span.topic}/{span.partition} does not stand at {span.begun_at} any more")
