"""A CSV file of football-data.co.uk taken apart into lines that are matches and lines that are not.

Belongs here: what a file should hold, its columns, and the verdict on each line. Does not belong here: which files there are
(`football_data`), or what a cell is worth; cells stay as delivered and are cast in SQL.
"""

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import Final

from pipelines.sources.cells import Watch
from pipelines.sources.kinds import kinds, stride
from pipelines.sources.lines import read_lines, split_cells
from pipelines.sources.protocol import (
    FIRST_SEASON,
    Layout,
    ParsedFile,
    QuarantinedLine,
    Row,
    Unfit,
    bounded,
    is_score,
    refuse,
    set_aside,
)

MAX_COLUMNS: Final = 400
"""Nearly four times the widest file seen (106)."""

_DATE: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})", re.ASCII)


# --------------------------------------------------------------------------- what a file should hold


@dataclass(frozen=True)
class Expectation:
    """What a file's name promises. None = nothing promised, as for a file dropped into the inbox.

    `competition` is the division of a main file or the country of a new one; `days` the first and last day of the
    season, as yyyymmdd.
    """

    layout: Layout | None = None
    competition: str | None = None
    days: tuple[int, int] | None = None


NEEDED: Final[Mapping[Layout, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {
        "main": (("Div",), ("Date",), ("HomeTeam", "HT"), ("AwayTeam", "AT"), ("FTHG",), ("FTAG",)),
        "new": (("Country",), ("Date",), ("Home",), ("Away",), ("HG",), ("AG",)),
        "fixtures": (("Div",), ("Date",), ("HomeTeam", "HT"), ("AwayTeam", "AT")),
        "new_fixtures": (("Country",), ("Date",), ("Home",), ("Away",)),
    }
)
"""The columns without which no line of a file is a match, each with the names that it may have."""


def lacking(names: Collection[str], layout: Layout) -> list[str]:
    """Those of `NEEDED` that are not among the names, with all their own: `HomeTeam or HT`."""
    return [" or ".join(column) for column in NEEDED.get(layout, ()) if not set(column) & set(names)]


@dataclass(frozen=True)
class _Columns:
    """Where the columns that make a line a match stand."""

    layout: Layout
    names: tuple[str, ...]
    competition: int
    date: int
    home: int
    away: int
    score: tuple[int, int] | None
    last_needed: int
    in_order: tuple[str, ...]
    pick: Callable[[Sequence[str]], tuple[str, ...]]


def column_names(header: Sequence[str]) -> tuple[str, ...]:
    """Header cells to unique keys: a repeated name gets `.2`, `.3`; a nameless column `#` and its 1-based place."""
    names: list[str] = []
    taken: set[str] = set()
    for place, cell in enumerate(header, start=1):
        name = base = cell.strip() or f"#{place}"
        repetition = 1
        while name in taken:
            repetition += 1
            name = f"{base}.{repetition}"
        taken.add(name)
        names.append(name)
    return tuple(names)


def _find_columns(names: tuple[str, ...], expected: Layout | None) -> _Columns | None:
    """None where the header lacks what a match needs, or is one of another layout than expected."""
    place = {name: index for index, name in enumerate(names)}

    def find(*candidates: str) -> int | None:
        return next((place[name] for name in candidates if name in place), None)

    # Greek files up to 2004/05 write HT and AT for the teams.
    is_main = "Div" in place
    competition, date = find("Div" if is_main else "Country"), find("Date")
    home, away = (find("HomeTeam", "HT"), find("AwayTeam", "AT")) if is_main else (find("Home"), find("Away"))
    if competition is None or date is None or home is None or away is None:
        return None
    goals = (find("FTHG"), find("FTAG")) if is_main else (find("HG"), find("AG"))
    score = None if goals[0] is None or goals[1] is None else (goals[0], goals[1])
    layouts: tuple[Layout, ...] = ("main", "fixtures") if is_main else ("new" if score else "new_fixtures",)
    if expected not in (None, *layouts) or (expected == "main" and score is None):
        return None
    layout = expected or layouts[0]
    # A line that ends before the result may be cut in the middle of a name or a number. Fixtures have no result yet.
    result = find("FTR") if is_main else find("Res")
    last_needed = max(away + 1, (result if result is not None else max(score)) if score and layout in ("main", "new") else 0)
    order = sorted(range(len(names)), key=names.__getitem__)
    return _Columns(
        layout=layout,
        names=names,
        competition=competition,
        date=date,
        home=home,
        away=away,
        score=score,
        last_needed=min(last_needed, len(names) - 1),
        in_order=tuple(names[index] for index in order),
        pick=itemgetter(*order),
    )


# --------------------------------------------------------------------------- taking a file apart


def parse(content: bytes, expected: Expectation) -> ParsedFile:
    """Take a CSV file apart. Whatever the bytes are, every line is accounted for and nothing is raised.

    A file most of whose lines belong to another competition or season is another file under this name, refused
    whole. With `expected.layout` None the layout is told from the header and, for main files, from whether any
    match has a score.
    """
    lines = read_lines(content)
    n_above = next((n for n, line in enumerate(lines.complete) if not _is_blank(line)), len(lines.complete))
    first = lines.complete[n_above] if n_above < len(lines.complete) else lines.cut or ""
    try:
        _reject_other_content(content)
        if n_above == len(lines.complete):
            raise Unfit("no_header")
        columns = _read_header(first, expected.layout)
        sorter = _Sorter(columns, expected, first, len(lines.complete))
        for number, line in enumerate(lines.complete[n_above + 1 :], start=n_above + 2):
            sorter.take(number, line)
        sorter.reject_foreign()
    except Unfit as fault:
        layout = expected.layout or "main"
        names = _names_of_table(first, layout) if fault.reason == "no_header" else None
        return refuse(layout, lines.n_lines, fault, first, names)
    quarantined = sorter.quarantined
    if lines.cut is not None:
        quarantined.append(set_aside(lines.n_lines, Unfit("broken_off"), content=lines.cut))
    are_fixtures = expected.layout is None and columns.layout == "main" and not sorter.n_scored
    layout = "fixtures" if are_fixtures else columns.layout
    return ParsedFile(
        layout=layout,
        state="intact" if lines.cut is None else "truncated",
        encoding=lines.encoding,
        header=columns.names,
        rows=sorter.rows,
        quarantined=bounded(quarantined),
        n_lines=lines.n_lines,
        n_header=1,
        n_blank=n_above + sorter.n_blank,
        unusable=sorter.watch.unusable(layout, sorter.rows),
        kinds=kinds(columns.names, sorter.sample),
    )


def _reject_other_content(content: bytes) -> None:
    """Raises Unfit for what is no table at all."""
    if not content.strip(b"\xef\xbb\xbf \t\r\n"):
        raise Unfit("empty")
    opening = content[:1024].lower()
    if opening.lstrip().startswith((b"<!doctype", b"<html", b"<?xml")) or b"<html" in opening:
        raise Unfit("html")


def _read_header(line: str, expected: Layout | None) -> _Columns:
    """Raises Unfit where the line is not the header of a file with matches."""
    try:
        header = [cell.replace("\0", "") for cell in split_cells(line)]
    except ValueError as error:
        raise Unfit("unreadable_quotes", str(error)) from error
    if len(header) > MAX_COLUMNS:
        raise Unfit("too_many_columns", f"{len(header)}")
    columns = _find_columns(column_names(header), expected)
    if columns is None:
        raise Unfit("no_header", line[:100])
    return columns


def _names_of_table(line: str, layout: Layout) -> tuple[str, ...] | None:
    """The columns of a file that lacks some of what a match needs; None where it has hardly any of it, and is no such table."""
    try:
        names = column_names(split_cells(line))
    except ValueError:
        return None
    return names if len(lacking(names, layout)) <= len(NEEDED[layout]) // 2 else None


class _Sorter:
    """Sorts the lines below a header into rows, quarantine and blanks."""

    def __init__(self, columns: _Columns, expected: Expectation, header_line: str, n_lines: int) -> None:
        self.rows: list[Row] = []
        self.quarantined: list[QuarantinedLine] = []
        self.n_blank = 0
        self.n_scored = 0
        self.sample: list[list[str]] = []
        self.watch = Watch(columns.layout, columns.names)
        self._stride = stride(n_lines)
        self._columns = columns
        self._expected = expected
        self._header_line = header_line
        self._first_states: dict[tuple[int, str, str], dict[str, str]] = {}
        self._further_states: set[tuple[tuple[str, str], ...]] = set()

    def take(self, number: int, line: str) -> None:
        """Put one line where it belongs."""
        if _is_blank(line):
            self.n_blank += 1
            return
        home = away = ""
        try:
            cells = self._split(line)
            n_cells = len(cells)
            cells += [""] * (len(self._columns.names) - n_cells)
            if number % self._stride == 0:
                self.sample.append(cells)
            home, away = cells[self._columns.home].strip(), cells[self._columns.away].strip()
            match = (self._judge(cells, n_cells, home, away), home, away)
            named = self._name(cells, may_have_blanks=_may_have_blank_cells(line))
            self._reject_duplicate(match, named)
        except Unfit as fault:
            teams = (home, away) if home and away else None
            self.quarantined.append(set_aside(number, fault, content=line, teams=teams))
        else:
            self.rows.append(Row(number, named))
            self.watch.take(cells)

    def reject_foreign(self) -> None:
        """Raises Unfit if the file is about another competition or season than its name says."""
        foreign = Counter(line.reason for line in self.quarantined if line.reason in ("other_competition", "other_season"))
        if foreign.total() > len(self.rows):
            raise Unfit(foreign.most_common(1)[0][0], "most of the file does")

    def _split(self, line: str) -> list[str]:
        if "\0" in line:
            raise Unfit("nul_bytes")
        if line == self._header_line:
            raise Unfit("not_a_match", "it repeats the header")
        try:
            cells = split_cells(line)
        except ValueError as error:
            raise Unfit("unreadable_quotes", str(error)) from error
        if len(cells) > MAX_COLUMNS:
            raise Unfit("too_many_columns", f"{len(cells)}")
        return cells

    def _judge(self, cells: list[str], n_cells: int, home: str, away: str) -> int:
        """The day, as yyyymmdd, of what is a match of this file. Raises Unfit."""
        columns = self._columns
        day_text = cells[columns.date].strip()
        if not day_text:
            raise Unfit("no_date")
        if not home or not away:
            raise Unfit("no_teams")
        if n_cells <= columns.last_needed:
            raise Unfit("broken_off", f"it ends after {n_cells} of {len(columns.names)} columns")
        day = _day(day_text)
        if day is None:
            raise Unfit("bad_date", day_text)
        if home == away:
            raise Unfit("team_against_itself", home)
        self._judge_belonging(cells[columns.competition].strip(), day, day_text)
        if columns.score is not None:
            self._judge_score(cells[columns.score[0]].strip(), cells[columns.score[1]].strip())
        return day

    def _judge_belonging(self, competition: str, day: int, day_text: str) -> None:
        expected = self._expected
        if expected.competition is not None and competition != expected.competition:
            raise Unfit("other_competition", f"{competition or 'none'} instead of {expected.competition}")
        if expected.days is not None and not expected.days[0] <= day <= expected.days[1]:
            raise Unfit("other_season", day_text)

    def _judge_score(self, home_goals: str, away_goals: str) -> None:
        if is_score(home_goals, away_goals):
            self.n_scored += 1
        elif home_goals or away_goals:
            raise Unfit("impossible_score", f"{home_goals or 'nothing'} to {away_goals or 'nothing'}")

    def _reject_duplicate(self, match: tuple[int, str, str], named: dict[str, str]) -> None:
        """Lines are compared by what they say: one of two equal ones may have more commas at its end."""
        first = self._first_states.setdefault(match, named)
        if first is named:
            return
        state = tuple(named.items())
        if named == first or state in self._further_states:
            raise Unfit("duplicate_line")
        self._further_states.add(state)

    def _name(self, cells: list[str], *, may_have_blanks: bool) -> dict[str, str]:
        columns = self._columns
        values = columns.pick(cells)
        named = {name: cell for name, cell in zip(columns.in_order, values, strict=True) if cell}
        if may_have_blanks:
            named = {name: cell for name, cell in named.items() if not cell.isspace()}
        if len(cells) == len(columns.names):
            return named
        beyond = {f"#{place}": cell for place, cell in enumerate(cells, start=1) if place > len(columns.names) and cell.strip()}
        return dict(sorted({**named, **beyond}.items())) if beyond else named


def _is_blank(line: str) -> bool:
    return not line.strip(', \t\r"\xa0')


def _may_have_blank_cells(line: str) -> bool:
    """Asking the line is far cheaper than asking each of its cells. Blanks other than the space are not printable."""
    return " ," in line or line.endswith(" ") or '"' in line or not line.isprintable()


@lru_cache(maxsize=100_000)
def _day(text: str) -> int | None:
    """dd/mm/yy or dd/mm/yyyy as the number yyyymmdd; None for a day that does not exist."""
    parts = _DATE.fullmatch(text)
    if parts is None:
        return None
    day, month, year = int(parts[1]), int(parts[2]), int(parts[3])
    if len(parts[3]) == 2:
        year += 1900 if year >= FIRST_SEASON % 100 else 2000
    if not (FIRST_SEASON <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]):
        return None
    return (year * 100 + month) * 100 + day
