"""One joint distribution of the scoreline for each match, from which every market follows.

Belongs here: making the grid from expected goals, and bending it to a forecast of home, draw and away. Does not belong
here: what is read off a grid (`markets`), or where expected goals come from (`dixon_coles`, `models`).

A grid is an (n, 16, 16) array: cell [i, x, y] is the probability that match i ends x to y, home goals first, every
grid sums to one. Formulas: M. J. Dixon and S. G. Coles, "Modelling association football scores and inefficiencies in
the football betting market", Applied Statistics 46(2), 1997; the tilt is the distribution of least relative entropy
to the first among all with the wanted probabilities of three disjoint events (I. Csiszár, "I-divergence geometry of
probability distributions and minimization problems", Annals of Probability 3(1), 1975).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from pipelines.forecast.contract import OUTCOMES

Array = npt.NDArray[np.float64]

MAX_GOALS: Final = 15
"""Most goals of one side. What lies beyond is 1e-5 of the probability when both sides expect 4 goals, 1e-9 when both
expect 2, and is shared out in proportion; a match that ended with more counts as 15."""

RHO_MARGIN: Final = 0.99
"""Share of the admissible range of ρ that is used: at its very end a scoreline would be impossible."""

_GOALS: Final = np.arange(MAX_GOALS + 1)
HOME_GOALS: Final = np.repeat(_GOALS, MAX_GOALS + 1)
"""(256,) home goals of the cells of a flattened grid."""
AWAY_GOALS: Final = np.tile(_GOALS, MAX_GOALS + 1)
"""(256,) away goals of the cells of a flattened grid."""
OUTCOME: Final = 1 - np.sign(HOME_GOALS - AWAY_GOALS)
"""(256,) position in `contract.OUTCOMES` of the cells of a flattened grid."""
_REGIONS: Final[Array] = np.eye(len(OUTCOMES))[OUTCOME]


def rho_bounds(home_goals: npt.ArrayLike, away_goals: npt.ArrayLike) -> tuple[Array, Array]:
    """Between which values ρ leaves every cell positive: max(−1/λ, −1/ν) and min(1/(λν), 1), both excluded."""
    home, away = np.asarray(home_goals, dtype=np.float64), np.asarray(away_goals, dtype=np.float64)
    return -1.0 / np.maximum(home, away), np.minimum(1.0 / (home * away), 1.0)


def scoreline_grid(home_goals: npt.ArrayLike, away_goals: npt.ArrayLike, rho: npt.ArrayLike = 0.0) -> Array:
    """Independent Poisson goals with Dixon and Coles' correction of the four lowest scores.

    Parameters
    ----------
    home_goals, away_goals
        (n,) expected goals λ and ν, each above 0.
    rho
        Their dependence, one for all or (n,); negative makes draws of 0–0 and 1–1 likelier. Where it would make a
        cell negative it is drawn back to `RHO_MARGIN` of the bound.

    Returns
    -------
    (n, 16, 16) grids, every cell positive unless its Poisson probability underflows.

    Raises
    ------
    ValueError
        If expected goals are not finite and positive, or ρ is not finite.
    """
    home, away, dependence = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in (home_goals, away_goals, rho))
    )
    if not (np.isfinite(home) & np.isfinite(away) & np.isfinite(dependence) & (home > 0.0) & (away > 0.0)).all():
        raise ValueError("expected goals must be finite and above 0, and rho finite")
    low, high = rho_bounds(home, away)
    dependence = np.clip(dependence, RHO_MARGIN * low, RHO_MARGIN * high)
    grid = _poisson(home)[:, :, None] * _poisson(away)[:, None, :]
    grid[:, 0, 0] *= 1.0 - home * away * dependence
    grid[:, 0, 1] *= 1.0 + home * dependence
    grid[:, 1, 0] *= 1.0 + away * dependence
    grid[:, 1, 1] *= 1.0 - dependence
    grid /= grid.sum(axis=(1, 2), keepdims=True)
    return grid


def outcome_probabilities(grid: Array) -> Array:
    """(n, 3) probabilities of home, draw and away."""
    return flattened(grid) @ _REGIONS


def tilt(grid: Array, probabilities: Array) -> Array:
    """Bend grids so that they say exactly a given forecast of home, draw and away: p*(x, y) = p(x, y)·p*_k/p_k.

    Among all distributions with these probabilities the result has the least relative entropy to the grid: what the
    forecast says nothing about, how likely 2–1 is if the home side wins, stays as it was.

    Parameters
    ----------
    grid
        (n, 16, 16).
    probabilities
        (n, 3), rows summing to one, in the order of `contract.OUTCOMES`.

    Raises
    ------
    ValueError
        If a row is no distribution, or gives probability to an outcome that is impossible in its grid.
    """
    if probabilities.shape != (len(grid), len(OUTCOMES)):
        raise ValueError(f"probabilities must have the shape {(len(grid), len(OUTCOMES))}, not {probabilities.shape}")
    if not ((probabilities >= 0.0).all() and (np.abs(probabilities.sum(axis=1) - 1.0) < 1e-9).all()):
        raise ValueError("probabilities must not be negative and sum to one")
    present = outcome_probabilities(grid)
    if ((present == 0.0) & (probabilities > 0.0)).any():
        raise ValueError("an outcome that is impossible in a grid cannot be given a probability")
    factor = np.divide(probabilities, present, out=np.zeros_like(present), where=present > 0.0)
    return np.asarray(grid * factor[:, OUTCOME].reshape(grid.shape))


def flattened(grid: Array) -> Array:
    """(n, 256) view of grids, cells in the order of `HOME_GOALS` and `AWAY_GOALS`."""
    return grid.reshape(len(grid), HOME_GOALS.size)


def _poisson(mean: Array) -> Array:
    """(n, 16) probabilities of 0 to 15 goals."""
    ratios = mean[:, None] / np.maximum(_GOALS, 1)
    ratios[:, 0] = np.exp(-mean)
    return np.asarray(np.cumprod(ratios, axis=1))
