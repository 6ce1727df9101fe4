"""The record: how good the forecasts were that were really issued, once the results are known.

Belongs here: which forecast of a match counts, its scores beside the closing price of the same match, and their summary.
Does not belong here: forecasts of past seasons made afterwards (`backtest`), or keeping any of this (`store.ledger`).
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from pipelines.forecast.backtest import CLOSING_ODDS
from pipelines.forecast.contract import PROBABILITIES
from pipelines.forecast.devig import devig
from pipelines.forecast.metrics import (
    brier,
    calibration_table,
    log_loss,
    outcome_of,
    paired_bootstrap,
    ranked_probability_score,
)

HORIZONS: Final = (0, 24, 72)
"""Hours before kick-off. The last forecast issued by then counts; 0 is the record, the others are scored beside it."""

SCORE_COLUMNS: Final = (
    "score_id", "prediction_id", "match_id", "information_set", "horizon_hours", "competition_id", "season", "kickoff_at",
    "outcome", "log_loss", "rps", "brier", "market_log_loss", "firmness",
)  # fmt: skip

SCOREBOARD_COLUMNS: Final = (
    "scoreboard_id", "information_set", "horizon_hours", "group_by", "group_name", "n", "log_loss", "rps", "brier",
    "n_market", "market_log_loss", "difference", "difference_low", "difference_high",
)  # fmt: skip

CALIBRATION_COLUMNS: Final = (
    "calibration_id", "information_set", "outcome", "bin", "n", "p_mean", "frequency", "frequency_low", "frequency_high",
)  # fmt: skip

N_BINS: Final = 10
Z: Final = 1.959963984540054
"""Of a two-sided 95 % interval."""


def score(predictions: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Score what was issued.

    Parameters
    ----------
    predictions
        The ledger, with `prediction_id, sequence, match_id, information_set, issued_at, firmness` and `contract.PROBABILITIES`.
    results
        Played matches, with `match_id, competition_id, season, kickoff_at, home_goals, away_goals` and the closing odds. The
        kick-off is the actual one: a forecast of a match that was moved counts by when it was played.

    Returns
    -------
    DataFrame
        `SCORE_COLUMNS`, one row for each match, information set and horizon for which a forecast had been issued;
        `outcome` is 0, 1, 2 for home, draw, away, `market_log_loss` NaN without usable closing odds.
    """
    known = predictions.merge(results, on="match_id", suffixes=("_told", ""))
    ahead = known["kickoff_at"] - known["issued_at"]
    parts = []
    for hours in HORIZONS:
        in_time = known[ahead > pd.Timedelta(0)] if hours == 0 else known[ahead >= pd.Timedelta(hours=hours)]
        last = in_time.sort_values("sequence").drop_duplicates(["match_id", "information_set"], keep="last")
        parts.append(last.assign(horizon_hours=hours))
    rows = pd.concat(parts, ignore_index=True)
    p, outcomes = rows[list(PROBABILITIES)].to_numpy(dtype=np.float64), outcome_of(rows["home_goals"], rows["away_goals"])
    market = devig(rows[list(CLOSING_ODDS)].to_numpy(dtype=np.float64))
    rows = rows.assign(
        score_id=rows["match_id"] + "|" + rows["information_set"] + "|" + rows["horizon_hours"].astype(str),
        outcome=outcomes,
        log_loss=log_loss(p, outcomes),
        rps=ranked_probability_score(p, outcomes),
        brier=brier(p, outcomes),
        market_log_loss=log_loss(market, outcomes),
    )
    return rows[list(SCORE_COLUMNS)].sort_values("score_id", ignore_index=True)


def scoreboard(scores: pd.DataFrame) -> pd.DataFrame:
    """Sum the scores up, over everything, per competition, per month and per level of firmness.

    Returns
    -------
    DataFrame
        `SCOREBOARD_COLUMNS`, one row for each group; `log_loss`, `rps`, `brier` over its `n` forecasts; the market's log
        loss and the paired `difference` to it with its 95 % interval over the `n_market` among them that had closing odds.
    """
    rows = [_summary(*key, part) for key, part in _groups(scores)]
    return pd.DataFrame(rows, columns=list(SCOREBOARD_COLUMNS)).sort_values("scoreboard_id", ignore_index=True)


def calibration(predictions: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """How often what was said came true, of the last forecasts before kick-off.

    Parameters
    ----------
    predictions
        The ledger, with `prediction_id` and `contract.PROBABILITIES`.
    scores
        As from `score`.

    Returns
    -------
    DataFrame
        `CALIBRATION_COLUMNS`, at most ten rows for each information set and outcome; the interval is Wilson's.
    """
    last = scores[scores["horizon_hours"] == 0].merge(predictions[["prediction_id", *PROBABILITIES]], on="prediction_id")
    parts = [
        calibration_table(part[list(PROBABILITIES)].to_numpy(dtype=np.float64), part["outcome"].to_numpy(), N_BINS).assign(
            information_set=information_set
        )
        for information_set, part in last.groupby("information_set")
    ]
    if not parts:
        return pd.DataFrame(columns=list(CALIBRATION_COLUMNS))
    table = pd.concat(parts, ignore_index=True)
    table["calibration_id"] = table["information_set"] + "|" + table["outcome"] + "|" + table["bin"].astype(str)
    n, p = table["n"], table["frequency"]
    centre, scale = p + Z**2 / (2 * n), 1 + Z**2 / n
    half = Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    # At 0 and at 1 the formula is exact only but for floating point.
    table["frequency_low"] = ((centre - half) / scale).clip(0.0, 1.0)
    table["frequency_high"] = ((centre + half) / scale).clip(0.0, 1.0)
    return table[list(CALIBRATION_COLUMNS)]


def _groups(scores: pd.DataFrame) -> Iterator[tuple[tuple[str, int, str, str], pd.DataFrame]]:
    names = {
        "all": pd.Series("all", index=scores.index),
        "competition": scores["competition_id"],
        "season": scores["season"].astype(str),
        "competition_season": scores["competition_id"] + " " + scores["season"].astype(str),
        "month": scores["kickoff_at"].dt.strftime("%Y-%m"),
        # Without the forecasts that were issued before there were levels.
        "firmness": scores["firmness"],
    }
    for group_by, name in names.items():
        for key, part in scores.groupby([scores["information_set"], scores["horizon_hours"], name]):
            information_set, hours, group_name = map(str, key)
            yield (information_set, int(hours), group_by, group_name), part


def _summary(information_set: str, hours: int, group_by: str, group_name: str, scores: pd.DataFrame) -> dict[str, object]:
    judged = scores.dropna(subset=["market_log_loss"])
    difference = paired_bootstrap(
        (judged["log_loss"] - judged["market_log_loss"]).to_numpy(dtype=np.float64), judged["kickoff_at"].dt.floor("D")
    )
    return {
        "scoreboard_id": f"{information_set}|{hours}|{group_by}|{group_name}",
        "information_set": information_set,
        "horizon_hours": hours,
        "group_by": group_by,
        "group_name": group_name,
        "n": len(scores),
        **{name: float(scores[name].mean()) for name in ("log_loss", "rps", "brier")},
        "n_market": len(judged),
        "market_log_loss": float(judged["market_log_loss"].mean()),
        "difference": difference.mean,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }
