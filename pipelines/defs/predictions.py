"""Predictions: what each information set's champion says of every coming match, written to the ledger.

Belongs here: the asset of the ledger and the checks that stand between it and the publication.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from pipelines.defs.champions import served, served_sets
from pipelines.defs.conditions import FOLLOWS, LEDGER, RATINGS
from pipelines.defs.failures import FailureClass, failure, under_policy
from pipelines.defs.freshness import FRESHNESS
from pipelines.defs.quality import require_accepted, verdict
from pipelines.defs.training import MODELS_OF
from pipelines.settings import Settings
from pipelines.store import basis, gold, ledger
from pipelines.store.registry import Registry
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    from pipelines.forecast.replay import Timeline

HORIZON = timedelta(days=10)
"""How far ahead matches are forecast: fixtures beyond it still move too often."""


@dg.asset(
    key=LEDGER,
    deps=[
        *(RATINGS, *MODELS_OF.values()),
        *(["gold", name] for name in ("fct_match", "feat_match", "feat_market", "fct_odds", "dim_competition")),
    ],
    group_name="forecast",
    kinds={"python", "lightgbm", "postgres"},
    owners=["team:forecasting"],
    freshness_policy=FRESHNESS,
    automation_condition=FOLLOWS,
    description="The append-only ledger: each coming match's probabilities and expected goals, with model, as_of and issued_at.",
)
@under_policy
def prediction(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    registry: dg.ResourceParam[Registry],
    turn: dg.ResourceParam[None],
) -> dg.MaterializeResult[None]:
    """Forecast the coming matches with each set's champion; append what differs from what was said before."""
    from pipelines.forecast.dixon_coles import rate
    from pipelines.forecast.predict import forecast

    require_accepted(warehouse)
    now = settings.now()
    coming = gold.coming_rows(warehouse, after=now, before=now + HORIZON)
    if coming.empty:
        context.log.warning("no coming match is known; the publication will be empty and say so")
        return dg.MaterializeResult(metadata={"dagster/row_count": 0, "n_new": 0})
    models = served(settings, warehouse, registry)
    timeline = past_and_coming(warehouse, coming)
    goals = rate(timeline, since=coming["as_of"].min())
    knows_prices = any(name != "results" for name in models)
    memories, quotes = memories_and_quotes(warehouse, timeline, coming, now) if knows_prices else (None, None)
    said = [
        forecast(model, name, coming, goals, *((None, None) if name == "results" else (memories, quotes))).assign(
            information_set=name, model_name=champion.name, model_version=champion.version, issued_at=now
        )
        for name, (champion, model) in models.items()
    ]
    require_the_ledger_to_go_on(settings, warehouse)
    forecasts = pd.concat(said, ignore_index=True)
    in_force = ledger.issue(warehouse, forecasts, basis.present(warehouse))
    if n_too_late := len(forecasts) - len(in_force):
        context.log.warning(f"{n_too_late} forecasts were left out: their matches begin within a minute, by the database's clock")
    if head := ledger.head(warehouse):
        head.keep(settings.ledger_head)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(in_force),
            "n_new": int((in_force["issued_at"] == now).sum()),
            **{f"{name}_model_version": champion.version for name, (champion, _) in models.items()},
        }
    )


def require_the_ledger_to_go_on(settings: Settings, warehouse: Warehouse) -> None:
    """Refuse to note a new end of a ledger that is not the one whose end was noted before."""
    kept = ledger.Head.read(settings.ledger_head)
    if kept is None and ledger.head(warehouse) is None:
        ledger.NOTHING.keep(settings.ledger_head)
    elif kept is None:
        raise failure(
            FailureClass.DATA,
            f"{settings.ledger_head} is missing, where the ledger's end is noted outside the database: whether it was cut off "
            "cannot be seen. If an earlier state was restored on purpose, `football ledger adopt` notes the end that it has.",
        )
    elif not ledger.goes_on(warehouse, kept):
        raise failure(
            FailureClass.DATA,
            f"The ledger is not the one whose end is noted in {settings.ledger_head}: rows were taken from it or changed. "
            "`football ledger verify` says what. If an earlier state of the database was restored on purpose, `football ledger "
            "adopt` notes the end that it has.",
        )


def past_and_coming(warehouse: Warehouse, coming: pd.DataFrame) -> "Timeline":
    """All matches of the countries of the coming ones: a club is remembered, and rated, within its country alone."""
    from pipelines.forecast.replay import Timeline

    return Timeline.of(gold.matches(warehouse, set(coming["country"])))


def memories_and_quotes(
    warehouse: Warehouse, timeline: "Timeline", coming: pd.DataFrame, after: datetime
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What `forecast` asks for beside the coming matches where prices may be known: all kick off later than `after`.

    Args:
        timeline: what `past_and_coming` gives.
    """
    from pipelines.forecast.memory import remember

    memories = remember(timeline, gold.prices(warehouse, set(coming["country"]))).loc[coming["match_id"]]
    return memories, gold.quotes(warehouse, after=after)


@dg.asset_check(asset=LEDGER, blocking=True, description="What is about to be published is complete, possible and unique.")
def predictions_meet_expectations(
    settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse], registry: dg.ResourceParam[Registry]
) -> dg.AssetCheckResult:
    """Great Expectations' suite over the forecasts in force of coming matches."""
    forecasts = ledger.in_force(warehouse, settings.now(), served_sets(settings, registry))
    if forecasts.empty:
        return dg.AssetCheckResult(passed=True, description="no match is forecast")
    return verdict(settings, "predictions", forecasts)
