"""Every market of a match, read off one scoreline grid, so that no two of them can disagree.

Belongs here: sums over grids, and how a stake is settled. Does not belong here: the grids themselves (`grid`), quotes,
or how good a market's probabilities were (`market_scores`).

A bet on a line is settled as bookmakers do: a whole line returns the stake when it is met exactly, a quarter line is
two bets of half the stake on the lines a quarter to either side. Its price states win/(win + lose), the shares of the
stake that are expected to be won and lost: for half lines that is the probability of winning.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pipelines.forecast.grid import AWAY_GOALS, HOME_GOALS, MAX_GOALS, flattened, outcome_probabilities

Array = npt.NDArray[np.float64]

TOTAL_LINES: Final = tuple(np.arange(0.5, 5.75, 0.25).tolist())
"""Totals that readers are told of."""
HANDICAP_LINES: Final = tuple(np.arange(-3.0, 3.25, 0.25).tolist())
"""Goals given to the home side that readers are told of; negative if it gives them."""
MARGINS: Final = np.arange(-MAX_GOALS, MAX_GOALS + 1)
"""(31,) home minus away goals, the columns of `winning_margin`."""
TOTALS: Final = np.arange(2 * MAX_GOALS + 1)
"""(31,) goals of both sides, the columns of `total_goals`."""
MARGIN_BAND: Final = 3
"""From this margin on wins are counted together."""

_BY_MARGIN: Final[Array] = ((HOME_GOALS - AWAY_GOALS)[:, None] == MARGINS).astype(np.float64)
_BY_TOTAL: Final[Array] = ((HOME_GOALS + AWAY_GOALS)[:, None] == TOTALS).astype(np.float64)


@dataclass(frozen=True)
class Shares:
    """What becomes of a stake of 1: shares won, returned and lost, each the same shape, together one.

    Of a bet that has been settled each is 0, ½ or 1; before the match they are expectations.
    """

    win: Array
    push: Array
    lose: Array

    @property
    def probability(self) -> Array:
        """win/(win + lose), what a price without margin states; NaN where the stake is certain to be returned."""
        decided = self.win + self.lose
        return np.asarray(np.divide(self.win, decided, out=np.full(decided.shape, np.nan), where=decided > 0.0))

    @property
    def opposite(self) -> "Shares":
        """The same line seen from the other side: under for over, away for home."""
        return Shares(self.lose, self.push, self.win)


def settle(result: npt.ArrayLike, line: npt.ArrayLike) -> Shares:
    """Settle a bet that `result` + `line` is above 0.

    The home side with a handicap: result is home minus away goals. Over a total: result is the total and the line is
    negative, −2.5 for over 2.5.

    Parameters
    ----------
    result, line
        Arrays that broadcast against each other; lines are multiples of a quarter.

    Raises
    ------
    ValueError
        If a line is no multiple of a quarter.
    """
    result, line = np.asarray(result, dtype=np.float64), np.asarray(line, dtype=np.float64)
    if not (line * 4.0 == np.round(line * 4.0)).all():
        raise ValueError("a line must be a multiple of a quarter")
    half = np.where(line * 2.0 == np.round(line * 2.0), 0.0, 0.25)
    lower, upper = result + (line - half), result + (line + half)
    win, lose = ((lower > 0.0) + 1.0 * (upper > 0.0)) / 2.0, ((lower < 0.0) + 1.0 * (upper < 0.0)) / 2.0
    return Shares(win, 1.0 - win - lose, lose)


def asian_handicap(grid: Array, lines: npt.ArrayLike) -> Shares:
    """The home side given `lines` goals: (n, k) shares. The away side with the opposite line is `opposite`.

    Parameters
    ----------
    grid
        (n, 16, 16).
    lines
        (k,) for all matches, or (n, k) of each.
    """
    return _expected(winning_margin(grid), MARGINS, np.asarray(lines, dtype=np.float64))


def over_under(grid: Array, lines: npt.ArrayLike) -> Shares:
    """More goals than `lines`: (n, k) shares, lines as for `asian_handicap`. Under the same line is `opposite`."""
    return _expected(total_goals(grid), TOTALS, -np.asarray(lines, dtype=np.float64))


def winning_margin(grid: Array) -> Array:
    """(n, 31) probabilities of home minus away goals, −15 to 15."""
    return flattened(grid) @ _BY_MARGIN


def total_goals(grid: Array) -> Array:
    """(n, 31) probabilities of 0 to 30 goals of both sides together."""
    return flattened(grid) @ _BY_TOTAL


def double_chance(grid: Array) -> Array:
    """(n, 3) probabilities of home or draw, home or away, draw or away."""
    p = outcome_probabilities(grid)
    return np.column_stack([p[:, 0] + p[:, 1], p[:, 0] + p[:, 2], p[:, 1] + p[:, 2]])


def draw_no_bet(grid: Array) -> Shares:
    """A win of the home side, the stake returned for a draw: (n,) shares. The away side is `opposite`."""
    p = outcome_probabilities(grid)
    return Shares(p[:, 0], p[:, 1], p[:, 2])


def both_teams_score(grid: Array) -> Array:
    """(n,) probabilities that neither side stays without a goal."""
    return np.asarray(grid[:, 1:, 1:].sum(axis=(1, 2)))


def clean_sheets(grid: Array) -> Array:
    """(n, 2) probabilities that the home side, and the away side, concedes no goal."""
    return np.column_stack([grid[:, :, 0].sum(axis=1), grid[:, 0, :].sum(axis=1)])


def correct_scores(grid: Array, k: int) -> tuple[npt.NDArray[np.int64], Array, Array]:
    """The k likeliest scores of each match, the likeliest first, equal ones by fewer home, then away goals.

    Returns
    -------
    scores : (n, k, 2) home and away goals
    probabilities : (n, k)
    any_other : (n,) what is left
    """
    flat = flattened(grid)
    order = np.argsort(-flat, axis=1, kind="stable")
    chosen, left = order[:, :k], order[:, k:]
    # Added up: one minus the others could come out below zero.
    return (
        np.stack([HOME_GOALS[chosen], AWAY_GOALS[chosen]], axis=2).astype(np.int64),
        np.take_along_axis(flat, chosen, axis=1),
        np.asarray(np.take_along_axis(flat, left, axis=1).sum(axis=1)),
    )


def expected_goals(grid: Array) -> Array:
    """(n, 2) mean goals of home and away. A tilted grid's differ from those it was made of."""
    return flattened(grid) @ np.column_stack([HOME_GOALS, AWAY_GOALS]).astype(np.float64)


def expected_points(grid: Array) -> Array:
    """(n, 2) mean points of home and away, three for a win and one for a draw."""
    p = outcome_probabilities(grid)
    return np.column_stack([3.0 * p[:, 0] + p[:, 1], 3.0 * p[:, 2] + p[:, 1]])


def _expected(distribution: Array, results: npt.NDArray[np.int64], lines: Array) -> Shares:
    """(n, k) mean shares of bets on `lines`, given (n, m) probabilities of the m `results`."""
    if lines.ndim == 1:
        settled = settle(results[:, None], lines)
        return Shares(*(distribution @ share for share in (settled.win, settled.push, settled.lose)))
    settled = settle(results[None, :, None], lines[:, None, :])
    return Shares(*(np.einsum("nm,nmk->nk", distribution, share) for share in (settled.win, settled.push, settled.lose)))
