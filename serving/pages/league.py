"""One league: its table, and how its season may end.

Belongs here: the table as it stands, and its rows beside the simulated ends. Does not belong here: the simulation.
"""

from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter
from msgspec import Struct

from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.pages.site import page
from serving.problems import NoPublication
from serving.store.publications import Publications
from serving.store.shown import Result, Shown


class Standing(Struct):
    """A club's row of the table."""

    team_id: str
    team: str
    won: int = 0
    drawn: int = 0
    lost: int = 0
    goals_for: int = 0
    goals_against: int = 0

    @property
    def played(self) -> int:
        """Matches."""
        return self.won + self.drawn + self.lost

    @property
    def points(self) -> int:
        """Three for a win, one for a draw; deductions are not known here."""
        return 3 * self.won + self.drawn

    @property
    def difference(self) -> int:
        """Goals scored less goals let in."""
        return self.goals_for - self.goals_against

    def add(self, own: int, others: int) -> None:
        """Count a result."""
        self.goals_for += own
        self.goals_against += others
        self.won += own > others
        self.drawn += own == others
        self.lost += own < others


@get("/leagues", opt=allow(Permission.READ), include_in_schema=False)
async def leagues_page(
    request: Request[Any, Any, Any], publications: NamedDependency[Publications], current: NamedDependency[CurrentPublication]
) -> Response[Any]:
    """Show which leagues there are."""
    if (publication := await current.get()) is None:
        raise NoPublication
    competitions = await publications.competitions(publication.publication_id)
    ordered = sorted(competitions, key=lambda each: (each.country, each.tier or 0, each.name))
    return page(request, "leagues.html", twin="/v1/competitions", competitions=ordered)


@get("/leagues/{competition_id:str}", opt=allow(Permission.READ), include_in_schema=False)
async def league_page(
    *,
    request: Request[Any, Any, Any],
    publications: NamedDependency[Publications],
    shown: NamedDependency[Shown],
    current: NamedDependency[CurrentPublication],
    competition_id: Annotated[str, PathParameter(max_length=100, pattern=r"^[^\x00-\x1f]+$")],
) -> Response[Any]:
    """Show a league."""
    if (publication := await current.get()) is None:
        raise NoPublication
    competitions = await publications.competitions(publication.publication_id)
    league = next((each for each in competitions if each.competition_id == competition_id), None)
    if league is None:
        raise NotFoundException("The current publication knows no league of this name.")
    outlook = await shown.outlook(competition_id)
    season = outlook[0].season if outlook else await shown.latest_season(competition_id)
    results = await shown.season(competition_id, season) if season is not None else []
    return page(
        request,
        "league.html",
        twin=f"/v1/competitions/{quote(competition_id, safe='')}/season",
        league=league,
        season=season,
        outlook=outlook,
        table=table(results),
        most_likely=max((p for each in outlook for p in each.places or ()), default=0.0),
    )


def table(results: Iterable[Result]) -> list[Standing]:
    """The table by points, then goal difference, then goals; leagues that decide ties otherwise may order equals otherwise."""
    standings: dict[str, Standing] = {}
    for each in results:
        home = standings.setdefault(each.home_team_id, Standing(each.home_team_id, each.home_team))
        away = standings.setdefault(each.away_team_id, Standing(each.away_team_id, each.away_team))
        home.add(each.home_goals, each.away_goals)
        away.add(each.away_goals, each.home_goals)
    return sorted(standings.values(), key=lambda each: (-each.points, -each.difference, -each.goals_for, each.team))
