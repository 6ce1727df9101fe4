"""The scoreline grid: a distribution whatever the parameters, and the tilt that keeps a forecast exactly."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.forecast.grid import (
    AWAY_GOALS,
    HOME_GOALS,
    MAX_GOALS,
    OUTCOME,
    flattened,
    outcome_probabilities,
    rho_bounds,
    scoreline_grid,
    tilt,
)

rates = st.floats(0.05, 8.0)
rhos = st.floats(-3.0, 3.0)
forecasts = st.lists(st.floats(0.001, 1.0), min_size=3, max_size=3).map(lambda w: np.array([w]) / sum(w))


def poisson(mean: float, goals: int) -> float:
    return math.exp(-mean) * mean**goals / math.factorial(goals)


def test_cells_are_the_poisson_product_but_for_the_four_lowest_scores():
    """λ = 1.5, ν = .8, ρ = −.1: τ worked out from the 1997 paper, home goals first. Swapped λ and ν would fail."""
    grid = scoreline_grid(1.5, 0.8, -0.1)[0]
    tau = {(0, 0): 1.12, (0, 1): 0.85, (1, 0): 0.92, (1, 1): 1.1}
    for x in range(6):
        for y in range(6):
            assert grid[x, y] == pytest.approx(poisson(1.5, x) * poisson(0.8, y) * tau.get((x, y), 1.0), rel=1e-9)


def test_the_correction_moves_probability_among_four_scores_and_leaves_expected_goals():
    plain, corrected = scoreline_grid(1.5, 0.8), scoreline_grid(1.5, 0.8, -0.1)
    for goals in (HOME_GOALS, AWAY_GOALS):
        assert flattened(corrected) @ goals == pytest.approx(flattened(plain) @ goals, abs=1e-9)
    assert (plain[0] - corrected[0])[:2, :2].sum() == pytest.approx(0.0, abs=1e-9)


def test_what_is_cut_off_is_negligible():
    for mean, lost in ((2.0, 1e-9), (4.0, 1e-5)):
        tail = 1.0 - sum(poisson(mean, goals) for goals in range(MAX_GOALS + 1))
        assert 1.0 - (1.0 - tail) ** 2 < lost


@given(rates, rates, rhos)
def test_no_cell_is_negative_and_all_sum_to_one_whatever_rho(home, away, rho):
    """A published library gave negative probabilities here."""
    grid = scoreline_grid(home, away, rho)
    assert (grid > 0.0).all()
    assert grid.sum() == pytest.approx(1.0, abs=1e-12)


@given(rates, rates)
def test_beyond_its_bounds_rho_would_make_a_cell_negative(home, away):
    def least(rho: float) -> float:
        return min(1.0 - home * away * rho, 1.0 + home * rho, 1.0 + away * rho, 1.0 - rho)

    low, high = rho_bounds(home, away)
    assert least(low * 1.001) < 0.0 < least(low * 0.999)
    assert least(high * 1.001) < 0.0 < least(high * 0.999)


@given(rates, rates, rhos)
def test_swapping_the_sides_transposes_the_grid(home, away, rho):
    assert scoreline_grid(home, away, rho)[0] == pytest.approx(scoreline_grid(away, home, rho)[0].T, abs=1e-15)


def test_each_match_has_its_own_grid():
    many = scoreline_grid([1.2, 2.0], [0.7, 1.1], [-0.1, 0.05])
    assert many.shape == (2, MAX_GOALS + 1, MAX_GOALS + 1)
    assert many[1].tolist() == scoreline_grid(2.0, 1.1, 0.05)[0].tolist()
    assert scoreline_grid([], []).shape == (0, MAX_GOALS + 1, MAX_GOALS + 1)


@pytest.mark.parametrize("bad", [(0.0, 1.0, 0.0), (1.0, -1.0, 0.0), (np.nan, 1.0, 0.0), (1.0, np.inf, 0.0), (1.0, 1.0, np.nan)])
def test_expected_goals_that_are_none_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        scoreline_grid(*bad)


def test_outcomes_are_read_off_in_the_order_home_draw_away():
    grid = np.zeros((3, MAX_GOALS + 1, MAX_GOALS + 1))
    grid[0, 2, 1] = grid[1, 3, 3] = grid[2, 0, 4] = 1.0
    assert outcome_probabilities(grid).tolist() == np.eye(3).tolist()


@given(rates, rates, st.floats(-0.2, 0.1), forecasts)
def test_a_tilted_grid_says_exactly_the_forecast_and_keeps_the_shape_of_each_outcome(home, away, rho, forecast):
    grid = scoreline_grid(home, away, rho)
    bent = tilt(grid, forecast)
    assert outcome_probabilities(bent) == pytest.approx(forecast, abs=1e-14)
    assert (bent >= 0.0).all()
    before, after = flattened(grid)[0], flattened(bent)[0]
    for k in range(3):
        region = k == OUTCOME
        assert after[region] / after[region].sum() == pytest.approx(before[region] / before[region].sum(), abs=1e-12)


def test_no_other_distribution_with_the_forecast_is_closer_to_the_grid():
    """Minimum relative entropy, tried: any move of probability within an outcome goes away from the grid."""
    grid, forecast = scoreline_grid(1.4, 1.1, -0.06), np.array([[0.5, 0.2, 0.3]])
    before, best = flattened(grid)[0], flattened(tilt(grid, forecast))[0]

    def divergence(q: np.ndarray) -> float:
        return float((q * np.log(q / before)).sum())

    random = np.random.default_rng(0)
    for _ in range(200):
        other = best * np.exp(random.normal(0.0, 0.1, len(best)))
        for k in range(3):
            other[k == OUTCOME] *= forecast[0, k] / other[k == OUTCOME].sum()
        assert divergence(other) > divergence(best)


def test_tilting_to_what_a_grid_says_already_changes_nothing():
    grid = scoreline_grid([1.4, 0.3], [1.1, 3.0], -0.06)
    assert tilt(grid, outcome_probabilities(grid)) == pytest.approx(grid, abs=1e-16)


def test_a_certain_forecast_leaves_only_its_outcome():
    bent = tilt(scoreline_grid(1.4, 1.1), np.array([[0.0, 1.0, 0.0]]))
    assert np.trace(bent[0]) == pytest.approx(1.0)
    assert np.count_nonzero(bent) == MAX_GOALS + 1


@pytest.mark.parametrize(
    ("forecast", "message"),
    [
        ([[0.5, 0.3, 0.3]], "sum to one"),
        ([[1.2, -0.1, -0.1]], "negative"),
        ([[np.nan, 0.5, 0.5]], "sum to one"),
        ([[0.5, 0.5]], "shape"),
        ([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], "shape"),
    ],
)
def test_what_is_no_forecast_is_refused(forecast, message):
    with pytest.raises(ValueError, match=message):
        tilt(scoreline_grid(1.4, 1.1), np.array(forecast))


def test_what_a_grid_holds_impossible_cannot_be_made_possible():
    draws_only = np.zeros((1, MAX_GOALS + 1, MAX_GOALS + 1))
    draws_only[0, 1, 1] = 1.0
    assert tilt(draws_only, np.array([[0.0, 1.0, 0.0]])).tolist() == draws_only.tolist()
    with pytest.raises(ValueError, match="impossible"):
        tilt(draws_only, np.array([[0.5, 0.5, 0.0]]))
