"""Rounding that keeps what probabilities promise: of all that can happen they sum to one.

Belongs here: which numbers of an answer are rounded together, and how. Does not belong here: the answers.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

MILLIONTHS: Final = 1_000_000

Selected = Sequence[tuple[str, float | None, str, float]]
"""Market, line, selection and probability of each, as in `published.prediction.book`."""


def round_probabilities(p_home: float, p_draw: float, p_away: float) -> tuple[float, float, float]:
    """Round to six decimals so that the decimals sum to exactly 1 (largest remainders get what is left over).

    Args:
        p_home, p_draw, p_away: non-negative, summing to 1 but for floating point.
    """
    home, draw, away = round_together((p_home, p_draw, p_away))
    return home, draw, away


def round_together(exact: Sequence[float]) -> list[float]:
    """The same of as many as there are. Numbers that do not sum to 1, to a millionth, are rounded each by itself."""
    if abs(sum(exact) - 1.0) > 1 / MILLIONTHS:
        return [round(p, 6) for p in exact]
    scaled = [p * MILLIONTHS for p in exact]
    whole = [int(value) for value in scaled]
    by_remainder = sorted(range(len(scaled)), key=lambda i: scaled[i] - whole[i], reverse=True)
    for i in by_remainder[: max(0, MILLIONTHS - sum(whole))]:
        whole[i] += 1
    return [value / MILLIONTHS for value in whole]


def round_grid(scorelines: Sequence[Sequence[float]]) -> list[list[float]]:
    """The cells of the grid, all rounded together."""
    cells = iter(round_together([p for row in scorelines for p in row]))
    return [[next(cells) for _ in row] for row in scorelines]


def round_selections(selections: Selected, outcomes: Mapping[str, float]) -> list[float]:
    """The probabilities of all selections: those of a market and line sum to 1, and nothing is said otherwise than by `outcomes`.

    Args:
        outcomes: rounded probabilities of `home`, `draw` and `away`.
    """
    rounded: dict[int, float] = {}
    together: defaultdict[tuple[str, float | None], list[int]] = defaultdict(list)
    for i, (market, line, name, p) in enumerate(selections):
        if market == "1x2":
            rounded[i] = outcomes[name]
        elif market == "double_chance":
            rounded[i] = round(sum(outcomes[each] for each in name.split("_or_")), 6)
        elif market == "clean_sheet":  # both clubs' can come true, or none
            rounded[i] = round(p, 6)
        else:
            together[market, _line_of_both(market, line, name)].append(i)
    for places in together.values():
        rounded |= zip(places, round_together([selections[i][3] for i in places]), strict=True)
    return [rounded[i] for i in range(len(selections))]


def _line_of_both(market: str, line: float | None, name: str) -> float | None:
    """The line under which both sides of a market stand: a handicap is that of the selection's own side."""
    return -line if market == "asian_handicap" and name == "away" and line is not None else line
