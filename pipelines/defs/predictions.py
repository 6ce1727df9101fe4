"""Predictions: what each information set's champion says of every coming match, written to the ledger.

Belongs here: the asset of the ledger and the checks that stand between it and the publication.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from pipelines.defs.quality import verdict
from pipelines.defs.resources import FRESHNESS
from pipelines.defs.training import MODELS_OF
from pipelines.forecast import contract
from pipelines.settings import Settings
from pipelines.store import basis, gold, ledger
from pipelines.store.registry import ModelVersion, Registry
from pipelines.store.silver import Silver
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    from pipelines.forecast.models import Model

HORIZON = timedelta(days=10)
"""How far ahead matches are forecast: fixtures beyond it still move too often."""

LEDGER = dg.AssetKey(["forecast", "prediction"])


@dg.asset(
    key=LEDGER,
    deps=[["forecast", "match_rating"], *MODELS_OF.values(), ["gold", "feat_match"], ["gold", "dim_competition"]],
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
    """Forecast the coming matches with each set's champion; append what differs from what was said before."""
    from pipelines.forecast.predict import forecast

    Silver(warehouse.url).require_whole()
    now = settings.now()
    coming = gold.coming_rows(warehouse, after=now, before=now + HORIZON)
    if coming.empty:
        context.log.warning("no coming match is known; the publication will be empty and say so")
        return dg.MaterializeResult(metadata={"dagster/row_count": 0, "n_new": 0})
    served = _served(settings, warehouse, registry)
    memories, quotes = memories_and_quotes(warehouse, coming, now) if any(name != "results" for name in served) else (None, None)
    said = [
        forecast(model, name, coming, *((None, None) if name == "results" else (memories, quotes))).assign(
            information_set=name, model_name=champion.name, model_version=champion.version, issued_at=now
        )
        for name, (champion, model) in served.items()
    ]
    kept = ledger.Head.read(settings.ledger_head)
    if kept is not None and not ledger.goes_on(warehouse, kept):
        raise dg.Failure(
            f"The ledger is not the one whose end is noted in {settings.ledger_head}: rows were taken from it or changed. "
            "`football ledger verify` says what. If an earlier state of the database was restored on purpose, move that note "
            "away.",
            allow_retries=False,
        )
    in_force = ledger.issue(warehouse, pd.concat(said, ignore_index=True), basis.present(warehouse))
    if head := ledger.head(warehouse):
        head.keep(settings.ledger_head)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(in_force),
            "n_new": int((in_force["issued_at"] == now).sum()),
            **{f"{name}_model_version": champion.version for name, (champion, _) in served.items()},
        }
    )


def memories_and_quotes(warehouse: Warehouse, coming: pd.DataFrame, after: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What `forecast` asks for beside the coming matches where prices may be known: all kick off later than `after`."""
    from pipelines.forecast.memory import remember
    from pipelines.forecast.replay import Timeline

    # A club is remembered within its country alone.
    countries = set(coming["country"])
    timeline = Timeline.of(gold.matches(warehouse, countries))
    memories = remember(timeline, gold.prices(warehouse, countries)).loc[coming["match_id"]]
    return memories, gold.quotes(warehouse, after=after)


def _served(settings: Settings, warehouse: Warehouse, registry: Registry) -> "dict[str, tuple[ModelVersion, Model]]":
    """Information set to champion and model, of those that have one that can be read.

    Raises:
        dg.Failure: none has.
    """
    from pipelines.forecast.models import MODELS, UnknownFormat

    served, unread = {}, []
    for name in contract.FEATURES:
        champion = registry.champion(settings.model_name(name)) or _promoted_before(settings, warehouse, registry, name)
        if champion is None:
            continue
        try:
            model = MODELS[champion.tags["recipe"]].read(registry.fetch(champion, settings.state_dir / "models"))
        except (KeyError, UnknownFormat) as error:
            unread.append(f"the champion of {name} was made by another version of this code ({error})")
            continue
        served[name] = champion, model
    if not served:
        why = "; ".join(unread) or "there is no champion yet"
        raise dg.Failure(f"Nothing can be forecast, {why}: `football train` makes one that can be read.", allow_retries=False)
    for sentence in unread:
        dg.get_dagster_logger().warning(f"{sentence}: nothing new is said by it until `football train` was run")
    return served


def _promoted_before(settings: Settings, warehouse: Warehouse, registry: Registry, information_set: str) -> ModelVersion | None:
    """Give the alias to the version whose promotion was decided by a training that died before it could."""
    name = settings.model_name(information_set)
    decided = gold.last_promoted(warehouse, name)
    if decided is None or decided[0] not in {model.version for model in registry.versions(name)}:
        return None
    registry.promote(name, *decided)
    return registry.champion(name)


def served_sets(settings: Settings, registry: Registry) -> list[str]:
    """The information sets that have a champion: what others once said is no longer in force."""
    return [name for name in contract.FEATURES if registry.champion(settings.model_name(name))]


@dg.asset_check(asset=LEDGER, blocking=True, description="What is about to be published is complete, possible and unique.")
def predictions_meet_expectations(
    settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse], registry: dg.ResourceParam[Registry]
) -> dg.AssetCheckResult:
    """Great Expectations' suite over the forecasts in force of coming matches."""
    forecasts = ledger.in_force(warehouse, settings.now(), served_sets(settings, registry))
    if forecasts.empty:
        return dg.AssetCheckResult(passed=True, description="no match is forecast")
    return verdict(settings, "predictions", forecasts)
