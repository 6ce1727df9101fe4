"""football-data.org: fixtures and results of the season under way, from an API that wants a key and allows ten requests a minute.

Belongs here: which lists of matches to ask for, and what a match is like in them; `json_file` takes one apart. Does not belong
here: matching these names to anybody else's, or what a status means for a forecast: cells stay as delivered and are cast in SQL.

Source of the layout: https://docs.football-data.org/general/v4 (`/competitions/<code>/matches?season=<start year>`; header
`X-Auth-Token`; the competitions of the free plan; statuses from its lookup tables). Not to be confused with football-data.co.uk.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from pipelines.sources.http import Patience, Web
from pipelines.sources.json_file import Object, Shape, take_apart
from pipelines.sources.protocol import Fetched, ParsedFile, Scope, current_season
from pipelines.sources.quota import Quota

COMPETITIONS: Final = MappingProxyType(
    {"E0": "PL", "E1": "ELC", "D1": "BL1", "I1": "SA", "SP1": "PD", "F1": "FL1", "N1": "DED", "P1": "PPL", "BRA": "BSA"}
)
"""football-data.co.uk's code, which a scope is written in, to this source's: the leagues of the free plan."""

LAYOUT: Final = "football_data_org"
"""Of its lists, in bronze."""

NEEDED: Final = ("utcDate", "homeTeam.name", "awayTeam.name")
"""Fields without which nothing is a match."""

_CALENDAR_YEAR: Final = frozenset({"BSA"})
_KEY: Final = re.compile(r"(\d{4})/([A-Z0-9]+)\.json")
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
_OVER: Final = frozenset({"FINISHED", "AWARDED"})
_SCORES: Final = {"ft": "fullTime", "ht": "halfTime"}


def web(token: str, patience: Patience | None = None) -> Web:
    """Connections that carry the key and keep to what it allows, by default with the patience of a run."""
    patience = patience or Patience()
    return Web(patience, key={"X-Auth-Token": token}, quota=Quota(patience.quota_seconds))


@dataclass(frozen=True)
class FootballDataOrg:
    """The API at an address; `today` says which season is under way."""

    url: str
    web: Web
    today: date
    name: str = "football_data_org"

    def list(self, scope: Scope) -> list[str]:
        """The season under way of each league in scope, if that season is; older ones are other sources' matter."""
        if current_season(self.today) not in scope.seasons:
            return []
        wanted = [code for competition, code in COMPETITIONS.items() if scope.covers(competition)]
        return [f"{self.today.year if code in _CALENDAR_YEAR else current_season(self.today)}/{code}.json" for code in wanted]

    def is_missed(self, key: str, scope: Scope) -> bool:
        """None: what is not listed is of a season that is over."""
        return False

    def fetch(self, key: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        season, code = _parts(key)
        return self.web.fetch(self.name, key, f"{self.url}/competitions/{code}/matches?season={season}", etag, last_modified)

    def parse(self, key: str, content: bytes) -> ParsedFile:
        return parse(content)

    def is_due(self, key: str, today: date) -> bool:
        """From 1 August of its season on, when every league has begun or announced its matches."""
        return today >= date(int(_parts(key)[0]), 8, 1)

    def coming(self) -> Sequence[str]:
        """None: every answer differs from the last one, since each match says when it was looked at, so that each look would find
        news. Each run of the day asks for the lists, whatever started it. What is new of results, `results` tells."""
        return []


def parse(content: bytes) -> ParsedFile:
    """Take an answer apart. Whatever the bytes are, every match is accounted for and nothing is raised."""
    return take_apart(content, _SHAPE)


def results(matches: Iterable[Mapping[str, str]]) -> set[tuple[str, ...]]:
    """Of matches' cells those that are over: which, and the score. The score of one that is being played is no result."""
    told = ("id", "homeTeam", "awayTeam", "ft_home", "ft_away")
    return {tuple(cells.get(name, "") for name in told) for cells in matches if cells.get("status") in _OVER}


def _parts(key: str) -> tuple[str, str]:
    """Season and code of a key such as `2026/PL.json`. Raises ValueError."""
    if (parts := _KEY.fullmatch(key)) is None:
        raise ValueError(f"football-data.org has no {key}.")
    return parts[1], parts[2]


def _cells(_: Object, match: Object) -> dict[str, str]:
    """One match as flat text, in ascending order of names; without `lastUpdated`, or each day's line would be another one."""

    def pairs() -> Iterator[tuple[str, object]]:
        for name in ("id", "utcDate", "status", "stage", "matchday"):
            yield name, match.get(name)
        for name in ("homeTeam", "awayTeam"):
            yield name, _member(match, name, "name")
        yield "competition", _member(match, "competition", "code")
        yield "season", _member(match, "season", "startDate")
        for short, name in _SCORES.items():
            for side in ("home", "away"):
                yield f"{short}_{side}", _member(match, "score", name, side)

    return dict(sorted((name, str(value)) for name, value in pairs() if value is not None and str(value).strip()))


def _member(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _is_moment(text: str) -> bool:
    if not _MOMENT.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_SHAPE: Final = Shape(
    layout=LAYOUT,
    cells_of=_cells,
    when="utcDate",
    home="homeTeam",
    away="awayTeam",
    is_when=_is_moment,
    needs_score=lambda cells: cells.get("status") in _OVER,
)
