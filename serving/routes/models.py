"""The models: which are served, and why."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter

from serving.answers import tabular
from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.routes.documented import BEARER, BEHIND, NOT_MODIFIED, also_csv, problems
from serving.routes.paging import TEXT
from serving.schemas.models import Evidence, EvidenceAnswer, ModelsAnswer, ServedModelRow
from serving.store.models import Models
from serving.unknown import Unknown


@get(
    "/models",
    opt=allow(Permission.READ),
    security=BEARER,
    operation_class=also_csv(ServedModelRow),
    tags=["models"],
    summary="List the models being served",
    description="The champion of each information set, why it was promoted, and the last model that was not. "
    "`Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(401, 403, 503),
)
async def list_models(
    request: Request[Any, Any, Any], models: NamedDependency[Models], current: NamedDependency[CurrentPublication]
) -> Response[ModelsAnswer]:
    """Answer with the champions."""
    await current.get()
    answer = ModelsAnswer(is_simulated=current.is_simulated, models=await models.served())
    return tabular(request, answer, [ServedModelRow.of(each) for each in answer.models], ServedModelRow)


@get(
    "/models/{model_name:str}/evidence",
    opt=allow(BEHIND),
    security=BEARER,
    operation_class=also_csv(Evidence),
    tags=["models"],
    summary="Get the evidence on a model",
    description="Each decision whether a version was promoted, with its reasons and figures, the latest first. "
    "`Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def get_evidence(
    request: Request[Any, Any, Any],
    models: NamedDependency[Models],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    model_name: Annotated[str, PathParameter(max_length=100, pattern=TEXT)],
) -> Response[EvidenceAnswer]:
    """Answer with all decisions."""
    evidence = await unknown.find(request.user.subject, "model", model_name, lambda: models.evidence(model_name))
    if evidence is None:
        raise NotFoundException("Nothing was decided of a model of this name.")
    await current.get()
    answer = EvidenceAnswer(is_simulated=current.is_simulated, model_name=model_name, evidence=evidence)
    return tabular(request, answer, evidence, Evidence)
