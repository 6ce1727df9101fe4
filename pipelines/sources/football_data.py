"""football-data.co.uk: results, match statistics and bookmakers' odds as CSV files.

Belongs here: which files the site has, and how one of them is taken apart into lines that are matches and lines that
are not. Does not belong here: what a cell is worth; cells stay as delivered and are cast in SQL.

Source of the layout: https://www.football-data.co.uk (`mmz4281/<season>/<division>.csv` for 22 divisions,
`new/<code>.csv` for 16 countries with all their seasons in one file, `fixtures.csv` and `new_league_fixtures.csv` for
coming matches).
"""

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from types import MappingProxyType
from typing import Final

from pipelines.sources.http import Web
from pipelines.sources.lines import read_lines, split_cells
from pipelines.sources.protocol import (
    FIRST_SEASON,
    Delivery,
    Fetched,
    Layout,
    ParsedFile,
    QuarantinedLine,
    Row,
    Scope,
    bounded,
    is_score,
    refuse,
    set_aside,
)

# fmt: off
DIVISIONS: Final = (
    "E0", "E1", "E2", "E3", "EC", "SC0", "SC1", "SC2", "SC3", "D1", "D2", "I1", "I2", "SP1", "SP2", "F1", "F2",
    "N1", "B1", "P1", "T1", "G1",
)
# fmt: on

NEW_LEAGUES: Final = MappingProxyType(
    {
        "ARG": "Argentina",
        "AUT": "Austria",
        "BRA": "Brazil",
        "CHN": "China",
        "DNK": "Denmark",
        "FIN": "Finland",
        "IRL": "Ireland",
        "JPN": "Japan",
        "MEX": "Mexico",
        "NOR": "Norway",
        "POL": "Poland",
        "ROU": "Romania",
        "RUS": "Russia",
        "SWE": "Sweden",
        "SWZ": "Switzerland",
        "USA": "USA",
    }
)
"""File code to what the file's own `Country` column says."""

FIXTURES: Final = MappingProxyType[str, Layout]({"fixtures.csv": "fixtures", "new_league_fixtures.csv": "new_fixtures"})

MAX_COLUMNS: Final = 400
"""Nearly four times the widest file seen (106)."""

_MAIN_KEY: Final = re.compile(r"mmz4281/(\d{4})/([A-Z]{1,3}\d?)\.csv")
_NEW_KEY: Final = re.compile(r"new/([A-Z]{3})\.csv")
_DATE: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})", re.ASCII)


def season_code(season: int) -> str:
    """Start year to the site's code: 1993 → `9394`."""
    return f"{season % 100:02}{(season + 1) % 100:02}"


def season_of(code: str) -> int:
    """The site's code to the start year: `9394` → 1993."""
    year = int(code[:2])
    return year + (1900 if year >= FIRST_SEASON % 100 else 2000)


@dataclass(frozen=True)
class FootballData:
    """The site, or a folder or mirror with its layout."""

    url: str
    web: Web
    name: str = "football_data"

    def list(self, scope: Scope) -> list[str]:
        """Keys in scope. Of a folder, the files it has; of a server, every file the site could have.

        The files of coming matches are always asked for. A folder's extracts that are no competition's file
        (`new/Latest_Results.csv`) are passed over: their matches stand in the competitions' files.
        """
        if (folder := self.web.folder(self.url)) is not None:
            paths = chain(folder.glob("mmz4281/*/*.csv"), folder.glob("new/*.csv"))
            found = sorted(path.relative_to(folder).as_posix() for path in paths)
            return [key for key in found if _is_in(scope, key)] + [key for key in FIXTURES if (folder / key).is_file()]
        offered = (*DIVISIONS, *NEW_LEAGUES)
        if unknown := (scope.competitions or frozenset()).difference(offered):
            raise ValueError(f"football-data.co.uk has no competition {', '.join(sorted(unknown))}; it has {', '.join(offered)}.")
        main = [f"mmz4281/{season_code(season)}/{division}.csv" for season in sorted(scope.seasons) for division in DIVISIONS]
        new = [f"new/{code}.csv" for code in NEW_LEAGUES]
        return [key for key in (*main, *new) if _is_in(scope, key)] + list(FIXTURES)

    def fetch(self, key: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        return self.web.fetch(self.name, key, f"{self.url.rstrip('/')}/{key}", etag, last_modified)

    def parse(self, key: str, content: bytes) -> ParsedFile:
        return parse(content, expectation_of(key))

    def state(self) -> str:
        """A digest of the files of coming matches; they are small, and replaced as a whole."""
        answers = [self.fetch(key) for key in FIXTURES]
        return " ".join(answer.sha256 if isinstance(answer, Delivery) else "none" for answer in answers)


def _is_in(scope: Scope, key: str) -> bool:
    if main := _MAIN_KEY.fullmatch(key):
        return scope.covers(main[2], season_of(main[1]))
    new = _NEW_KEY.fullmatch(key)
    return new is not None and scope.covers(new[1])


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


def expectation_of(key: str) -> Expectation:
    """What the site's naming promises for a key."""
    if main := _MAIN_KEY.fullmatch(key):
        season = season_of(main[1])
        # The longest season so far, 2019/20, ended in August; the next began in that same month.
        return Expectation("main", main[2], (season * 10000 + 701, (season + 1) * 10000 + 831))
    if new := _NEW_KEY.fullmatch(key):
        return Expectation("new", NEW_LEAGUES.get(new[1]))
    return Expectation(FIXTURES.get(key))


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
    layout: Layout = expected.layout or "main"
    if not content.strip(b"\xef\xbb\xbf \t\r\n"):
        return refuse(layout, lines.n_lines, "empty")
    opening = content[:1024].lower()
    if opening.lstrip().startswith((b"<!doctype", b"<html", b"<?xml")) or b"<html" in opening:
        return refuse(layout, lines.n_lines, "html", content=content[:2000].decode("latin-1"))
    n_above = next((n for n, line in enumerate(lines.complete) if not _is_blank(line)), None)
    if n_above is None:
        return refuse(layout, lines.n_lines, "no_header", content=lines.cut)
    first = lines.complete[n_above]
    try:
        header = [cell.replace("\0", "") for cell in split_cells(first)]
    except ValueError as error:
        return refuse(layout, lines.n_lines, "unreadable_quotes", str(error), first)
    if len(header) > MAX_COLUMNS:
        return refuse(layout, lines.n_lines, "too_many_columns", f"{len(header)}", first)
    columns = _find_columns(column_names(header), expected.layout)
    if columns is None:
        return refuse(layout, lines.n_lines, "no_header", first[:100], first)

    sorter = _Sorter(columns, expected, first)
    for number, line in enumerate(lines.complete[n_above + 1 :], start=n_above + 2):
        sorter.take(number, line)
    if lines.cut is not None:
        sorter.quarantined.append(set_aside(lines.n_lines, "broken_off", content=lines.cut))

    foreign = Counter(line.reason for line in sorter.quarantined if line.reason in ("other_competition", "other_season"))
    if foreign and foreign.total() > len(sorter.rows):
        reason, _ = foreign.most_common(1)[0]
        example = next(line for line in sorter.quarantined if line.reason == reason)
        return refuse(columns.layout, lines.n_lines, reason, "most lines do", example.content)
    are_fixtures = expected.layout is None and columns.layout == "main" and not sorter.n_scored
    return ParsedFile(
        layout="fixtures" if are_fixtures else columns.layout,
        state="intact" if lines.cut is None else "truncated",
        encoding=lines.encoding,
        header=columns.names,
        rows=sorter.rows,
        quarantined=bounded(sorter.quarantined),
        n_lines=lines.n_lines,
        n_header=1,
        n_blank=n_above + sorter.n_blank,
    )


class _Sorter:
    """Sorts the lines below a header into rows, quarantine and blanks."""

    def __init__(self, columns: _Columns, expected: Expectation, header_line: str) -> None:
        self.rows: list[Row] = []
        self.quarantined: list[QuarantinedLine] = []
        self.n_blank = 0
        self.n_scored = 0
        self._columns = columns
        self._expected = expected
        self._header_line = header_line
        self._seen: dict[tuple[int, str, str], list[dict[str, str]]] = {}

    def take(self, number: int, line: str) -> None:
        columns, expected = self._columns, self._expected
        if "\0" in line:
            return self._reject(number, line, "nul_bytes")
        if _is_blank(line):
            self.n_blank += 1
            return None
        try:
            cells = split_cells(line)
        except ValueError as error:
            return self._reject(number, line, "unreadable_quotes", str(error))
        n_cells = len(cells)
        if n_cells > MAX_COLUMNS:
            return self._reject(number, line, "too_many_columns", f"{n_cells}")
        if line == self._header_line:
            return self._reject(number, line, "not_a_match", "it repeats the header")
        if n_cells < len(columns.names):
            cells += [""] * (len(columns.names) - n_cells)

        home, away = cells[columns.home].strip(), cells[columns.away].strip()
        teams = (home, away) if home and away else None
        day_text = cells[columns.date].strip()
        if not day_text:
            return self._reject(number, line, "no_date", teams=teams)
        if teams is None:
            return self._reject(number, line, "no_teams")
        if n_cells <= columns.last_needed:
            return self._reject(number, line, "broken_off", f"it ends after {n_cells} of {len(columns.names)} columns", teams)
        day = _day(day_text)
        if day is None:
            return self._reject(number, line, "bad_date", day_text, teams)
        competition = cells[columns.competition].strip()
        if expected.competition is not None and competition != expected.competition:
            found = f"{competition or 'none'} instead of {expected.competition}"
            return self._reject(number, line, "other_competition", found, teams)
        if expected.days is not None and not expected.days[0] <= day <= expected.days[1]:
            return self._reject(number, line, "other_season", day_text, teams)
        if home == away:
            return self._reject(number, line, "team_against_itself", home)
        if columns.score is not None:
            goals = cells[columns.score[0]].strip(), cells[columns.score[1]].strip()
            if goals != ("", ""):
                if not is_score(*goals):
                    found = " to ".join(side or "nothing" for side in goals)
                    return self._reject(number, line, "impossible_score", found, teams)
                self.n_scored += 1
        named = self._name(cells)
        # Compared by what they say: one of two equal lines may have more commas at its end.
        same_match = self._seen.setdefault((day, home, away), [])
        if named in same_match:
            return self._reject(number, line, "duplicate_line", teams=teams)
        same_match.append(named)
        self.rows.append(Row(number, named))
        return None

    def _name(self, cells: list[str]) -> dict[str, str]:
        columns = self._columns
        named = {
            name: cell for name, cell in zip(columns.in_order, columns.pick(cells), strict=True) if cell and not cell.isspace()
        }
        if len(cells) == len(columns.names):
            return named
        beyond = {f"#{place}": cell for place, cell in enumerate(cells, start=1) if place > len(columns.names) and cell.strip()}
        return dict(sorted({**named, **beyond}.items())) if beyond else named

    def _reject(self, number: int, line: str, reason: str, detail: str = "", teams: tuple[str, str] | None = None) -> None:
        self.quarantined.append(set_aside(number, reason, detail, line, teams))


def _is_blank(line: str) -> bool:
    return not line.strip(', \t\r"\xa0')


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
