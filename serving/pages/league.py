"""One league: its table, and how its season may end.

Belongs here: what is shown of both. Does not belong here: adding up a table, simulating.
"""

from typing import Annotated, Any
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter

from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.pages.site import page
from serving.problems import NoPublication
from serving.routes.paging import TEXT
from serving.store.seasons import Seasons


@get("/leagues", opt=allow(Permission.READ), include_in_schema=False)
async def leagues_page(request: Request[Any, Any, Any], current: NamedDependency[CurrentPublication]) -> Response[Any]:
    """Show which leagues there are."""
    if (held := await current.hold()) is None:
        raise NoPublication
    ordered = sorted(held.competitions, key=lambda each: (each.country, each.tier or 0, each.name))
    return page(request, "leagues.html", twin="/v1/competitions", competitions=ordered)


@get("/leagues/{competition_id:str}", opt=allow(Permission.READ), include_in_schema=False)
async def league_page(
    *,
    request: Request[Any, Any, Any],
    seasons: NamedDependency[Seasons],
    current: NamedDependency[CurrentPublication],
    competition_id: Annotated[str, PathParameter(max_length=100, pattern=TEXT)],
) -> Response[Any]:
    """Show a league."""
    if (held := await current.hold()) is None:
        raise NoPublication
    league = next((each for each in held.competitions if each.competition_id == competition_id), None)
    if league is None:
        raise NotFoundException("The current publication knows no league of this name.")
    season = await seasons.latest_season(competition_id)
    table, _ = await seasons.table(competition_id, season) if season is not None else ([], None)
    found = await seasons.outlook(competition_id, season) if season is not None else None
    outlook = found[0] if found else []
    return page(
        request,
        "league.html",
        twin=f"/v1/competitions/{quote(competition_id, safe='')}/season",
        league=league,
        season=season,
        outlook=outlook,
        table=table,
        most_likely=max((p for each in outlook for p in each.places or ()), default=0.0),
    )
