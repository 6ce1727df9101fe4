"""The quarantine: looking at what was set aside, and taking it up again once a parser can read it.

Belongs here: listing entries, and moving lines that are now matches from the quarantine to the rows. Does not belong here:
setting aside (`bronze` writes what `pipelines.sources` says), or taking files apart: the parser is handed in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    line_number: int
    since: int
    until: int | None
    teams: tuple[str, str]

    def stands_at(self, version: int) -> bool:
        return self.since <= version and (self.until is None or version < self.until)


@dataclass(frozen=True)
class _Version:
    """A file version as it is stored, or will be; `entries` is what its quarantine says as stored, and under which number."""

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


@dataclass(frozen=True)
class _Reading:
    """A version as the parser reads it today; teams and digest of each row by the number of its line."""

    file: Encoded
    teams: Mapping[int, tuple[str, str]]
    digests: Mapping[int, bytes]


class _Readings:
    """The versions of one file taken apart again, each when it is first asked for."""

    def __init__(self, key: tuple[str, str], versions: Sequence[_Version], landing: Landing, parse: Parse) -> None:
        self._key, self._landing, self._parse = key, landing, parse
        self._versions = {each.version: each for each in versions}
        self._known: dict[int, _Reading] = {}

    def of(self, version: int) -> _Reading:
        if version not in self._known:
            each = self._versions[version]
            content = self._landing.get(each.sha256)
            kept = _Kept(*self._key, content, each.sha256, each.etag, each.last_modified, each.fetched_at)
            parsed = self._parse(*self._key, content)
            file, teams = encode(kept, parsed), {row.line_number: _teams(row.cells) for row in parsed.rows}
            self._known[version] = _Reading(file, teams, {_number(line): digest for digest, line in file.lines.items()})
        return self._known[version]


class _File:
    """All versions and rows of one file."""

    def __init__(self, cursor: psycopg.Cursor[Any], source: str, key: str) -> None:
        self.cursor, self.source, self.key = cursor, source, key
        self.versions = self._read_versions()
        self.rows = [row for table in ROW_TABLES for row in self._read_rows(table)]

    def replay(self, landing: Landing, parse: Parse, now: datetime) -> list[Replayed]:
        """Each version that has something in quarantine, in their order."""
        stored = self.versions
        readings = _Readings((self.source, self.key), stored, landing, parse)
        again = {
            each.version: readings.of(each.version).file
            for each in stored
            if each.entries and {_said(line) for line in readings.of(each.version).file.quarantined} != each.entries.keys()
        }
        # All before the first is taken up: how long a line stands depends on what the versions behind it turn out to be.
        self.versions = _judged_anew(stored, again)
        return [
            self._take_up(was, each, readings, now)
            for was, each in zip(stored, self.versions, strict=True)
            if each.version in again
        ]

    def _take_up(self, was: _Version, each: _Version, readings: _Readings, now: datetime) -> Replayed:
        file, teams = readings.of(each.version).file, readings.of(each.version).teams
        reopened = self._reopen(each, readings) if was.state == "intact" != each.state else []
        set_aside = {entry[0] for entry in each.entries}
        standing = {row.digest: row for row in self.rows if row.stands_at(each.version)}
        loaded = {row.line_number for row in standing.values() if row.since == each.version}
        read_otherwise = self._read_otherwise(was, standing.values(), readings)
        added = {
            digest: line
            for digest, line in file.lines.items()
            if digest not in standing
            and digest not in read_otherwise
            and _number(line) not in loaded
            and (None in set_aside or _number(line) in set_aside)
        }
        table = table_of(file.layout)
        newly = {teams[_number(line)] for line in added.values()}
        ended = []
        if each.state == "intact":
            still = {line.teams for line in file.quarantined if line.teams is not None}
            has_line = {*file.lines, *(row.digest for row in read_otherwise.values())}
            for row in standing.values():
                is_replaced = row.teams in newly or was.state != "intact"
                if row.since < each.version and row.digest not in has_line and row.teams not in still and is_replaced:
                    row.until = each.version
                    ended.append(row)
        fresh = [
            _Row(
                table,
                None,
                digest,
                _number(line),
                each.version,
                self._until(digest, each.version, teams[_number(line)], readings),
                teams[_number(line)],
            )
            for digest, line in added.items()
        ]
        self._write(each, file, added, fresh, [*reopened, *ended], now)
        self.rows += fresh
        return Replayed(self.source, self.key, each.version, len(added), len(ended), file.n_quarantined)

    def _reopen(self, each: _Version, readings: _Readings) -> list[_Row]:
        """Let the rows stand on that this version withdrew when it passed for intact."""
        own = {row.digest for row in self.rows if row.since == each.version}
        reopened = [row for row in self.rows if row.until == each.version and row.digest not in own]
        for row in reopened:
            row.until = self._until(row.digest, each.version, row.teams, readings)
        return reopened

    def _read_otherwise(self, was: _Version, standing: Iterable[_Row], readings: _Readings) -> dict[bytes, _Row]:
        """Digests of lines that the version shares with an earlier one, and the rows that were made of them by another reading.

        Such a line was loaded, and stays as it is. What it says today is told by the version that brought it. Of a refused
        version no line was loaded.
        """
        if was.state == "refused":
            return {}
        lines = readings.of(was.version).file.lines
        old = [row for row in standing if row.since < was.version and row.digest not in lines]
        return {digest: row for row in old if (digest := readings.of(row.since).digests.get(row.line_number)) in lines}

    def _until(self, digest: bytes, since: int, teams: tuple[str, str], readings: _Readings) -> int | None:
        """The first later version that has the line as a row of its own, or is intact and lacks it."""
        for later in self.versions:
            if later.version <= since:
                continue
            if any(row.digest == digest and row.since == later.version for row in self.rows):
                return later.version
            file = readings.of(later.version).file if later.entries else None
            keeps_it = file is not None and (digest in file.lines or any(line.teams == teams for line in file.quarantined))
            if later.state == "intact" and not keeps_it:
                return later.version
        return None

    def _write(
        self,
        each: _Version,
        file: Encoded,
        added: Mapping[bytes, bytes],
        fresh: Sequence[_Row],
        moved: Sequence[_Row],
        now: datetime,
    ) -> None:
        for row in moved:
            statement = sql.SQL("update {} set until_version = %s where row_id = %s").format(sql.Identifier("bronze", row.table))
            self.cursor.execute(statement, (row.until, row.row_id))
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
        # Judged again: what comes out of the quarantine meets the same expectations as what never went in. It is the file that is
        # judged, and whether it was is asked of its latest version: what comes out of an earlier one may stand in that, too.
        self.cursor.execute(
            "update bronze.source_file set accepted_at = null where source = %s and key = %s and accepted_at is not null",
            (self.source, self.key),
        )
        self.cursor.execute(
            """
            update bronze.source_file
            set
                layout = %(layout)s, encoding = %(encoding)s, header = %(header)s, kinds = %(kinds)s,
                state = %(state)s,
                n_lines = %(n_lines)s, n_header = %(n_header)s, n_loaded = %(n_loaded)s,
                n_quarantined = %(n_quarantined)s, n_blank = %(n_blank)s
            where file_id = %(file_id)s
            """,
            file.facts | {"state": each.state, "file_id": each.file_id},
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
                "select row_id, row_digest, line_number, since_version, until_version, cells from {}"
                " where source = %s and key = %s"
            ).format(sql.Identifier("bronze", table)),
            (self.source, self.key),
        )
        return [
            _Row(table, row_id, bytes(digest), line_number, since, until, _teams(cells))
            for row_id, digest, line_number, since, until, cells in self.cursor
        ]


def _judged_anew(versions: Iterable[_Version], again: Mapping[int, Encoded]) -> list[_Version]:
    """The versions in the states that they will have: those taken up again as if each had been read so at once.

    The others stay as they are, though one may be shorter than what was made of a version before it.
    """
    judged: list[_Version] = []
    n_intact = None
    for each in versions:
        file = again.get(each.version)
        anew = each if file is None else replace(each, state=bronze.state_of(file, n_intact), n_loaded=file.n_loaded)
        if anew.state == "intact":
            n_intact = anew.n_loaded
        judged.append(anew)
    return judged


def _said(line: QuarantinedLine) -> _Said:
    return line.line_number, line.n_lines, line.reason, line.explanation, line.content


def _number(line: bytes) -> int:
    """The line number that an encoded line begins with."""
    return int(line[: line.index(b"\t")])


def _teams(cells: Mapping[str, str]) -> tuple[str, str]:
    home = next((cells[name] for name in bronze.HOME_COLUMNS if name in cells), "")
    away = next((cells[name] for name in bronze.AWAY_COLUMNS if name in cells), "")
    return home.strip(), away.strip()
