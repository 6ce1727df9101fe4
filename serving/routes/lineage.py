"""Where a prediction comes from."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter

from serving.answers import cacheable, to_json
from serving.current import CurrentPublication
from serving.identity.roles import allow
from serving.routes.documented import BEARER, BEHIND, NOT_MODIFIED, problems
from serving.routes.paging import TEXT
from serving.schemas.lineage import LineageAnswer
from serving.store.lineage import Lineages
from serving.store.models import Models
from serving.unknown import Unknown


@get(
    "/predictions/{prediction_id:str}/lineage",
    opt=allow(BEHIND),
    security=BEARER,
    tags=["predictions"],
    summary="Get the lineage of a prediction",
    description="Of any prediction that was ever issued: its place in the ledger, the feature row that the model saw, the "
    "publication that first said it with the raw files behind that, its model, and what is needed to make it again.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def get_lineage(
    request: Request[Any, Any, Any],
    lineages: NamedDependency[Lineages],
    models: NamedDependency[Models],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    prediction_id: Annotated[str, PathParameter(max_length=100, pattern=TEXT)],
) -> Response[LineageAnswer]:
    """Answer with what stands behind one prediction."""
    found = await unknown.find(request.user.subject, "ledger", prediction_id, lambda: lineages.entry(prediction_id))
    if found is None:
        raise NotFoundException("The ledger has no prediction of this id.")
    entry, model_name, model_version = found
    await current.get()
    answer = LineageAnswer(
        is_simulated=current.is_simulated,
        prediction_id=prediction_id,
        publication=await lineages.first_published(prediction_id, entry),
        ledger=entry,
        features=await lineages.features(prediction_id),
        model=await models.version(model_name, model_version),
        basis=await lineages.basis(entry),
    )
    return cacheable(request, to_json(answer))
