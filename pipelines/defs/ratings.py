"""Ratings: the state of sequential models, as it stood before each match.

Belongs here: reading matches, replaying, writing `forecast.match_rating`. The replay itself is `pipelines.forecast`.
"""

from concurrent.futures import ThreadPoolExecutor

import dagster as dg

from pipelines.defs.failures import under_policy
from pipelines.defs.resources import FRESHNESS
from pipelines.machine_code import Compilation
from pipelines.store import gold
from pipelines.store.silver import Silver
from pipelines.store.warehouse import Warehouse


@dg.asset(
    key=["forecast", "match_rating"],
    deps=[["gold", "fct_match"]],
    group_name="forecast",
    kinds={"python", "postgres"},
    owners=["team:forecasting"],
    freshness_policy=FRESHNESS,
    description="What ratings, league tables and the memory of play said before each match; none of them has seen any odds.",
)
@under_policy
def match_rating(
    warehouse: dg.ResourceParam[Warehouse], turn: dg.ResourceParam[None], machine_code: dg.ResourceParam[Compilation]
) -> dg.MaterializeResult[None]:
    """Replay every rating over all matches: a full recompute, no hidden state."""
    from pipelines.forecast.features import rate

    Silver(warehouse.url).require_whole()

    with ThreadPoolExecutor(1) as beside:  # PostgreSQL sends what is there while this process computes what should be
        there = beside.submit(warehouse.table, "forecast.match_rating")
        matches = gold.matches(warehouse)
        machine_code.wait()
        ratings = rate(matches)
    n_changed = warehouse.update("forecast.match_rating", "match_id", ratings.reset_index(), there.result())
    return dg.MaterializeResult(metadata={"dagster/row_count": len(ratings), "n_changed": n_changed})
