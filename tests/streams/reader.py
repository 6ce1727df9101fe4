"""A reader in a process of its own, which may be told to die: the program that the tests of kills start."""

import os
import signal
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from pipelines.settings import Settings
from pipelines.store import bronze, stream_positions
from pipelines.store.delivered import Delivery, ParsedFile
from pipelines.store.landing import open_landing
from pipelines.store.stream_positions import Span
from pipelines.store.warehouse import Warehouse
from pipelines.streams import intake, reading
from pipelines.streams.reading import Bounds

_move, _take_in, _given = stream_positions.move, stream_positions.take_in, reading._Positions.given


def die() -> None:
    """At once, as a machine does: nothing is closed, no `finally` runs."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(warehouse: Warehouse, span: Span, delivery: Delivery, parsed: ParsedFile, now: datetime) -> bronze.LoadResult:
    die()
    return _take_in(warehouse, span, delivery, parsed, now)


def stops(warehouse: Warehouse, span: Span, delivery: Delivery, parsed: ParsedFile, now: datetime) -> bronze.LoadResult:
    os.kill(os.getpid(), signal.SIGSTOP)
    return _take_in(warehouse, span, delivery, parsed, now)


def within(cursor: psycopg.Cursor[tuple[object, ...]], span: Span, now: datetime) -> None:
    _move(cursor, span, now)
    die()


def behind(warehouse: Warehouse, span: Span, delivery: Delivery, parsed: ParsedFile, now: datetime) -> bronze.LoadResult:
    _take_in(warehouse, span, delivery, parsed, now)
    die()
    raise AssertionError("it is dead")


def given(where: reading._Positions, consumer: Any, partitions: Iterable[Any]) -> None:
    """Leave a file when the group has given this reader something."""
    partitions = list(partitions)
    _given(where, consumer, partitions)
    if partitions:
        (Path(os.environ["STATE_DIR"]) / "assigned").touch()


if __name__ == "__main__":
    reading._Positions.given = given  # type: ignore[method-assign]
    match sys.argv[1]:
        case "before":
            stream_positions.take_in = before
        case "stops":
            stream_positions.take_in = stops
        case "within":
            stream_positions.move = within
        case "behind":
            stream_positions.take_in = behind
    settings = Settings.read()
    taken = intake.Taken()
    bounds = Bounds(seconds=float(sys.argv[2]))
    landing = open_landing(settings.landing, "")
    intake.take_in(settings, Warehouse(settings.ingest_url), landing, taken, bounds)
    print(taken.n_inserted, taken.n_quarantined, taken.is_cut_short)
