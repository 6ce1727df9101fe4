"""football-data.co.uk: results, match statistics and bookmakers' odds as CSV files.

Belongs here: which files the site has, and what their names promise. Does not belong here: taking one apart
(`football_data_file`).

Source of the layout: https://www.football-data.co.uk (`mmz4281/<season>/<division>.csv` for 22 divisions,
`new/<code>.csv` for 16 countries with all their seasons in one file, `fixtures.csv` and `new_league_fixtures.csv` for
coming matches).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from types import MappingProxyType
from typing import Final

from pipelines.sources.football_data_file import Expectation, parse
from pipelines.sources.http import Web
from pipelines.sources.protocol import FIRST_SEASON, Fetched, Layout, ParsedFile, Scope, current_season

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

_MAIN_KEY: Final = re.compile(r"mmz4281/(\d{4})/([A-Z]{1,3}\d?)\.csv")
_NEW_KEY: Final = re.compile(r"new/([A-Z]{3})\.csv")


def season_code(season: int) -> str:
    """Start year to the site's code: 1993 → `9394`."""
    return f"{season % 100:02}{(season + 1) % 100:02}"


def season_of(code: str) -> int:
    """The site's code to the start year: `9394` → 1993."""
    year = int(code[:2])
    return year + (1900 if year >= FIRST_SEASON % 100 else 2000)


@dataclass(frozen=True)
class FootballData:
    """The site, or a folder or mirror with its layout.

    `listed` are keys that the site says it has (`listing`): those of competitions that are not known here are asked for, too.
    """

    url: str
    web: Web
    name: str = "football_data"
    listed: tuple[str, ...] = ()

    def list(self, scope: Scope) -> list[str]:
        """Keys in scope. Of a folder, the files it has; of a server, every file the site could have or says it has.

        The files of coming matches are always asked for. A folder's extracts that are no competition's file
        (`new/Latest_Results.csv`) are passed over: their matches stand in the competitions' files.
        """
        if (folder := self.web.folder(self.url)) is not None:
            paths = chain(folder.glob("mmz4281/*/*.csv"), folder.glob("new/*.csv"))
            found = sorted((path.relative_to(folder).as_posix() for path in paths), key=_place)
            return [key for key in found if _is_in(scope, key)] + [key for key in FIXTURES if (folder / key).is_file()]
        more = sorted((key for key in self.listed if _code_of(key) not in (None, *DIVISIONS, *NEW_LEAGUES)), key=_place)
        offered = (*DIVISIONS, *NEW_LEAGUES, *dict.fromkeys(str(_code_of(key)) for key in more))
        if unknown := (scope.competitions or frozenset()).difference(offered):
            raise ValueError(f"football-data.co.uk has no competition {', '.join(sorted(unknown))}; it has {', '.join(offered)}.")
        main = [f"mmz4281/{season_code(season)}/{division}.csv" for season in sorted(scope.seasons) for division in DIVISIONS]
        new = [f"new/{code}.csv" for code in NEW_LEAGUES]
        return [key for key in (*main, *new, *more) if _is_in(scope, key)] + list(FIXTURES)

    def is_missed(self, key: str, scope: Scope) -> bool:
        """Of a folder, any file in scope."""
        return self.web.folder(self.url) is not None and (key in FIXTURES or _is_in(scope, key))

    def fetch(self, key: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        return self.web.fetch(self.name, key, f"{self.url.rstrip('/')}/{key}", etag, last_modified)

    def parse(self, key: str, content: bytes) -> ParsedFile:
        return parse(content, expectation_of(key))

    def is_due(self, key: str, today: date) -> bool:
        """The files of the season under way from 1 August on, when most leagues have begun, and those of the "new" leagues.

        The site never had some older seasons, and has no coming matches in summer.
        """
        if main := _MAIN_KEY.fullmatch(key):
            season = season_of(main[1])
            return season == current_season(today) and today >= date(season, 8, 1)
        return _NEW_KEY.fullmatch(key) is not None

    def coming(self) -> Sequence[str]:
        """The files of coming matches; they are small, and replaced as a whole."""
        return tuple(FIXTURES)


def nobody_knows(keys: Iterable[str]) -> dict[str, list[str]]:
    """Code to the files of each competition among these keys that is neither in `DIVISIONS` nor in `NEW_LEAGUES`."""
    found: dict[str, list[str]] = {}
    for key in keys:
        code = _code_of(key)
        if code is not None and code not in DIVISIONS and code not in NEW_LEAGUES:
            found.setdefault(code, []).append(key)
    return found


def what_to_add(code: str, keys: Sequence[str]) -> str:
    """What a person has to write where, so that a competition nobody knows is more than lines in bronze."""
    where = "DIVISIONS" if _MAIN_KEY.fullmatch(keys[0]) else "NEW_LEAGUES, with the text of its column Country,"
    return (
        f"{keys[-1]} is a file of {code}, which nobody knows here. Its lines wait in bronze where COMPETITIONS takes it in. "
        f"Add {code} to {where} in pipelines/sources/football_data.py, and a line with its name, country and kind of season "
        "to dbt_project/seeds/competition.csv."
    )


def _code_of(key: str) -> str | None:
    """The competition of a file's name; None for coming matches, and for what is no competition's file."""
    if main := _MAIN_KEY.fullmatch(key):
        return main[2]
    new = _NEW_KEY.fullmatch(key)
    return new[1] if new else None


def _place(key: str) -> tuple[bool, int, str]:
    """Sorts files as a server's are listed: by season, 1999 before 2000 though its code is the larger one, countries last."""
    main = _MAIN_KEY.fullmatch(key)
    return main is None, season_of(main[1]) if main else 0, key


def _is_in(scope: Scope, key: str) -> bool:
    if main := _MAIN_KEY.fullmatch(key):
        return scope.covers(main[2], season_of(main[1]))
    new = _NEW_KEY.fullmatch(key)
    return new is not None and scope.covers(new[1])


def expectation_of(key: str) -> Expectation:
    """What the site's naming promises for a key."""
    if main := _MAIN_KEY.fullmatch(key):
        season = season_of(main[1])
        # The longest season so far, 2019/20, ended in August; the next began in that same month.
        return Expectation("main", main[2], (season * 10000 + 701, (season + 1) * 10000 + 831))
    if new := _NEW_KEY.fullmatch(key):
        return Expectation("new", NEW_LEAGUES.get(new[1]))
    return Expectation(FIXTURES.get(key))
