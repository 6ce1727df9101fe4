"""openfootball/football.json: results as JSON, one file per season and competition, in the public domain (CC0 1.0).

Belongs here: which files there are, and what a match is like in them; `json_file` takes one apart. Does not belong here: matching
these names to anybody else's.

Source of the layout: https://github.com/openfootball/football.json (`<season>/<code>.json`, season `2020-21` or `2020`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

from pipelines.sources.http import Web
from pipelines.sources.json_file import Object, Shape, take_apart
from pipelines.sources.protocol import Fetched, ParsedFile, Scope

COMPETITIONS: Final = MappingProxyType(
    {
        "E0": "en.1",
        "E1": "en.2",
        "E2": "en.3",
        "E3": "en.4",
        "SC0": "sco.1",
        "D1": "de.1",
        "D2": "de.2",
        "I1": "it.1",
        "I2": "it.2",
        "SP1": "es.1",
        "SP2": "es.2",
        "F1": "fr.1",
        "F2": "fr.2",
        "N1": "nl.1",
        "B1": "be.1",
        "P1": "pt.1",
        "G1": "gr.1",
        "AUT": "at.1",
        "SWZ": "ch.1",
        "MEX": "mx.1",
        "RUS": "ru.1",
        "ARG": "ar.1",
        "BRA": "br.1",
        "CHN": "cn.1",
        "JPN": "jp.1",
    }
)
"""football-data.co.uk's code, which a scope is written in, to this source's."""

NEEDED: Final = ("date", "team1", "team2")
"""Fields without which nothing is a match."""

_CALENDAR_YEAR: Final = frozenset({"br.1", "cn.1", "jp.1"})
_KEY: Final = re.compile(r"(\d{4})(?:-\d{2})?/([a-z]+\.[a-z0-9]+)\.json")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SCORES: Final = frozenset({"ft", "ht", "et", "p"})
_TEXTS: Final = ("date", "time", "round", "stage", "status", "team1", "team2")


@dataclass(frozen=True)
class OpenFootball:
    """The repository's raw content, or a folder with its layout."""

    url: str
    web: Web
    name: str = "openfootball"

    def list(self, scope: Scope) -> list[str]:
        """Keys in scope. Of a folder, the files it has; of a server, every file it could have."""
        wanted = _codes(scope)
        if (folder := self.web.folder(self.url)) is None:
            return [f"{_season_folder(season, code)}/{code}.json" for season in sorted(scope.seasons) for code in sorted(wanted)]
        found = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.json"))
        return [key for key in found if _is_in(scope, key)]

    def is_missed(self, key: str, scope: Scope) -> bool:
        """Of a folder, any file in scope."""
        return self.web.folder(self.url) is not None and _is_in(scope, key)

    def fetch(self, key: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        return self.web.fetch(self.name, key, f"{self.url.rstrip('/')}/{key}", etag, last_modified)

    def parse(self, key: str, content: bytes) -> ParsedFile:
        return parse(content)

    def is_due(self, key: str, today: date) -> bool:
        """None: volunteers write the files, and not every competition has one of every season."""
        return False

    def coming(self) -> Sequence[str]:
        """None: this source has no word for coming matches; the daily round is soon enough."""
        return []


def _codes(scope: Scope) -> set[str]:
    return {code for competition, code in COMPETITIONS.items() if scope.covers(competition)}


def _is_in(scope: Scope, key: str) -> bool:
    parts = _KEY.fullmatch(key)
    return parts is not None and int(parts[1]) in scope.seasons and (scope.competitions is None or parts[2] in _codes(scope))


def _season_folder(season: int, code: str) -> str:
    return f"{season}" if code in _CALENDAR_YEAR else f"{season}-{(season + 1) % 100:02}"


def _cells(document: Object, match: Object) -> dict[str, str]:
    """One match as flat text: `ft_home`, `ft_away` and the like for each score, in ascending order of names."""

    def pairs() -> Iterator[tuple[str, str]]:
        yield "name", str(document.get("name", ""))
        for key in _TEXTS:
            if (value := match.get(key)) is not None:
                yield key, str(value)
        score = match.get("score")
        for kind, goals in score.items() if isinstance(score, dict) else ():
            if kind in _SCORES and isinstance(goals, list):
                sides = [str(goal) for goal in goals] if len(goals) == 2 else [str(goals), ""]
                yield f"{kind}_home", sides[0]
                yield f"{kind}_away", sides[1]

    return dict(sorted((key, value) for key, value in pairs() if value.strip()))


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


_SHAPE: Final = Shape(
    layout="json",
    cells_of=_cells,
    when="date",
    home="team1",
    away="team2",
    is_when=_is_day,
    needs_score=lambda cells: False,  # nothing else says whether a match has ended
)


def parse(content: bytes) -> ParsedFile:
    """Take a file apart. Whatever the bytes are, every match is accounted for and nothing is raised."""
    return take_apart(content, _SHAPE)
