"""The competitions."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from serving.answers import cacheable, to_json
from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.problems import NoPublication
from serving.routes.documented import BEARER, NOT_MODIFIED, problems
from serving.schemas import CompetitionList
from serving.store.publications import Publications


@get(
    "/competitions",
    opt=allow(Permission.READ),
    security=BEARER,
    tags=["predictions"],
    summary="List the competitions",
    description="All competitions of the publication being served, with how many results and coming matches each has.",
    responses=NOT_MODIFIED | problems(401, 403, 404, 503),
)
async def list_competitions(
    request: Request[Any, Any, Any], publications: NamedDependency[Publications], current: NamedDependency[CurrentPublication]
) -> Response[CompetitionList]:
    """Answer with all competitions."""
    if (publication := await current.get()) is None:
        raise NoPublication
    answer = CompetitionList(
        is_simulated=publication.is_simulated,
        publication_id=publication.publication_id,
        competitions=await publications.competitions(publication.publication_id),
    )
    return cacheable(request, to_json(answer))
