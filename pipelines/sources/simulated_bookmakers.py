"""What simulated bookmakers quote.

Belongs here: their margins, their errors, and the prices that follow. Does not belong here: what is true of a match
(`simulated`), or the columns of files.
"""

from typing import Any, Final

import numpy as np

from pipelines.sources.simulated_scores import N_GOALS, Floats, outcomes, score_grid

BOOKS: Final = {"B365": 0.055, "BW": 0.05, "PS": 0.025, "WH": 0.06}
"""Bookmaker's prefix to its margin."""
_PRE_MATCH_ERROR: Final = 0.11
_CLOSING_ERROR: Final = 0.03
_BOOK_ERROR: Final = 0.015


def quotes(rng: np.random.Generator, log_rates: Floats, *, has_handicap: bool) -> dict[str, Any]:
    """Every bookmaker's prices before the match and at its start, from a common belief that comes closer to the truth."""
    error = rng.normal(0.0, _PRE_MATCH_ERROR, log_rates.shape)
    closing_error = 0.4 * error + rng.normal(0.0, _CLOSING_ERROR, log_rates.shape)
    columns: dict[str, Any] = {}
    for moment, belief in (("", log_rates + error), ("C", log_rates + closing_error)):
        grid = score_grid(belief)
        columns |= _market(rng, moment, dict(BOOKS), ("H", "D", "A"), outcomes(grid))
        totals = np.add.outer(np.arange(N_GOALS), np.arange(N_GOALS))
        over = grid[:, totals > 2].sum(axis=1)
        few = {"B365": BOOKS["B365"], "P": BOOKS["PS"]}
        columns |= _market(rng, moment, few, (">2.5", "<2.5"), np.stack([over, 1 - over]))
        line, covered = _handicap(grid, belief)
        handicap = {f"AH{moment}h": np.array([f"{value:g}" for value in line], dtype=object)}
        handicap |= _market(rng, moment, few, ("AHH", "AHA"), np.stack([covered, 1 - covered]))
        columns |= handicap if has_handicap else dict.fromkeys(handicap)
    return columns


def _market(
    rng: np.random.Generator, moment: str, margins: dict[str, float], suffixes: tuple[str, ...], belief: Floats
) -> dict[str, Floats]:
    """Decimal prices of one market: each book's, and their maximum and average, from selections by matches probabilities."""
    books = {}
    for book, margin in margins.items():
        opinion = belief * np.exp(rng.normal(0.0, _BOOK_ERROR, belief.shape))
        books[book] = 1 / (opinion / opinion.sum(axis=0) * (1 + margin))
    quoted = np.stack(list(books.values()))
    # The printed books are not the whole market: somebody always pays a little more.
    books |= {"Max": quoted.max(axis=0) * (1 + rng.uniform(0.0, 0.02, belief.shape)), "Avg": quoted.mean(axis=0)}
    return {
        f"{book}{moment}{suffix}": price[at].round(2).clip(1.01, 100.0)
        for book, price in books.items()
        for at, suffix in enumerate(suffixes)
    }


def _handicap(grid: Floats, belief: Floats) -> tuple[Floats, Floats]:
    """The quarter line nearest to the expected goal difference, and the home side's share of the money not returned."""
    home_rate, away_rate = np.exp(belief).T
    line = -np.round(4 * (home_rate - away_rate)) / 4 + 0.0
    quarter = np.where((4 * line) % 2 == 1, 0.25, 0.0)
    difference = np.subtract.outer(np.arange(N_GOALS), np.arange(N_GOALS)).ravel()
    won, lost = np.zeros(len(line)), np.zeros(len(line))
    # A quarter line is half a stake on each of its neighbours.
    for half in (line - quarter, line + quarter):
        margin = difference + half[:, None]
        won += (grid.reshape(len(grid), -1) * (margin > 0)).sum(axis=1)
        lost += (grid.reshape(len(grid), -1) * (margin < 0)).sum(axis=1)
    return line, won / (won + lost)
