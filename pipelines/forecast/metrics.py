"""How good probabilities of home, draw and away were.

Belongs here: scores of arrays, their tables and their uncertainty. Does not belong here: how forecasts were made, or
what follows from a score (`promotion`). Probabilities are (n, 3) in the order of `contract.OUTCOMES`, outcomes (n,)
with 0, 1, 2 in the same order; logarithms are natural.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.forecast.contract import OUTCOMES

Array = npt.NDArray[np.float64]
Outcomes = npt.NDArray[np.int64]

LEAST: Final = 1e-12
"""Probabilities are clipped here before a logarithm is taken."""


def outcome_of(home_goals: npt.ArrayLike, away_goals: npt.ArrayLike) -> Outcomes:
    """0 for a home win, 1 for a draw, 2 for an away win."""
    return np.asarray(
        1 - np.sign(np.asarray(home_goals, dtype=np.float64) - np.asarray(away_goals, dtype=np.float64)), dtype=np.int64
    )


def log_loss(probabilities: Array, outcomes: Outcomes) -> Array:
    """−ln p(actual) of each match, in nats."""
    return np.asarray(-np.log(np.clip(probabilities[np.arange(len(outcomes)), outcomes], LEAST, None)))


def ranked_probability_score(probabilities: Array, outcomes: Outcomes) -> Array:
    """½·[(p_H − o_H)² + (p_H + p_D − o_H − o_D)²] of each match (Epstein 1969)."""
    error = np.cumsum(probabilities - np.eye(3)[outcomes], axis=1)
    return np.asarray((error[:, 0] ** 2 + error[:, 1] ** 2) / 2.0)


def brier(probabilities: Array, outcomes: Outcomes) -> Array:
    """Σ over the three outcomes of (p − o)², from 0 to 2, of each match (Brier 1950)."""
    return np.asarray(((probabilities - np.eye(3)[outcomes]) ** 2).sum(axis=1))


def accuracy(probabilities: Array, outcomes: Outcomes) -> float:
    """Share of matches in which the likeliest outcome came."""
    return float(np.mean(probabilities.argmax(axis=1) == outcomes))


def base_rate(outcomes: Outcomes) -> Array:
    """(3,) frequencies of the outcomes."""
    return np.asarray(np.bincount(outcomes, minlength=3) / len(outcomes), dtype=np.float64)


def skill_share(model: float, base: float, market: float) -> float:
    """How much of the way from the base rate's log loss to the market's a model covers; NaN where there is no way."""
    return (base - model) / (base - market) if base != market else float("nan")


def sharpness(probabilities: Array) -> float:
    """How far forecasts are from always saying the same: Σ over the outcomes of the variance of their probabilities.

    In Brier's units: of a calibrated forecast it is the resolution, by which its score is below that of the plain frequencies
    (Murphy 1973).
    """
    return float(probabilities.var(axis=0).sum())


def equal_count_bins(values: Array, n_bins: int) -> npt.NDArray[np.int64]:
    """(n,) number of the bin of each value. By rank, since equal values would otherwise leave bins empty."""
    bins = np.empty(len(values), dtype=np.int64)
    bins[np.argsort(values, kind="stable")] = np.arange(len(values)) * n_bins // max(len(values), 1)
    return bins


def calibration_table(probabilities: Array, outcomes: Outcomes, n_bins: int = 15) -> pd.DataFrame:
    """Forecast against frequency in bins of equal count, for each outcome.

    Returns
    -------
    DataFrame
        Columns `outcome`, `bin`, `n`, `p_mean`, `frequency`; at most `n_bins` rows for each outcome.
    """
    parts = []
    for k, name in enumerate(OUTCOMES):
        p = probabilities[:, k]
        frame = pd.DataFrame({"bin": equal_count_bins(p, n_bins), "p_mean": p, "frequency": (outcomes == k).astype(np.float64)})
        grouped = frame.groupby("bin", sort=True)
        part = grouped[["p_mean", "frequency"]].mean().assign(n=grouped.size(), outcome=name).reset_index()
        parts.append(part[["outcome", "bin", "n", "p_mean", "frequency"]])
    return pd.concat(parts, ignore_index=True)


def calibration_error(probabilities: Array, outcomes: Outcomes, n_bins: int = 15) -> float:
    """Classwise expected calibration error: Σ weight·|mean p − frequency| in equal-count bins, mean of the outcomes."""
    return float(_calibration_errors(probabilities, [outcomes], n_bins)[0])


def calibration_error_by_chance(probabilities: Array, n_draws: int = 200, n_bins: int = 15, seed: int = 0) -> Array:
    """(n_draws,) calibration errors of a perfect forecast: outcomes are drawn from the probabilities themselves."""
    random = np.random.default_rng(seed)
    edges = probabilities.cumsum(axis=1)[:, :2]
    draws = ((random.random((len(probabilities), 1)) >= edges).sum(axis=1) for _ in range(n_draws))
    return _calibration_errors(probabilities, draws, n_bins)


def _calibration_errors(probabilities: Array, draws: Iterable[Outcomes], n_bins: int) -> Array:
    bins = [equal_count_bins(probabilities[:, k], n_bins) for k in range(len(OUTCOMES))]
    expected = [np.bincount(bins[k], weights=probabilities[:, k], minlength=n_bins) for k in range(len(OUTCOMES))]
    scale = len(probabilities) * len(OUTCOMES)
    return np.array(
        [
            sum(np.abs(expected[k] - np.bincount(bins[k][outcomes == k], minlength=n_bins)).sum() for k in range(len(OUTCOMES)))
            / scale
            for outcomes in draws
        ]
    )


def reliability(probabilities: Array, outcomes: Outcomes) -> pd.DataFrame:
    """Cox's calibration line of each outcome: logit(frequency) = intercept + slope·logit(p), by maximum likelihood.

    Returns
    -------
    DataFrame
        Index the outcomes, columns `slope` and `intercept`: 1 and 0 for a calibrated forecast, a slope below 1 for an
        over-confident one; NaN where an outcome always or never came, or its forecast never changed.
    """
    rows = []
    for k in range(len(OUTCOMES)):
        p = np.clip(probabilities[:, k], 1e-9, 1.0 - 1e-9)
        x = np.log(p / (1.0 - p))
        y = (outcomes == k).astype(np.float64)
        rows.append(_logistic_line(x, y) if np.ptp(x) > 1e-9 and 0.0 < y.mean() < 1.0 else (float("nan"), float("nan")))
    return pd.DataFrame(rows, index=pd.Index(OUTCOMES, name="outcome"), columns=["slope", "intercept"])


def _logistic_line(x: Array, y: Array) -> tuple[float, float]:
    """(slope, intercept) by Newton's method, begun at the identity."""
    design = np.column_stack([x, np.ones_like(x)])
    line = np.array([1.0, 0.0])
    for _ in range(50):
        mean = 1.0 / (1.0 + np.exp(-np.clip(design @ line, -30.0, 30.0)))
        curvature = design.T @ (design * (mean * (1.0 - mean))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (y - mean))
        line += step
        if np.abs(step).max() < 1e-10:
            break
    return float(line[0]), float(line[1])


@dataclass(frozen=True)
class Difference:
    """A mean of paired differences with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        """The figure as it is shown to people."""
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}] (n = {self.n:,})"


def paired_bootstrap(differences: Array, days: npt.ArrayLike, n_draws: int = 2000, seed: int = 0) -> Difference:
    """Mean difference and its 95 % interval, resampling match-days: matches of one day share their surprises.

    Parameters
    ----------
    differences
        (n,) score of one forecaster minus that of another on the same match.
    days
        (n,) the match-day of each; anything that can be told apart.
    """
    if len(differences) == 0:
        return Difference(float("nan"), float("nan"), float("nan"), 0)
    codes, _ = pd.factorize(np.asarray(days))
    sums, counts = np.bincount(codes, weights=differences), np.bincount(codes)
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(sums), (n_draws, len(sums)), dtype=np.int32)
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Difference(float(np.mean(differences)), float(low), float(high), len(differences))
