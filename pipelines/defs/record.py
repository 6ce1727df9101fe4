"""The record: what was really forecast, scored once the results are known.

Belongs here: the assets of the scores and of their summary. Which forecast counts, and how it is scored, is
`pipelines.forecast.record`.
"""

from collections.abc import Iterator

import dagster as dg

from pipelines.defs.conditions import FOLLOWS, LEDGER, SCORE
from pipelines.defs.failures import under_policy
from pipelines.defs.freshness import FRESHNESS
from pipelines.defs.ingestion import table_metadata
from pipelines.defs.quality import require_accepted
from pipelines.store import gold, ledger, read_model
from pipelines.store.warehouse import Warehouse

SCOREBOARD, CALIBRATION = (dg.AssetKey(["forecast", name]) for name in ("scoreboard", "calibration"))


def _spec(key: dg.AssetKey, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=[LEDGER, ["gold", "feat_match"]],
        description=description,
        kinds={"python", "postgres"},
        owners=["team:forecasting"],
        freshness_policy=FRESHNESS,
        automation_condition=FOLLOWS,
    )


@dg.multi_asset(
    specs=[
        _spec(SCORE, "The last forecast issued before each played match, and those of 24 and 72 hours before, scored."),
        _spec(SCOREBOARD, "The scores beside the closing odds: over everything, per competition, per month, per firmness."),
        _spec(CALIBRATION, "How often what was said came true, in bins of equally many forecasts."),
    ],
    name="record",
    group_name="forecast",
)
@under_policy
def record(warehouse: dg.ResourceParam[Warehouse], turn: dg.ResourceParam[None]) -> Iterator[dg.MaterializeResult[None]]:
    """Score what was issued; a corrected result corrects its scores."""
    from pipelines.forecast.record import calibration, score, scoreboard

    require_accepted(warehouse)
    told, results = ledger.told(warehouse), gold.results_of_told(warehouse)
    scores = score(told, results)
    board, bins = scoreboard(scores), calibration(told, scores)
    # One after the other: the board is made of the scores, and made anew with the next run if this one dies between.
    n_scores = warehouse.update("forecast.score", "score_id", scores)
    n_board = warehouse.update("forecast.scoreboard", "scoreboard_id", board)
    n_bins = warehouse.update("forecast.calibration", "calibration_id", bins)
    read_model.refresh_record(warehouse)
    yield dg.MaterializeResult(asset_key=SCORE, metadata={"dagster/row_count": len(scores), "n_changed": n_scores})
    shown = board[~board["group_by"].isin(["month", "competition_season"])].drop(columns="scoreboard_id").round(4)
    yield dg.MaterializeResult(
        asset_key=SCOREBOARD,
        metadata={"dagster/row_count": len(board), "n_changed": n_board, "scoreboard": table_metadata(shown)},
    )
    yield dg.MaterializeResult(asset_key=CALIBRATION, metadata={"dagster/row_count": len(bins), "n_changed": n_bins})
