"""Delivered files into bronze: which versions there were, and each of their lines once.

Belongs here: writing file versions. Does not belong here: fetching, taking files apart (`pipelines.sources` does; `delivered`
says what is expected of it), casting, or what is asked about versions afterwards (`file_versions`).
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from pipelines.store.delivered import Delivery, ParsedFile, QuarantinedLine, UnusableCell
from pipelines.store.encoding import ROW_TABLES, Encoded, encode, table_of
from pipelines.store.warehouse import Warehouse

ROWS_PER_TRANSACTION: Final = 20_000
FILES_PER_TRANSACTION: Final = 100

KEPT_SHARE: Final = 0.95
"""A league's file only grows. With less than this share of the rows of its last intact version it is `shrunk`."""

_GROWING: Final = frozenset({"main", "new", "json", "international", "football_data_org"})

WRITING: Final = "select pg_advisory_xact_lock(hashtext('bronze.source_file'))"
"""One writer at a time, to the end of its transaction: the next version number is read before it is written."""

HOME_COLUMNS: Final = ("HomeTeam", "HT", "Home", "team1", "home_team", "homeTeam")
AWAY_COLUMNS: Final = ("AwayTeam", "AT", "Away", "team2", "away_team", "awayTeam")
"""What a match's teams may be called, in all layouts."""

_ROW_COLUMNS: Final = (
    "file_id",
    "source",
    "key",
    "layout",
    "since_version",
    "until_version",
    "ingested_at",
    "line_number",
    "row_digest",
    "cells",
)


@dataclass(frozen=True)
class LoadResult:
    """What one delivery changed. `file_id` is that of the version now in force; `is_new` is false for known bytes.

    `n_loaded` and `n_quarantined` tell of that version; `n_unusable`, `n_inserted` and `n_withdrawn` of what was written.
    """

    source: str
    key: str
    file_id: int
    version: int
    state: str
    is_new: bool
    n_loaded: int
    n_quarantined: int
    n_unusable: int
    n_inserted: int
    n_withdrawn: int


def load(connection: psycopg.Connection, delivery: Delivery, parsed: ParsedFile, now: datetime) -> LoadResult:
    """Write one file version in one transaction. Known bytes change nothing."""
    (result,) = load_many(connection, [(delivery, parsed)], now)
    return result


def load_many(
    connection: psycopg.Connection, files: Iterable[tuple[Delivery, ParsedFile]], now: datetime
) -> Iterator[LoadResult]:
    """Write file versions, many to a transaction, and say after each commit what they changed.

    `files` is drawn on by another thread, one batch ahead: fetching and taking apart go on while PostgreSQL works.
    Killed at any moment, this leaves whole versions only.

    Raises:
        ValueError: the connection is in a transaction, which would hold every commit back.
    """
    if connection.info.transaction_status != TransactionStatus.IDLE:
        raise ValueError("Files are committed batch by batch: give a connection that is not in a transaction.")
    batches = _batches(files)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="bronze") as ahead:
        coming = ahead.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = ahead.submit(next, batches, None)
            with connection.transaction(), connection.cursor() as cursor:
                results = write(cursor, batch, now)
            yield from results


def _batches(files: Iterable[tuple[Delivery, ParsedFile]]) -> Iterator[list[Encoded]]:
    batch: list[Encoded] = []
    try:
        for delivery, parsed in files:
            # A file given twice is two versions, and those must not meet in one batch.
            if any((each.delivery.source, each.delivery.key) == (delivery.source, delivery.key) for each in batch):
                yield batch
                batch = []
            batch.append(encode(delivery, parsed))
            if len(batch) >= FILES_PER_TRANSACTION or sum(each.n_loaded for each in batch) >= ROWS_PER_TRANSACTION:
                yield batch
                batch = []
    except Exception:
        # A source that fails half-way takes nothing with it that it already gave.
        yield batch
        raise
    yield batch


@dataclass(frozen=True)
class _Known:
    """What bronze has of a file: its latest version, and the rows of its last intact one."""

    file_id: int
    version: int
    sha256: str
    state: str
    n_loaded: int
    n_quarantined: int
    n_intact: int | None


@dataclass(frozen=True)
class _Version:
    """A file that is new to bronze, and what it will be known as."""

    file: Encoded
    before: _Known | None
    version: int
    state: str


def write(cursor: psycopg.Cursor[Any], batch: Sequence[Encoded], now: datetime) -> list[LoadResult]:
    """Write file versions, no two of one file, in the cursor's transaction, which should be short: others wait for it."""
    cursor.execute(WRITING)
    known = _known(cursor, [(each.delivery.source, each.delivery.key) for each in batch])
    results: list[LoadResult] = []
    versions: list[_Version] = []
    for each in batch:
        before = known.get((each.delivery.source, each.delivery.key))
        if before is not None and before.sha256 == each.delivery.sha256:
            _renew_validators(cursor, before.file_id, each.delivery)
            results.append(_unchanged(each.delivery, before))
        else:
            state = state_of(each, None if before is None else before.n_intact)
            versions.append(_Version(each, before, 1 if before is None else before.version + 1, state))
    file_ids = _insert_files(cursor, versions)
    new = list(zip(file_ids, (version.file for version in versions), strict=True))
    insert_quarantine(cursor, [(file_id, file.quarantined) for file_id, file in new], now)
    insert_unusable(cursor, [(file_id, file.unusable) for file_id, file in new])
    fresh: dict[str, list[bytes]] = {}
    for file_id, version in zip(file_ids, versions, strict=True):
        table = table_of(version.file.layout)
        lines, n_withdrawn = _compare(cursor, table, version)
        fresh.setdefault(table, []).extend(_prefixed(lines, file_id, version.file, (version.version, None), now))
        results.append(_changed(file_id, version, len(lines), n_withdrawn))
    for table, lines in fresh.items():
        _copy(cursor, table, lines)
    return results


def _compare(cursor: psycopg.Cursor[Any], table: str, new: _Version) -> tuple[list[bytes], int]:
    """The lines that no earlier version brought, and how many rows were withdrawn that this one lacks."""
    if new.before is None:
        return list(new.file.lines.values()), 0
    standing = _standing(cursor, table, new.file.delivery)
    lines = [line for digest, line in new.file.lines.items() if digest not in standing]
    gone = {table: [row_id for digest, row_id in standing.items() if digest not in new.file.lines]}
    # A file dropped under a name that another form of file had before.
    gone |= {other: [*_standing(cursor, other, new.file.delivery).values()] for other in ROW_TABLES if other != table}
    if new.state != "intact":
        return lines, 0
    n_withdrawn = [_withdraw(cursor, name, ids, new.version, new.file.quarantined) for name, ids in gone.items() if ids]
    return lines, sum(n_withdrawn)


def add_rows(
    cursor: psycopg.Cursor[Any],
    file: Encoded,
    file_id: int,
    versions: tuple[int, int | None],
    lines: Iterable[bytes],
    now: datetime,
) -> None:
    """Store some lines of a file as rows that stand from one of its `versions` until another; None: they still do."""
    _copy(cursor, table_of(file.layout), list(_prefixed(lines, file_id, file, versions, now)))


def _prefixed(
    lines: Iterable[bytes], file_id: int, file: Encoded, versions: tuple[int, int | None], now: datetime
) -> Iterator[bytes]:
    since, until = versions
    texts = (str(file_id), file.delivery.source, file.delivery.key, file.layout, str(since))
    end = "\\N" if until is None else str(until)
    prefix = "".join(f"{value}\t" for value in (*map(_escape, texts), end, now.isoformat())).encode()
    return (prefix + line for line in lines)


def _changed(file_id: int, new: _Version, n_inserted: int, n_withdrawn: int) -> LoadResult:
    return LoadResult(
        source=new.file.delivery.source,
        key=new.file.delivery.key,
        file_id=file_id,
        version=new.version,
        state=new.state,
        is_new=True,
        n_loaded=new.file.n_loaded,
        n_quarantined=new.file.n_quarantined,
        n_unusable=sum(cell.n_cells for cell in new.file.unusable),
        n_inserted=n_inserted,
        n_withdrawn=n_withdrawn,
    )


def state_of(file: Encoded, n_intact: int | None) -> str:
    """The state of a version, after one whose last intact state had `n_intact` rows (None: there was none)."""
    if file.state != "intact" or file.layout not in _GROWING or n_intact is None:
        return file.state
    return "intact" if file.n_loaded >= KEPT_SHARE * n_intact else "shrunk"


def _known(cursor: psycopg.Cursor[Any], files: Sequence[tuple[str, str]]) -> dict[tuple[str, str], _Known]:
    cursor.execute(
        """
        select distinct on (source, key)
            source, key, file_id, version, sha256, state, n_loaded, n_quarantined,
            first_value(case when state = 'intact' then n_loaded end)
                over (partition by source, key order by state = 'intact' desc, version desc) as n_intact
        from bronze.source_file
        where (source, key) in (select * from unnest(%s::text[], %s::text[]))
        order by source, key, version desc
        """,
        ([source for source, _ in files], [key for _, key in files]),
    )
    return {(source, key): _Known(*rest) for source, key, *rest in cursor}


def _unchanged(delivery: Delivery, before: _Known) -> LoadResult:
    return LoadResult(
        source=delivery.source,
        key=delivery.key,
        file_id=before.file_id,
        version=before.version,
        state=before.state,
        is_new=False,
        n_loaded=before.n_loaded,
        n_quarantined=before.n_quarantined,
        n_unusable=0,
        n_inserted=0,
        n_withdrawn=0,
    )


def _renew_validators(cursor: psycopg.Cursor[Any], file_id: int, delivery: Delivery) -> None:
    cursor.execute(
        """
        update bronze.source_file set etag = %(etag)s, last_modified = %(last_modified)s
        where file_id = %(file_id)s and (etag, last_modified) is distinct from (%(etag)s, %(last_modified)s)
        """,
        {"etag": delivery.etag, "last_modified": delivery.last_modified, "file_id": file_id},
    )


def _insert_files(cursor: psycopg.Cursor[Any], versions: Sequence[_Version]) -> list[int]:
    """The ids of the new versions, in their order. All go in one message: a round trip each would take longer."""
    if not versions:
        return []
    values = [new.file.facts | {"version": new.version, "state": new.state} for new in versions]
    statement = sql.SQL("insert into bronze.source_file ({}) values ({}) returning file_id").format(
        sql.SQL(", ").join(map(sql.Identifier, values[0])), sql.SQL(", ").join(map(sql.Placeholder, values[0]))
    )
    cursor.executemany(statement, values, returning=True)
    return [int(row[0]) for result in cursor.results() for row in result]


def insert_quarantine(cursor: psycopg.Cursor[Any], files: Iterable[tuple[int, Iterable[QuarantinedLine]]], now: datetime) -> None:
    """Set lines of file versions, by their `file_id`, aside."""
    entries = [
        (file_id, line.line_number, line.n_lines, line.reason, line.explanation, line.content, now)
        for file_id, lines in files
        for line in lines
    ]
    if entries:
        cursor.executemany(
            """
            insert into bronze.quarantine (file_id, line_number, n_lines, reason, explanation, content, quarantined_at)
            values (%s, %s, %s, %s, %s, %s, %s)
            """,
            entries,
        )


def insert_unusable(cursor: psycopg.Cursor[Any], files: Iterable[tuple[int, Iterable[UnusableCell]]]) -> None:
    """Note cells of file versions, by their `file_id`, that say nothing usable."""
    entries = [
        (file_id, cell.line_number, cell.column_name, cell.n_cells, cell.content, cell.reason)
        for file_id, cells in files
        for cell in cells
    ]
    if entries:
        cursor.executemany(
            """
            insert into bronze.unusable_cell (file_id, line_number, column_name, n_cells, content, reason)
            values (%s, %s, %s, %s, %s, %s)
            """,
            entries,
        )


def _standing(cursor: psycopg.Cursor[Any], table: str, delivery: Delivery) -> dict[bytes, int]:
    cursor.execute(
        sql.SQL("select row_digest, row_id from {} where source = %s and key = %s and until_version is null").format(
            sql.Identifier("bronze", table)
        ),
        (delivery.source, delivery.key),
    )
    return {bytes(digest): row_id for digest, row_id in cursor}


def _withdraw(
    cursor: psycopg.Cursor[Any], table: str, row_ids: list[int], version: int, quarantined: Sequence[QuarantinedLine]
) -> int:
    """Close rows the new version no longer has, but for those whose two teams a quarantined line of it names.

    Such a line is most likely the same match with a fault in it: the last good state stands until it is mended.
    """
    teams = [line.teams for line in quarantined if line.teams is not None]
    cursor.execute(
        sql.SQL(
            """
            update {} set until_version = %s
            where row_id = any(%s)
            and (btrim(coalesce({})), btrim(coalesce({}))) not in (select * from unnest(%s::text[], %s::text[]))
            """
        ).format(sql.Identifier("bronze", table), _cells(HOME_COLUMNS), _cells(AWAY_COLUMNS)),
        (version, row_ids, [home for home, _ in teams], [away for _, away in teams]),
    )
    return cursor.rowcount


def _cells(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("cells ->> {}").format(name) for name in names)


def _copy(cursor: psycopg.Cursor[Any], table: str, lines: Sequence[bytes]) -> None:
    if not lines:
        return
    columns = sql.SQL(", ").join(map(sql.Identifier, _ROW_COLUMNS))
    statement = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier("bronze", table), columns)
    with cursor.copy(statement) as copy:
        for start in range(0, len(lines), 1000):
            copy.write(b"".join(lines[start : start + 1000]))


def _escape(value: str) -> str:
    """As COPY's text format wants it."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def refresh_statistics(warehouse: Warehouse) -> None:
    """Let the planner know what a load has brought: without this it expects the tables to be empty for a minute."""
    with warehouse.connect() as connection:
        connection.execute(
            "analyze bronze.source_file, bronze.football_data_match, bronze.openfootball_match, bronze.international_match,"
            " bronze.football_data_org_match, bronze.stream_message"
        )
