"""The quarantine: looking at what was set aside, and taking it up again once a parser can read it.

Belongs here: listing entries, and moving lines that are now matches from the quarantine to the rows. Does not belong here:
setting aside (`bronze` writes what `pipelines.sources` says), or taking files apart: the parser is handed in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import psycopg
from psycopg import sql
from psycopg.rows import class_row

from pipelines.store import bronze
from pipelines.store.delivered import ParsedFile, QuarantinedLine
from pipelines.store.encoding import ROW_TABLES, Encoded, encode, table_of
from pipelines.store.landing import Landing
from pipelines.store.warehouse import Warehouse

Parse = Callable[[str, str, bytes], ParsedFile]
"""Source, key and bytes to the file taken apart."""


@dataclass(frozen=True)
class Which:
    """The entries that are meant; None = whatever it is."""

    source: str | None = None
    key: str | None = None
    reason: str | None = None

    @property
    def parameters(self) -> Mapping[str, str | None]:
        """As the statements of this module name them."""
        return {"source": self.source, "key": self.key, "reason": self.reason}


@dataclass(frozen=True)
class Entry:
    """One entry, and the file version that it stands in. `line_number` None means the file, or the surplus of a reason."""

    entry: int
    source: str
    key: str
    version: int
    sha256: str
    fetched_at: datetime
    line_number: int | None
    n_lines: int
    reason: str
    explanation: str
    content: str | None


@dataclass(frozen=True)
class Replayed:
    """What taking up one file version again has changed.

    `n_added` rows came from its quarantine, `n_withdrawn` rows ended with it that a line in quarantine had kept standing;
    `n_left` of its lines are still set aside.
    """

    source: str
    key: str
    version: int
    n_added: int
    n_withdrawn: int
    n_left: int


def listing(warehouse: Warehouse, which: Which) -> pd.DataFrame:
    """What is set aside of every version of every file, most lines first.

    `source, key, reason, n_lines, n_versions, entry, explanation`: the entry, an example, is of the newest version concerned.
    """
    return warehouse.read(
        """
        select
            f.source, f.key, q.reason, sum(q.n_lines)::int as n_lines, count(distinct f.file_id)::int as n_versions,
            (array_agg(q.quarantine_id order by f.version desc, q.line_number nulls last, q.quarantine_id))[1] as entry,
            (array_agg(q.explanation order by f.version desc, q.line_number nulls last, q.quarantine_id))[1] as explanation
        from bronze.quarantine as q
        join bronze.source_file as f using (file_id)
        where
            (%(source)s::text is null or f.source = %(source)s)
            and (%(key)s::text is null or f.key = %(key)s)
            and (%(reason)s::text is null or q.reason = %(reason)s)
        group by f.source, f.key, q.reason
        order by n_lines desc, f.source, f.key, q.reason
        """,
        which.parameters,
    )


def entry(warehouse: Warehouse, number: int) -> Entry | None:
    """The entry with this number, None if there is none: it was never there, or its line is a match by now."""
    with warehouse.connect() as connection, connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            """
            select q.quarantine_id as entry, f.source, f.key, f.version, f.sha256, f.fetched_at,
                q.line_number, q.n_lines, q.reason, q.explanation, q.content
            from bronze.quarantine as q join bronze.source_file as f using (file_id)
            where q.quarantine_id = %s
            """,
            (number,),
        ).fetchone()


def replay(warehouse: Warehouse, landing: Landing, parse: Parse, which: Which, now: datetime) -> list[Replayed]:
    """Take the file versions concerned apart again, and make rows of what is now a match, all in one transaction.

    A row belongs to the version whose line it is, as if it had been read so at once: it was known when that version was fetched.
    Lines that were loaded stay as they are. Only versions in which something changed are told; a second call tells none.

    Raises:
        FileNotFoundError, LandingDamaged: the bytes of a version are not in the landing zone; nothing is changed.
    """
    with warehouse.connect() as connection, connection.transaction(), connection.cursor() as cursor:
        cursor.execute(bronze.WRITING)
        cursor.execute(
            """
            select distinct f.source, f.key from bronze.quarantine as q join bronze.source_file as f using (file_id)
            where
                (%(source)s::text is null or f.source = %(source)s)
                and (%(key)s::text is null or f.key = %(key)s)
                and (%(reason)s::text is null or q.reason = %(reason)s)
            order by f.source, f.key
            """,
            which.parameters,
        )
        return [done for source, key in cursor.fetchall() for done in _File(cursor, source, key).replay(landing, parse, now)]


# --------------------------------------------------------------------------- one file

_Said = tuple[int | None, int, str, str, str | None]
"""Line number, number of lines, reason, explanation and content of an entry."""


@dataclass
class _Row:
    """A stored line, and the versions between which it stands."""

    table: str
    row_id: int | None  # null until it is written
    digest: bytes
    since: int
    until: int | None
    teams: tuple[str, str]

    def stands_at(self, version: int) -> bool:
        return self.since <= version and (self.until is None or version < self.until)


@dataclass(frozen=True)
class _Version:
    """A file version as it is stored; `entries` is what its quarantine says, and under which number."""

    file_id: int
    version: int
    sha256: str
    state: str
    etag: str | None
    last_modified: str | None
    fetched_at: datetime
    n_loaded: int
    entries: dict[_Said, int]


@dataclass(frozen=True)
class _Kept:
    """A version's bytes, in the form of a delivery."""

    source: str
    key: str
    content: bytes
    sha256: str
    etag: str | None
    last_modified: str | None
    fetched_at: datetime


class _File:
    """All versions and rows of one file."""

    def __init__(self, cursor: psycopg.Cursor[Any], source: str, key: str) -> None:
        self.cursor, self.source, self.key = cursor, source, key
        self.versions = self._read_versions()
        self.rows = [row for table in ROW_TABLES for row in self._read_rows(table)]

    def replay(self, landing: Landing, parse: Parse, now: datetime) -> list[Replayed]:
        """Each version that has something in quarantine, in their order."""
        again = {}
        for each in self.versions:
            if each.entries:
                content = landing.get(each.sha256)
                kept = _Kept(self.source, self.key, content, each.sha256, each.etag, each.last_modified, each.fetched_at)
                parsed = parse(self.source, self.key, content)
                again[each.version] = encode(kept, parsed), {row.line_number: _teams(row.cells) for row in parsed.rows}
        changed = []
        for each in self.versions:
            if each.version not in again:
                continue
            file, teams = again[each.version]
            if {_said(line) for line in file.quarantined} != each.entries.keys():
                changed.append(self._take_up(each, file, teams, {version: read for version, (read, _) in again.items()}, now))
        return changed

    def _take_up(
        self,
        each: _Version,
        file: Encoded,
        teams: Mapping[int, tuple[str, str]],
        again: Mapping[int, Encoded],
        now: datetime,
    ) -> Replayed:
        set_aside = {entry[0] for entry in each.entries}
        standing = {row.digest: row for row in self.rows if row.stands_at(each.version)}
        added = {
            digest: line
            for digest, line in file.lines.items()
            if digest not in standing and (None in set_aside or _number(line) in set_aside)
        }
        state = self._state(each, file)
        table = table_of(file.layout)
        newly = {teams[_number(line)] for line in added.values()}
        ended = []
        if state == "intact":
            still = {line.teams for line in file.quarantined if line.teams is not None}
            for row in standing.values():
                is_replaced = row.teams in newly or each.state != "intact"
                if row.since < each.version and row.digest not in file.lines and row.teams not in still and is_replaced:
                    row.until = each.version
                    ended.append(row)
        fresh = [
            _Row(
                table,
                None,
                digest,
                each.version,
                self._until(digest, each.version, teams[_number(line)], again),
                teams[_number(line)],
            )
            for digest, line in added.items()
        ]
        self._write(each, file, state, added, fresh, ended, now)
        self.rows += fresh
        return Replayed(self.source, self.key, each.version, len(added), len(ended), file.n_quarantined)

    def _until(self, digest: bytes, since: int, teams: tuple[str, str], again: Mapping[int, Encoded]) -> int | None:
        """The first later version that has the line as a row of its own, or is intact and lacks it."""
        for later in self.versions:
            if later.version <= since:
                continue
            if any(row.digest == digest and row.since == later.version for row in self.rows):
                return later.version
            file = again.get(later.version)
            state = later.state if file is None else self._state(later, file)
            keeps_it = file is not None and (digest in file.lines or any(line.teams == teams for line in file.quarantined))
            if state == "intact" and not keeps_it:
                return later.version
        return None

    def _state(self, each: _Version, file: Encoded) -> str:
        intact = [other.n_loaded for other in self.versions if other.version < each.version and other.state == "intact"]
        return bronze.state_of(file, intact[-1] if intact else None)

    def _write(
        self,
        each: _Version,
        file: Encoded,
        state: str,
        added: Mapping[bytes, bytes],
        fresh: Sequence[_Row],
        ended: Sequence[_Row],
        now: datetime,
    ) -> None:
        for row in ended:
            statement = sql.SQL("update {} set until_version = %s where row_id = %s").format(sql.Identifier("bronze", row.table))
            self.cursor.execute(statement, (each.version, row.row_id))
        for until in {row.until for row in fresh}:
            lines = [added[row.digest] for row in fresh if row.until == until]
            bronze.add_rows(self.cursor, file, each.file_id, (each.version, until), lines, now)
        said = {_said(line): line for line in file.quarantined}
        gone = [number for what, number in each.entries.items() if what not in said]
        self.cursor.execute("delete from bronze.quarantine where quarantine_id = any(%s)", (gone,))
        new = [line for what, line in said.items() if what not in each.entries]
        bronze.insert_quarantine(self.cursor, [(each.file_id, new)], now)
        self.cursor.execute("delete from bronze.unusable_cell where file_id = %s", (each.file_id,))
        bronze.insert_unusable(self.cursor, [(each.file_id, file.unusable)])
        # Judged again: what comes out of the quarantine meets the same expectations as what never went in.
        self.cursor.execute(
            """
            update bronze.source_file
            set
                layout = %(layout)s, encoding = %(encoding)s, header = %(header)s, kinds = %(kinds)s,
                state = %(state)s, accepted_at = null,
                n_lines = %(n_lines)s, n_header = %(n_header)s, n_loaded = %(n_loaded)s,
                n_quarantined = %(n_quarantined)s, n_blank = %(n_blank)s
            where file_id = %(file_id)s
            """,
            file.facts | {"state": state, "file_id": each.file_id},
        )

    def _read_versions(self) -> list[_Version]:
        self.cursor.execute(
            """
            select f.file_id, q.line_number, q.n_lines, q.reason, q.explanation, q.content, q.quarantine_id
            from bronze.quarantine as q join bronze.source_file as f using (file_id)
            where f.source = %s and f.key = %s
            """,
            (self.source, self.key),
        )
        entries: dict[int, dict[_Said, int]] = {}
        for file_id, *said, number in self.cursor:
            entries.setdefault(file_id, {})[(said[0], said[1], said[2], said[3], said[4])] = number
        self.cursor.execute(
            """
            select file_id, version, sha256, state, etag, last_modified, fetched_at, n_loaded
            from bronze.source_file where source = %s and key = %s order by version
            """,
            (self.source, self.key),
        )
        known = self.cursor.fetchall()
        return [
            _Version(file_id, version, sha256, state, etag, last_modified, fetched_at, n_loaded, entries.get(file_id, {}))
            for file_id, version, sha256, state, etag, last_modified, fetched_at, n_loaded in known
        ]

    def _read_rows(self, table: str) -> list[_Row]:
        self.cursor.execute(
            sql.SQL(
                "select row_id, row_digest, since_version, until_version, cells from {} where source = %s and key = %s"
            ).format(sql.Identifier("bronze", table)),
            (self.source, self.key),
        )
        return [
            _Row(table, row_id, bytes(digest), since, until, _teams(cells)) for row_id, digest, since, until, cells in self.cursor
        ]


def _said(line: QuarantinedLine) -> _Said:
    return line.line_number, line.n_lines, line.reason, line.explanation, line.content


def _number(line: bytes) -> int:
    """The line number that an encoded line begins with."""
    return int(line[: line.index(b"\t")])


def _teams(cells: Mapping[str, str]) -> tuple[str, str]:
    home = next((cells[name] for name in bronze.HOME_COLUMNS if name in cells), "")
    away = next((cells[name] for name in bronze.AWAY_COLUMNS if name in cells), "")
    return home.strip(), away.strip()
