"""Ratings: the state of sequential models, as it stood before each match.

Belongs here: writing `forecast.match_rating`. What is written is computed by `pipelines.rating`.
"""

import dagster as dg

from pipelines import rating
from pipelines.defs.conditions import RATINGS, RATINGS_FOLLOW
from pipelines.defs.failures import under_policy
from pipelines.defs.freshness import FRESHNESS
from pipelines.store.silver import Silver
from pipelines.store.warehouse import Warehouse


@dg.asset(
    key=RATINGS,
    deps=[["gold", "fct_match"]],
    group_name="forecast",
    kinds={"python", "postgres"},
    owners=["team:forecasting"],
    freshness_policy=FRESHNESS,
    automation_condition=RATINGS_FOLLOW,
    description="What ratings, league tables and the memory of play said before each match; none of them has seen any odds.",
)
@under_policy
def match_rating(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse], turn: dg.ResourceParam[None]
) -> dg.MaterializeResult[None]:
    """Replay every rating over all matches: a full recompute. Which rows are written anew, their digests in the table say."""
    Silver(warehouse.url).require_whole()

    written = rating.write(warehouse, context.run_id)
    return dg.MaterializeResult(metadata={"dagster/row_count": written.n_matches, "n_changed": written.n_changed})
