"""From bookmakers' odds to probabilities: what remains when the margin is taken out.

Belongs here: the methods, each for many matches at once. Does not belong here: which bookmaker or moment to take.
Formulas: H. S. Shin, "Measuring the incidence of insider trading in a market for state-contingent claims", Economic
Journal 103, 1993, in the explicit form of B. Jullien and B. Salanié, "Measuring the incidence of insider trading",
Economic Journal 104, 1994; the power method as described by S. Clarke, S. Kovalchik and M. Ingram, "Adjusting
bookmaker's odds to allow for overround", American Journal of Sports Science 5(6), 2017.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MAX_OVERROUND: Final = 1.25
"""Sum of inverse odds above which a row is a typing error rather than a margin; below 1 there is none to remove."""


def devig(odds: npt.ArrayLike, method: str = "power", max_overround: float = MAX_OVERROUND) -> Array:
    """Probabilities implied by decimal odds.

    Parameters
    ----------
    odds
        (n, k) decimal odds of all outcomes of a market.
    method
        A name of `METHODS`. The power method has the lowest log loss on closing odds, Shin's is next.
    max_overround
        Largest sum of inverse odds that is believed.

    Returns
    -------
    (n, k) array, rows summing to one; NaN where an odd is missing or not above 1, or the overround is outside
    [1, `max_overround`].
    """
    odds = np.asarray(odds, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1.0 / odds
        overround = inverse.sum(axis=1)
        # Odds of fair coins and the like add up to 1 only within rounding.
        valid = ((odds > 1.0) & np.isfinite(odds)).all(axis=1) & (overround >= 1.0 - 1e-12) & (overround <= max_overround)
    result = np.full(odds.shape, np.nan)
    if valid.any():
        probabilities = METHODS[method](inverse[valid])
        result[valid] = probabilities / probabilities.sum(axis=1, keepdims=True)
    return result


def _multiplicative(inverse: Array) -> Array:
    """q/Σq."""
    return np.asarray(inverse / inverse.sum(axis=1, keepdims=True))


def _power(inverse: Array) -> Array:
    """q^k with k such that the sum is 1. ln Σq^k is convex and falls in k: Newton from k = 1 never overshoots."""
    logarithms = np.log(inverse)
    k = np.ones((len(inverse), 1))
    for _ in range(50):
        powers = np.exp(k * logarithms)
        total = powers.sum(axis=1, keepdims=True)
        step = np.log(total) * total / (powers * logarithms).sum(axis=1, keepdims=True)
        k -= step
        if np.abs(step).max() < 1e-14:
            break
    return np.asarray(np.exp(k * logarithms))


def _shin(inverse: Array) -> Array:
    """(√(z² + 4(1 − z)q²/Q) − z)/(2(1 − z)), z the share of insiders such that the sum is 1, by bisection."""
    total = inverse.sum(axis=1, keepdims=True)
    low, high = np.zeros_like(total), np.full_like(total, 1.0 - 1e-9)

    def probabilities(z: Array) -> Array:
        return np.asarray((np.sqrt(z**2 + 4.0 * (1.0 - z) * inverse**2 / total) - z) / (2.0 * (1.0 - z)))

    for _ in range(60):
        middle = (low + high) / 2.0
        above = probabilities(middle).sum(axis=1, keepdims=True) > 1.0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return probabilities((low + high) / 2.0)


METHODS: Final[dict[str, Callable[[Array], Array]]] = {"power": _power, "shin": _shin, "multiplicative": _multiplicative}
