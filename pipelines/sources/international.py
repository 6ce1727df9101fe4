"""martj42/international_results: matches of men's national teams since 1872 as one CSV file, in the public domain (CC0 1.0).

Belongs here: which file there is, and how it is taken apart into lines that are matches and lines that are not. Does not belong
here: what a cell is worth; cells stay as delivered and are cast in SQL.

Source of the layout: https://github.com/martj42/international_results (`results.csv`: `date, home_team, away_team, home_score,
away_score, tournament, city, country, neutral`; scores after extra time, `NA` where a match is still to come).
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from pipelines.sources.cells import INTERNATIONAL_COUNTS, Watch
from pipelines.sources.http import Web
from pipelines.sources.kinds import kinds, stride
from pipelines.sources.lines import read_lines, split_cells
from pipelines.sources.protocol import (
    Fetched,
    ParsedFile,
    QuarantinedLine,
    Row,
    Scope,
    Unfit,
    bounded,
    refuse,
    set_aside,
)

FILE: Final = "results.csv"

NEEDED: Final = ("date", "home_team", "away_team", "home_score", "away_score", "tournament", "neutral")
"""Columns without which a file is another one."""

MAX_GOALS: Final = 40
"""The highest score of one team so far is 31 (2001)."""

NOT_YET: Final = "NA"
"""What stands for the goals of a match that is still to come."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_GOALS: Final = frozenset(str(goals) for goals in range(MAX_GOALS + 1))


@dataclass(frozen=True)
class International:
    """The repository's raw content, or a folder that has the file."""

    url: str
    web: Web
    name: str = "international"

    def list(self, scope: Scope) -> list[str]:
        """The one file, whatever the scope: who names this source wants it, and ratings need every match in it."""
        folder = self.web.folder(self.url)
        return [FILE] if folder is None or (folder / FILE).is_file() else []

    def is_missed(self, key: str, scope: Scope) -> bool:
        """The one file always is."""
        return key == FILE

    def fetch(self, key: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        return self.web.fetch(self.name, key, f"{self.url.rstrip('/')}/{key}", etag, last_modified)

    def parse(self, key: str, content: bytes) -> ParsedFile:
        return parse(content)

    def is_due(self, key: str, today: date) -> bool:
        """The one file always is."""
        return key == FILE

    def coming(self) -> Sequence[str]:
        """The one file, which holds results and coming matches alike; unchanged it costs no more than a small one."""
        self.web.folder(self.url)
        return (FILE,)


def parse(content: bytes) -> ParsedFile:
    """Take the file apart. Whatever the bytes are, every line is accounted for and nothing is raised."""
    lines = read_lines(content)
    header_line = lines.complete[0] if lines.complete else lines.cut or ""
    try:
        names = _read_header(content, header_line)
    except Unfit as fault:
        return refuse("international", lines.n_lines, fault, header_line, _names_of_table(header_line, fault))
    rows: list[Row] = []
    quarantined: list[QuarantinedLine] = []
    seen: set[tuple[tuple[str, str], ...]] = set()
    sample: list[list[str]] = []
    every = stride(len(lines.complete))
    n_blank = 0
    watch = Watch("international", INTERNATIONAL_COUNTS)
    for number, line in enumerate(lines.complete[1:], start=2):
        if not line.strip(", \t\r"):
            n_blank += 1
            continue
        named: dict[str, str] = {}
        try:
            named = _name(names, line)
            if number % every == 0:
                sample.append([named.get(name, "") for name in names])
            _judge(named)
            identity = tuple(named.items())
            if identity in seen:
                raise Unfit("duplicate_line")
        except Unfit as fault:
            home, away = named.get("home_team", "").strip(), named.get("away_team", "").strip()
            teams = (home, away) if home and away else None
            quarantined.append(set_aside(number, fault, content=line, teams=teams))
        else:
            seen.add(identity)
            rows.append(Row(number, named))
            watch.take([named.get(name, "") for name in INTERNATIONAL_COUNTS])
    if lines.cut is not None:
        quarantined.append(set_aside(lines.n_lines, Unfit("broken_off"), content=lines.cut))
    return ParsedFile(
        layout="international",
        state="intact" if lines.cut is None else "truncated",
        encoding=lines.encoding,
        header=names,
        rows=rows,
        quarantined=bounded(quarantined),
        n_lines=lines.n_lines,
        n_header=1,
        n_blank=n_blank,
        unusable=watch.unusable("international", rows),
        kinds=kinds(names, sample),
    )


def lacking(names: Collection[str]) -> list[str]:
    """The needed columns that are not among the names."""
    return [name for name in NEEDED if name not in names]


def _names_of_table(line: str, fault: Unfit) -> tuple[str, ...] | None:
    """The columns of a file that lacks some needed ones; None where it has hardly any, and is another kind of file."""
    if fault.reason != "no_header":
        return None
    names = tuple(cell.strip() for cell in _split(line))
    return names if len(lacking(names)) <= len(NEEDED) // 2 else None


def _read_header(content: bytes, line: str) -> tuple[str, ...]:
    """The names of the columns. Raises Unfit where this is not the file."""
    if not content.strip():
        raise Unfit("empty")
    if content[:1024].lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise Unfit("html")
    names = tuple(cell.strip() for cell in _split(line))
    if len(set(names)) < len(names) or lacking(names):
        raise Unfit("no_header", line[:100])
    return names


def _split(line: str) -> Sequence[str]:
    if "\0" in line:
        raise Unfit("nul_bytes")
    try:
        return split_cells(line)
    except ValueError as error:
        raise Unfit("unreadable_quotes", str(error)) from error


def _name(names: tuple[str, ...], line: str) -> dict[str, str]:
    """The line's filled cells in ascending order of names. Raises Unfit where it has another number of cells."""
    cells = _split(line)
    if len(cells) < len(names):
        raise Unfit("broken_off", f"it ends after {len(cells)} of {len(names)} columns")
    if len(cells) > len(names):
        raise Unfit("too_many_columns", f"{len(cells)}")
    filled = {name: cell for name, cell in zip(names, cells, strict=True) if cell.strip()}
    goals = {"home_score", "away_score"}
    return dict(sorted((name, cell) for name, cell in filled.items() if not (name in goals and cell.strip() == NOT_YET)))


def _judge(cells: dict[str, str]) -> None:
    """Raises Unfit if this is not a match."""
    home, away, day = (cells.get(name, "").strip() for name in ("home_team", "away_team", "date"))
    if not day:
        raise Unfit("no_date")
    if not home or not away:
        raise Unfit("no_teams")
    if not _DAY.fullmatch(day) or not _exists(day):
        raise Unfit("bad_date", day)
    if home == away:
        raise Unfit("team_against_itself", home)
    goals = cells.get("home_score", "").strip(), cells.get("away_score", "").strip()
    if goals != ("", "") and not _GOALS.issuperset(goals):
        raise Unfit("impossible_score", f"{goals[0] or 'nothing'} to {goals[1] or 'nothing'}")
    if cells.get("neutral", "").strip().upper() not in ("TRUE", "FALSE"):
        raise Unfit("no_ground", cells.get("neutral", ""))


def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True
