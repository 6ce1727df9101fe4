"""A competition's season: its table, and how it may end."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter, QueryParameter

from serving.answers import tabular
from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.routes.documented import BEARER, NOT_MODIFIED, also_csv, problems
from serving.routes.paging import TEXT
from serving.schemas.seasons import SeasonAnswer, SeasonRow, Standing
from serving.store.seasons import Seasons
from serving.unknown import Unknown


@get(
    "/competitions/{competition_id:str}/season",
    opt=allow(Permission.READ),
    security=BEARER,
    operation_class=also_csv(SeasonRow),
    tags=["matches"],
    summary="Get a season's table and outlook",
    description="The table of the latest season, or of `season`, and for a season under way how it may end. "
    "`Accept: text/csv` gives the table, a club's outlook beside it.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def get_season(
    request: Request[Any, Any, Any],
    seasons: NamedDependency[Seasons],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    competition_id: Annotated[str, PathParameter(max_length=100, pattern=TEXT)],
    season: Annotated[
        int | None, QueryParameter(ge=1800, le=2999, description="The year in which it begins. Default: the latest.")
    ] = None,
) -> Response[SeasonAnswer]:
    """Answer with one season."""

    async def look() -> tuple[int, list[Standing], datetime | None] | None:
        wanted = season if season is not None else await seasons.latest_season(competition_id)
        table, latest = await seasons.table(competition_id, wanted) if wanted is not None else ([], None)
        return (wanted, table, latest) if wanted is not None and table else None

    name = f"{season or 'latest'}/{competition_id}"
    if (found := await unknown.find(request.user.subject, "season", name, look)) is None:
        raise NotFoundException("No match of such a season is known.")
    wanted, table, latest = found
    outlook = await seasons.outlook(competition_id, wanted)
    await current.get()
    answer = SeasonAnswer(
        is_simulated=current.is_simulated,
        competition_id=competition_id,
        season=wanted,
        latest_result_at=latest,
        table=table,
        n_relegated=outlook[1] if outlook else None,
        outlook=outlook[0] if outlook else None,
    )
    ends = {each.team_id: each for each in answer.outlook or ()}
    return tabular(request, answer, [SeasonRow.of(each, ends.get(each.team_id)) for each in table], SeasonRow)
