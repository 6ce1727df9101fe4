"""Predictions: what the champion says of every coming match, written to the ledger.

Belongs here: the asset of the ledger and the checks that stand between it and the publication.
"""

from datetime import timedelta

import dagster as dg

from pipelines.defs.quality import verdict
from pipelines.defs.resources import FRESHNESS
from pipelines.settings import Settings
from pipelines.store import gold, ledger
from pipelines.store.registry import ModelVersion, Registry
from pipelines.store.silver import Silver
from pipelines.store.warehouse import Warehouse

HORIZON = timedelta(days=10)
"""How far ahead matches are forecast: fixtures beyond it still move too often."""

LEDGER = dg.AssetKey(["forecast", "prediction"])


@dg.asset(
    key=LEDGER,
    deps=[["forecast", "match_rating"], ["forecast", "model_evidence"], ["gold", "feat_match"], ["gold", "dim_competition"]],
    group_name="forecast",
    kinds={"python", "lightgbm", "postgres"},
    owners=["team:forecasting"],
    freshness_policy=FRESHNESS,
    description="The append-only ledger: each coming match's probabilities and expected goals, with model, as_of and issued_at.",
)
def prediction(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    registry: dg.ResourceParam[Registry],
    turn: dg.ResourceParam[None],
) -> dg.MaterializeResult[None]:
    """Forecast the coming matches with the champion; append what differs from what was said before."""
    from pipelines.forecast.memory import remember
    from pipelines.forecast.models import MODELS, UnknownFormat
    from pipelines.forecast.predict import forecast
    from pipelines.forecast.replay import Timeline

    Silver(warehouse.url).require_whole()
    now = settings.now()
    coming = gold.coming_rows(warehouse, after=now, before=now + HORIZON)
    if coming.empty:
        context.log.warning("no coming match is known; the publication will be empty and say so")
        return dg.MaterializeResult(metadata={"dagster/row_count": 0, "n_new": 0})
    champion = registry.champion(settings.model_name) or _promoted_before(settings, warehouse, registry)
    if champion is None:
        raise dg.Failure("there is no champion yet; `football train` makes one", allow_retries=False)
    recipe = MODELS[champion.tags["recipe"]]
    try:
        model = recipe.read(registry.fetch(champion, settings.state_dir / "models"))
    except UnknownFormat as error:
        raise dg.Failure(
            f"The champion was made by another version of this code ({error}): `football train` makes one that can be read.",
            allow_retries=False,
        ) from error
    memories = quotes = None
    if recipe.information_set != "results":
        memories = remember(Timeline.of(gold.matches(warehouse)), gold.prices(warehouse)).loc[coming["match_id"]]
        quotes = gold.quotes(warehouse, after=now)
    forecasts = forecast(model, recipe.information_set, coming, memories, quotes).assign(
        information_set=recipe.information_set, model_name=champion.name, model_version=champion.version, issued_at=now
    )
    kept = ledger.Head.read(settings.ledger_head)
    if kept is not None and not ledger.goes_on(warehouse, kept):
        raise dg.Failure(
            f"The ledger is not the one whose end is noted in {settings.ledger_head}: rows were taken from it or changed. "
            "`football ledger verify` says what. If an earlier state of the database was restored on purpose, move that note "
            "away.",
            allow_retries=False,
        )
    in_force = ledger.issue(warehouse, forecasts)
    if head := ledger.head(warehouse):
        head.keep(settings.ledger_head)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(in_force),
            "n_new": int((in_force["issued_at"] == now).sum()),
            "model_version": champion.version,
        }
    )


def _promoted_before(settings: Settings, warehouse: Warehouse, registry: Registry) -> ModelVersion | None:
    """Give the alias to the version whose promotion was decided by a training that died before it could."""
    decided = gold.last_promoted(warehouse)
    if decided is not None and decided[0] in {model.version for model in registry.versions(settings.model_name)}:
        registry.promote(settings.model_name, *decided)
    return registry.champion(settings.model_name)


@dg.asset_check(asset=LEDGER, blocking=True, description="What is about to be published is complete, possible and unique.")
def predictions_meet_expectations(
    settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    """Great Expectations' suite over the forecasts in force of coming matches."""

    forecasts = ledger.in_force(warehouse, after=settings.now())
    if forecasts.empty:
        return dg.AssetCheckResult(passed=True, description="no match is forecast")
    return verdict(settings, "predictions", forecasts)
