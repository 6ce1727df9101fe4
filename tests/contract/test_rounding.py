"""What readers are told of a match sums to one, for every market of the books that the pipeline makes."""

from collections import defaultdict
from decimal import Decimal

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.forecast.book import books, grids
from serving.schemas.rounding import round_grid, round_probabilities, round_selections


def total(values: list[float]) -> Decimal:
    return sum((Decimal(repr(each)) for each in values), Decimal(0))


@settings(max_examples=50, deadline=None)
@given(parts=st.tuples(*(st.floats(0.02, 1),) * 3), goals=st.tuples(*(st.floats(0.2, 4),) * 2))
def test_the_grid_and_every_market_sum_to_exactly_one_as_they_are_told(
    parts: tuple[float, float, float], goals: tuple[float, float]
) -> None:
    p_home, p_draw, p_away = (part / sum(parts) for part in parts)
    forecast = {
        "p_home": p_home,
        "p_draw": p_draw,
        "p_away": p_away,
        "expected_home_goals": goals[0],
        "expected_away_goals": goals[1],
    }
    (book,) = books(grids(pd.DataFrame([forecast])))
    shown = [p for row in round_grid(book["scorelines"]) for p in row]
    exact = [p for row in book["scorelines"] for p in row]
    assert total(shown) == 1
    assert all(abs(p - q) < 1e-6 + 1e-12 for p, q in zip(shown, exact, strict=True))
    outcomes = dict(zip(("home", "draw", "away"), round_probabilities(p_home, p_draw, p_away), strict=True))
    told = round_selections(book["selections"], outcomes)
    markets = defaultdict(list)
    for (market, line, name, exactly), p in zip(book["selections"], told, strict=True):
        assert abs(p - exactly) < 2e-6
        # The two sides of a handicap bear their own lines.
        markets[market, -line if market == "asian_handicap" and name == "away" else line].append(p)
    sums = {market: total(of_market) for market, of_market in markets.items() if market[0] != "clean_sheet"}
    assert sums.pop(("double_chance", None)) == 2
    assert len(sums) > 20
    assert set(sums.values()) == {1}
