"""The outlook: how the seasons under way may end.

Belongs here: the asset. It is made behind the day's work, by a job of its own: nobody's forecast waits for it.
"""

import dagster as dg
import pandas as pd

from pipelines.defs.conditions import LEDGER
from pipelines.defs.failures import under_policy
from pipelines.defs.freshness import FRESHNESS
from pipelines.defs.ingestion import table_metadata
from pipelines.defs.quality import require_accepted
from pipelines.settings import Settings
from pipelines.store import gold, publication, read_model
from pipelines.store.warehouse import Warehouse


@dg.asset(
    key=["forecast", "season_outlook"],
    # What is published is read, and that is made of the ledger: layers lead one way.
    deps=[["gold", "fct_match"], LEDGER],
    group_name="forecast",
    kinds={"python", "postgres"},
    owners=["team:forecasting"],
    freshness_policy=FRESHNESS,
    description="Title, top four, relegation and expected points of each club, from ten thousand simulated ends of its season.",
)
@under_policy
def season_outlook(
    settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse], turn: dg.ResourceParam[None]
) -> dg.MaterializeResult[None]:
    """Simulate every season that is a plain round-robin; of the others say why not."""
    from pipelines.forecast.outlook import outlooks

    require_accepted(warehouse)
    now = settings.now()
    table, reasons = outlooks(gold.matches(warehouse), pd.Timestamp(now), forecasts=publication.forecasts(warehouse, after=now))
    n_changed = warehouse.update("forecast.season_outlook", "outlook_id", table)
    read_model.refresh_seasons(warehouse)
    left_out = pd.DataFrame({"competition": list(reasons), "reason": list(reasons.values())})
    return dg.MaterializeResult(
        metadata={"dagster/row_count": len(table), "n_changed": n_changed, "not_simulated": table_metadata(left_out)}
    )
