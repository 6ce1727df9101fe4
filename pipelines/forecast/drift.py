"""Drift: whether the forecasts that were really issued have become worse than they were promised to be.

Belongs here: the rule, on the record (`record`) of one information set. Does not belong here: reading the record, or what follows
from an alarm (`pipelines.defs.drift`).

The rule is a Shiryaev–Roberts e-detector (Shin, Ramdas and Rinaldo 2024, "E-detectors"). Every match gives factors whose mean
is at most 1 while nothing has drifted, whatever matches these are. R ← (1 + R)·factor then has a mean of at most n after n
matches, so that the chance of a false alarm within n matches is at most n / `MATCHES_PER_FALSE_ALARM`, and on average so many
pass before one. Where something has drifted, R grows exponentially: in nine of ten made-up records a model 0.02 nats behind the
closing price is found out within 400 matches when it takes all clubs for others, 1,200 when half of them, 1,000 when it turns
over-confident by a factor of 1.5 (`tests/forecast/test_drift.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd

from pipelines.forecast.contract import PROBABILITIES
from pipelines.forecast.metrics import Array, Difference, Outcomes, paired_bootstrap

MATCHES_PER_FALSE_ALARM: Final = 100_000
"""Of one information set, both tests together: more than twenty seasons of ten leagues."""

_THRESHOLD: Final = 2.0 * MATCHES_PER_FALSE_ALARM
"""Of each of the two tests: the mean of both reaches half of it when one does, and is itself such an R."""

STAKES: Final = (0.25, 0.5, 1.0)
"""Of the bets on a distance to the market above the promised one, per nat: the smaller the stake, the smaller what it finds."""

SHARPNESS: Final = (0.7, 1.4)
"""Exponents of the forecasts that would be right if those issued were over-confident, or not confident enough."""

TILT: Final = 0.25
"""Nats by which home or draw would be likelier, or less likely, if the forecasts issued were biased."""

TOLD_WITHIN: Final = timedelta(days=2)
"""After a kick-off, until its result has been scored: a model promoted before then is no answer to the alarm it raised."""

N_RECENT: Final = 500
"""Matches over which the distance to the market is shown. Nothing is decided by it."""


@dataclass(frozen=True)
class Drift:
    """What the record of one information set shows.

    `distance` and `calibration` are how many times their thresholds the two statistics are (an alarm from 1 on), since the last
    fresh start `since` (None: since the first match); `alarmed_at` is the kick-off of the match at which one reached it, None
    without an alarm. `recent` is the log loss above the closing price's over the last `N_RECENT` matches that have one,
    `promised` the mean of what their models' evidence promised at most.
    """

    information_set: str
    n: int
    distance: float
    calibration: float
    recent: Difference
    promised: float
    since: datetime | None
    alarmed_at: datetime | None

    def __str__(self) -> str:
        """A sentence for people."""
        what = [
            name for name, value in (("distance to the market", self.distance), ("calibration", self.calibration)) if value >= 1
        ]
        verdict = f"lost: {' and '.join(what)}, at the matches of {self.alarmed_at:%Y-%m-%d}" if self.alarmed_at else "no drift"
        return (
            f"{self.information_set}: {verdict}. Log loss {self.recent} above the closing price in the last matches, at most "
            f"{self.promised:+.4f} promised; evidence of drift {self.distance:.2g} (distance) and {self.calibration:.2g} "
            f"(calibration) of what raises an alarm, on {self.n:,} matches."
        )


def detect(record: pd.DataFrame, promotions: pd.DataFrame) -> list[Drift]:
    """Apply the rule to each information set.

    An alarm stands until a model is promoted after it; from then on only forecasts issued since count, from nothing.

    Parameters
    ----------
    record
        One row per match and information set: `information_set, match_id, kickoff_at, issued_at, model_name, outcome` (0, 1, 2
        for home, draw, away), `contract.PROBABILITIES`, `log_loss`, `market_log_loss` (NaN without a closing price) and
        `promised_difference`, the most that the model's evidence expects of their difference (NaN where it says nothing).
    promotions
        `model_name, promoted_at`, in any order.
    """
    found = []
    for name, rows in record.sort_values(["kickoff_at", "match_id"]).groupby("information_set"):
        moments = promotions.loc[promotions["model_name"].isin(rows["model_name"].unique()), "promoted_at"]
        found.append(_detect(str(name), rows, sorted(moments)))
    return found


def _detect(information_set: str, rows: pd.DataFrame, promotions: Sequence[datetime]) -> Drift:
    since = None
    while True:
        counted = rows if since is None else rows[rows["issued_at"] >= since]
        distance = running_evidence(distance_factors(counted)) / _THRESHOLD
        calibration = running_evidence(calibration_factors(counted)) / _THRESHOLD
        crossed = np.flatnonzero(np.maximum(distance, calibration) >= 1)
        alarmed_at = counted["kickoff_at"].iloc[crossed[0]] if len(crossed) else None
        fresh = next((moment for moment in promotions if alarmed_at is not None and moment > alarmed_at + TOLD_WITHIN), None)
        if fresh is None:
            break
        since = fresh
    judged = counted.dropna(subset=["market_log_loss"]).tail(N_RECENT)
    excess = (judged["log_loss"] - judged["market_log_loss"]).to_numpy(dtype=np.float64)
    # An alarm shows what raised it, however good the matches after it were.
    at = crossed[0] if len(crossed) else len(counted) - 1
    return Drift(
        information_set=information_set,
        n=len(counted),
        distance=float(distance[at]) if len(counted) else 0.0,
        calibration=float(calibration[at]) if len(counted) else 0.0,
        recent=paired_bootstrap(excess, judged["kickoff_at"].dt.floor("D")),
        promised=float(judged["promised_difference"].mean()),
        since=since,
        alarmed_at=alarmed_at,
    )


def running_evidence(factors: Array) -> Array:
    """(n,) R after each match: the mean of the Shiryaev–Roberts statistics of (n, k) factors."""
    evidence = np.empty(len(factors))
    r = np.zeros(factors.shape[1])
    for i, factor in enumerate(factors):
        r = np.minimum((1.0 + r) * factor, 1e100)  # far beyond any alarm: only to stay a number
        evidence[i] = r.mean()
    return evidence


def distance_factors(rows: pd.DataFrame) -> Array:
    """(n, k) what bets on a greater distance to the closing price than promised return; 1 where nothing can be compared.

    Their mean is at most 1 while the distance's is as promised, but for the cut at zero, where the model was more than a nat
    better than the price: once in many thousand matches.
    """
    excess = (rows["log_loss"] - rows["market_log_loss"] - rows["promised_difference"]).to_numpy(dtype=np.float64)
    return np.asarray(np.maximum(1.0 + np.nan_to_num(excess)[:, None] * np.array(STAKES), 0.0))


def calibration_factors(rows: pd.DataFrame) -> Array:
    """(n, k) by how much likelier the outcome was under each way of being miscalibrated than as it was forecast.

    If the outcomes do come with the probabilities that were issued, each has a mean of exactly 1.
    """
    p, outcomes = rows[list(PROBABILITIES)].to_numpy(dtype=np.float64), rows["outcome"].to_numpy(dtype=np.int64)
    tilts = (np.array([sign * TILT * (k == outcome) for k in range(3)]) for outcome in (0, 1) for sign in (1, -1))
    alternatives = [*(p**exponent for exponent in SHARPNESS), *(p * np.exp(tilt) for tilt in tilts)]
    return np.column_stack(list(_ratios(p, outcomes, alternatives)))


def _ratios(p: Array, outcomes: Outcomes, alternatives: Iterable[Array]) -> Iterable[Array]:
    rows = np.arange(len(p))
    for other in alternatives:
        yield (other / other.sum(axis=1, keepdims=True))[rows, outcomes] / p[rows, outcomes]
