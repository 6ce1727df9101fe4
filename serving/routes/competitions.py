"""The competitions."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter
from msgspec.structs import asdict

from serving.answers import cacheable, tabular, to_json
from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.problems import NoPublication
from serving.routes.documented import BEARER, NOT_MODIFIED, also_csv, problems
from serving.routes.paging import TEXT
from serving.schemas import Competition, CompetitionAnswer, CompetitionList


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


@get(
    "/competitions/{competition_id:str}",
    opt=allow(Permission.READ),
    security=BEARER,
    tags=["predictions"],
    summary="Get one competition",
    description="A competition of the publication being served, with how many results and coming matches it has.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def get_competition(
    request: Request[Any, Any, Any],
    current: NamedDependency[CurrentPublication],
    competition_id: Annotated[str, PathParameter(max_length=100, pattern=TEXT)],
) -> Response[CompetitionAnswer]:
    """Answer with one competition."""
    if (held := await current.hold()) is None:
        raise NoPublication
    competition = next((each for each in held.competitions if each.competition_id == competition_id), None)
    if competition is None:
        raise NotFoundException("The current publication knows no competition of this id.")
    publication = held.publication
    answer = CompetitionAnswer(
        **asdict(competition), is_simulated=publication.is_simulated, publication_id=publication.publication_id
    )
    return cacheable(request, to_json(answer))
