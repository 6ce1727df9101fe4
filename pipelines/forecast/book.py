"""What a forecast says of every market, as readers see it: one list of selections for each match, and the grid itself.

Belongs here: from a forecast's probabilities and expected goals to names and numbers. Does not belong here: the arithmetic
of grids (`grid`) and of markets (`markets`).
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd

from pipelines.forecast import markets
from pipelines.forecast.contract import OUTCOMES, PROBABILITIES
from pipelines.forecast.grid import MAX_GOALS, Array, outcome_probabilities, scoreline_grid, tilt

RHO: Final = -0.03
"""Dependence of low scores. Of -.20 to .06 in steps of .03 this one gives the actual scores of seasons 2012 to 2018 (71,013
matches) the least log loss, with grids from the score-driven rates, tilted to the closing odds; without the tilt it is the
same."""

N_SCORES: Final = 12
"""Correct scores that are listed by themselves."""

SHOWN_GOALS: Final = 6
"""Rows and columns of the grid that is shown; the last stands for so many goals or more."""


def grids(forecasts: pd.DataFrame) -> Array:
    """(n, 16, 16) scoreline distributions that say exactly what the forecasts say of home, draw and away.

    Parameters
    ----------
    forecasts
        (n) with `contract.PROBABILITIES`, `expected_home_goals`, `expected_away_goals`.
    """
    probabilities = forecasts[list(PROBABILITIES)].to_numpy(dtype=np.float64)
    return tilt(scoreline_grid(forecasts["expected_home_goals"], forecasts["expected_away_goals"], RHO), probabilities)


def books(grid: Array) -> list[dict[str, Any]]:
    """What each of (n, 16, 16) distributions says of every market.

    Returns
    -------
    list of dict
        `selections`: rows of market, line (null where the market has none; a handicap is that of the selection's side),
        selection, probability: the share of a decided stake that is expected to be won, `markets.Shares.probability`.
        `scorelines`: 7 × 7 probabilities, home goals down, away goals across, the last row and column 6 or more.
        `expected_home_points`, `expected_away_points`.
    """
    if len(grid) == 0:
        return []
    columns = list(_columns(grid))
    scores, score_probabilities, any_other = markets.correct_scores(grid, N_SCORES)
    shown = _shown(grid)
    points = markets.expected_points(grid)
    result = []
    for i in range(len(grid)):
        selections = [[market, line, name, float(values[i])] for market, line, name, values in columns]
        selections += [
            ["correct_score", None, f"{home}-{away}", float(p)]
            for (home, away), p in zip(scores[i], score_probabilities[i], strict=True)
        ]
        selections.append(["correct_score", None, "any_other", float(any_other[i])])
        result.append(
            {
                "selections": selections,
                "scorelines": shown[i].tolist(),
                "expected_home_points": float(points[i, 0]),
                "expected_away_points": float(points[i, 1]),
            }
        )
    return result


def _columns(grid: Array) -> Iterator[tuple[str, float | None, str, Array]]:
    """Market, line, selection and (n,) probabilities of all selections that are the same for every match."""
    for name, p in zip(OUTCOMES, outcome_probabilities(grid).T, strict=True):
        yield "1x2", None, name, p
    for name, p in zip(("home_or_draw", "home_or_away", "draw_or_away"), markets.double_chance(grid).T, strict=True):
        yield "double_chance", None, name, p
    yield from _both_sides("draw_no_bet", None, None, markets.draw_no_bet(grid), ("home", "away"))
    totals = markets.over_under(grid, markets.TOTAL_LINES)
    for k, line in enumerate(markets.TOTAL_LINES):
        yield from _both_sides("over_under", line, line, _at(totals, k), ("over", "under"))
    handicaps = markets.asian_handicap(grid, markets.HANDICAP_LINES)
    for k, line in enumerate(markets.HANDICAP_LINES):
        yield from _both_sides("asian_handicap", line, 0.0 - line, _at(handicaps, k), ("home", "away"))
    both = markets.both_teams_score(grid)
    yield "both_teams_score", None, "yes", both
    yield "both_teams_score", None, "no", 1.0 - both
    for name, p in zip(("home", "away"), markets.clean_sheets(grid).T, strict=True):
        yield "clean_sheet", None, name, p
    margins = markets.winning_margin(grid)
    for side, sign in (("home", 1), ("away", -1)):
        for goals in range(1, markets.MARGIN_BAND):
            yield "winning_margin", None, f"{side}_by_{goals}", margins[:, MAX_GOALS + sign * goals]
        many = margins[:, sign * markets.MARGINS >= markets.MARGIN_BAND].sum(axis=1)
        yield "winning_margin", None, f"{side}_by_{markets.MARGIN_BAND}_or_more", many
    yield "winning_margin", None, "draw", margins[:, MAX_GOALS]


def _at(shares: markets.Shares, k: int) -> markets.Shares:
    return markets.Shares(shares.win[:, k], shares.push[:, k], shares.lose[:, k])


def _both_sides(
    market: str, line: float | None, opposite_line: float | None, shares: markets.Shares, names: tuple[str, str]
) -> Iterator[tuple[str, float | None, str, Array]]:
    yield market, line, names[0], shares.probability
    yield market, opposite_line, names[1], shares.opposite.probability


def _shown(grid: Array) -> Array:
    """(n, 7, 7): goals beyond the last are added to it."""
    by_home = np.concatenate([grid[:, :SHOWN_GOALS], grid[:, SHOWN_GOALS:].sum(axis=1, keepdims=True)], axis=1)
    return np.concatenate([by_home[:, :, :SHOWN_GOALS], by_home[:, :, SHOWN_GOALS:].sum(axis=2, keepdims=True)], axis=2)
