"""How likely each score of a simulated match is.

Belongs here: the distribution of goals, given both sides' rates. Does not belong here: where the rates come from (`simulated`).

Goals are Poisson with the low-score correction of Dixon and Coles (1997, Applied Statistics 46:265).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LOW_SCORE: Final = -0.06
N_GOALS: Final = 11
"""Scores run from 0 to ten goals a side; the rest of the Poisson tail, below one in a million, is left out."""


def score_grid(log_rates: Floats) -> Floats:
    """Probability of each score, matches by home goals by away goals, from matches by (home, away) log rates."""
    numbers = np.arange(N_GOALS)
    log_factorial = np.concatenate([[0.0], np.log(numbers[1:]).cumsum()])
    home, away = np.exp(log_rates[:, :, None] * numbers - np.exp(log_rates)[:, :, None] - log_factorial).transpose(1, 0, 2)
    grid = home[:, :, None] * away[:, None, :]
    home_rate, away_rate = np.exp(log_rates).T
    grid[:, 0, 0] *= 1 - home_rate * away_rate * LOW_SCORE
    grid[:, 0, 1] *= 1 + home_rate * LOW_SCORE
    grid[:, 1, 0] *= 1 + away_rate * LOW_SCORE
    grid[:, 1, 1] *= 1 - LOW_SCORE
    return np.asarray(grid / grid.sum(axis=(1, 2), keepdims=True))


def outcomes(grid: Floats) -> Floats:
    """(home, draw, away) by matches."""
    difference = np.subtract.outer(np.arange(N_GOALS), np.arange(N_GOALS))
    return np.stack([grid[:, chosen].sum(axis=1) for chosen in (difference > 0, difference == 0, difference < 0)])
