"""What readers are told of every market: complete, coherent, and the same as the forecast."""

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.book import N_SCORES, books, grids
from pipelines.forecast.markets import HANDICAP_LINES, TOTAL_LINES

FORECASTS = pd.DataFrame(
    {
        "p_home": [0.5, 0.2, 0.9],
        "p_draw": [0.3, 0.25, 0.07],
        "p_away": [0.2, 0.55, 0.03],
        "expected_home_goals": [1.6, 0.9, 3.4],
        "expected_away_goals": [0.9, 1.7, 0.4],
    }
)


@pytest.fixture(scope="module")
def told() -> list[dict[tuple[str, float | None, str], float]]:
    return [{(market, line, name): p for market, line, name, p in book["selections"]} for book in books(grids(FORECASTS))]


def test_the_outcomes_are_those_of_the_forecast(told: list[dict[tuple[str, float | None, str], float]]) -> None:
    for row, book in zip(FORECASTS.itertuples(), told, strict=True):
        assert [book["1x2", None, name] for name in ("home", "draw", "away")] == pytest.approx(
            [row.p_home, row.p_draw, row.p_away], abs=1e-12
        )
        assert book["draw_no_bet", None, "home"] == pytest.approx(row.p_home / (row.p_home + row.p_away), abs=1e-12)
        assert book["double_chance", None, "home_or_draw"] == pytest.approx(row.p_home + row.p_draw, abs=1e-12)


def test_no_selection_is_told_twice_and_every_probability_is_one(told: list[dict[tuple[str, float | None, str], float]]) -> None:
    for book, raw in zip(told, books(grids(FORECASTS)), strict=True):
        assert len(book) == len(raw["selections"])
        assert all(0.0 <= p <= 1.0 for p in book.values())


@pytest.mark.parametrize(
    ("market", "names"),
    [
        ("1x2", 3),
        ("both_teams_score", 2),
        ("winning_margin", 7),
        ("correct_score", N_SCORES + 1),
    ],
)
def test_the_selections_of_a_market_are_all_there_is(
    told: list[dict[tuple[str, float | None, str], float]], market: str, names: int
) -> None:
    for book in told:
        found = [p for (name, _, _), p in book.items() if name == market]
        assert len(found) == names
        assert sum(found) == pytest.approx(1.0, abs=1e-12)


def test_the_two_sides_of_a_line_sum_to_one_and_a_handicap_is_that_of_its_side(
    told: list[dict[tuple[str, float | None, str], float]],
) -> None:
    for book in told:
        for line in TOTAL_LINES:
            assert book["over_under", line, "over"] + book["over_under", line, "under"] == pytest.approx(1.0, abs=1e-12)
        for line in HANDICAP_LINES:
            assert book["asian_handicap", line, "home"] + book["asian_handicap", -line, "away"] == pytest.approx(1.0, abs=1e-12)
        assert book["asian_handicap", -0.5, "home"] == pytest.approx(book["1x2", None, "home"], abs=1e-12)
        assert book["asian_handicap", 0.5, "away"] == pytest.approx(1.0 - book["1x2", None, "home"], abs=1e-12)
        assert book["asian_handicap", 0.0, "home"] == pytest.approx(book["draw_no_bet", None, "home"], abs=1e-12)
        for side in ("home", "away"):
            bands = [book["winning_margin", None, f"{side}_by_{goals}"] for goals in ("1", "2", "3_or_more")]
            assert sum(bands) == pytest.approx(book["1x2", None, side], abs=1e-12)


def test_the_grid_that_is_shown_is_a_distribution_and_agrees_with_the_markets(
    told: list[dict[tuple[str, float | None, str], float]],
) -> None:
    for book, raw in zip(told, books(grids(FORECASTS)), strict=True):
        shown = np.array(raw["scorelines"])
        assert shown.shape == (7, 7)
        assert shown.sum() == pytest.approx(1.0, abs=1e-12)
        assert shown[:, 0].sum() == pytest.approx(book["clean_sheet", None, "home"], abs=1e-12)
        assert shown[0, 0] + shown[0, 1] + shown[1, 0] == pytest.approx(book["over_under", 1.5, "under"], abs=1e-12)
        assert raw["expected_home_points"] == pytest.approx(3 * book["1x2", None, "home"] + book["1x2", None, "draw"], abs=1e-12)


def test_without_a_forecast_there_is_nothing_to_tell() -> None:
    assert books(grids(FORECASTS.iloc[:0])) == []
    assert grids(FORECASTS).shape == (3, 16, 16)
