"""The competitions."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from serving.answers import tabular
from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.problems import NoPublication
from serving.routes.documented import BEARER, NOT_MODIFIED, also_csv, problems
from serving.schemas import Competition, CompetitionList


@get(
    "/competitions",
    opt=allow(Permission.READ),
    security=BEARER,
    operation_class=also_csv(Competition),
    tags=["predictions"],
    summary="List the competitions",
    description="All competitions of the publication being served, with how many results and coming matches each has. "
    "`Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(401, 403, 404, 503),
)
async def list_competitions(
    request: Request[Any, Any, Any], current: NamedDependency[CurrentPublication]
) -> Response[CompetitionList]:
    """Answer with all competitions."""
    if (held := await current.hold()) is None:
        raise NoPublication
    answer = CompetitionList(
        is_simulated=held.publication.is_simulated,
        publication_id=held.publication.publication_id,
        competitions=held.competitions,
    )
    return tabular(request, answer, held.competitions, Competition)
