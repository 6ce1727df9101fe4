"""Scores by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.forecast import metrics

P = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.25, 0.5, 0.25]])
OUTCOME = np.array([0, 1, 2])


def test_outcomes_follow_the_order_home_draw_away():
    assert metrics.outcome_of([2.0, 1.0, 0.0], [0.0, 1.0, 3.0]).tolist() == [0, 1, 2]


def test_log_loss_is_minus_the_logarithm_of_the_probability_of_what_happened():
    assert metrics.log_loss(P, OUTCOME) == pytest.approx([-math.log(0.5), -math.log(0.2), -math.log(0.25)])


def test_log_loss_of_an_impossible_event_is_finite():
    assert metrics.log_loss(np.array([[1.0, 0.0, 0.0]]), np.array([2]))[0] == pytest.approx(-math.log(1e-12))


def test_ranked_probability_score_counts_the_distance():
    # ½·[(.5−1)² + (.8−1)²], ½·[(.1)² + (.3−1)²], ½·[.25² + .75²]
    assert metrics.ranked_probability_score(P, OUTCOME) == pytest.approx([0.145, 0.25, 0.3125])


def test_brier_adds_the_three_outcomes_without_dividing():
    assert metrics.brier(P, OUTCOME) == pytest.approx([0.25 + 0.09 + 0.04, 0.01 + 0.64 + 0.49, 0.0625 + 0.25 + 0.5625])
    assert metrics.brier(np.array([[1.0, 0.0, 0.0]]), np.array([2]))[0] == 2.0


def test_accuracy_and_base_rate():
    assert metrics.accuracy(P, np.array([0, 2, 0])) == pytest.approx(2 / 3)
    assert metrics.base_rate(np.array([0, 0, 1, 2])).tolist() == [0.5, 0.25, 0.25]


def test_skill_share_is_the_way_covered_from_base_rate_to_market():
    assert metrics.skill_share(1.01, 1.08, 0.98) == pytest.approx(0.7)
    assert math.isnan(metrics.skill_share(1.0, 1.0, 1.0))


def test_sharpness_is_the_variance_of_what_is_said():
    # home ±.2 about .5, draw always .3, away ±.2 about .2
    assert metrics.sharpness(np.array([[0.7, 0.3, 0.0], [0.3, 0.3, 0.4]])) == pytest.approx(0.04 + 0.0 + 0.04)
    assert metrics.sharpness(np.tile([0.45, 0.27, 0.28], (9, 1))) == pytest.approx(0.0, abs=1e-15)


def test_what_a_calibrated_forecast_gains_on_plain_frequencies_is_its_sharpness():
    random = np.random.default_rng(2)
    p = random.dirichlet([5, 3, 4], 200_000)
    outcomes = (random.random((len(p), 1)) > p.cumsum(axis=1)[:, :2]).sum(axis=1)
    plain = np.tile(metrics.base_rate(outcomes), (len(p), 1))
    gain = metrics.brier(plain, outcomes).mean() - metrics.brier(p, outcomes).mean()
    assert gain == pytest.approx(metrics.sharpness(p), abs=0.002)


def test_calibration_table_puts_equally_many_matches_in_each_bin():
    p = np.array([[0.1, 0.2, 0.7], [0.2, 0.2, 0.6], [0.3, 0.2, 0.5], [0.4, 0.2, 0.4]])
    table = metrics.calibration_table(p, np.array([2, 0, 0, 1]), n_bins=2)
    home = table[table["outcome"] == "home"]
    assert home["n"].tolist() == [2, 2]
    assert home["p_mean"].tolist() == pytest.approx([0.15, 0.35])
    assert home["frequency"].tolist() == [0.5, 0.5]
    # Home .35 and .15 off, draw (all equal: by rank) 0,.2 → .2 and .3, away .15 and .45.
    assert metrics.calibration_error(p, np.array([2, 0, 0, 1]), n_bins=2) == pytest.approx(
        (np.average([0.35, 0.15]) + np.average([0.2, 0.3]) + np.average([0.15, 0.45])) / 3
    )


def test_calibration_error_agrees_with_its_table():
    random = np.random.default_rng(0)
    p = random.dirichlet([3, 2, 2], 1000)
    outcomes = random.integers(0, 3, 1000)
    table = metrics.calibration_table(p, outcomes)
    expected = (table["n"] * (table["p_mean"] - table["frequency"]).abs()).sum() / table["n"].sum()
    assert metrics.calibration_error(p, outcomes) == pytest.approx(expected, abs=1e-12)


def test_a_perfect_forecast_looks_calibrated_within_what_chance_allows():
    random = np.random.default_rng(1)
    p = random.dirichlet([5, 3, 4], 5000)
    drawn = (random.random((5000, 1)) > p.cumsum(axis=1)[:, :2]).sum(axis=1)
    by_chance = metrics.calibration_error_by_chance(p, n_draws=100)
    assert by_chance.min() < metrics.calibration_error(p, drawn) < by_chance.max()
    overconfident = p**2 / (p**2).sum(axis=1, keepdims=True)
    assert metrics.calibration_error(overconfident, drawn) > 2 * by_chance.max()


def test_reliability_finds_the_line_that_distorted_the_forecast():
    random = np.random.default_rng(2)
    p = random.dirichlet([5, 4, 4], 60_000)
    drawn = (random.random((len(p), 1)) > p.cumsum(axis=1)[:, :2]).sum(axis=1)
    lines = metrics.reliability(p, drawn)
    assert lines["slope"].to_numpy() == pytest.approx(1.0, abs=0.05)
    assert lines["intercept"].to_numpy() == pytest.approx(0.0, abs=0.05)
    doubled = metrics.reliability(p**2 / (p**2).sum(axis=1, keepdims=True), drawn)
    assert (doubled["slope"] < 0.65).all()


def test_reliability_of_a_constant_forecast_is_not_known():
    assert metrics.reliability(np.tile([0.5, 0.3, 0.2], (4, 1)), np.array([0, 0, 1, 2])).isna().all(axis=None)


def test_bootstrap_of_equal_differences_has_no_width():
    result = metrics.paired_bootstrap(np.full(7, 0.25), list("aabbccc"))
    assert (result.mean, result.low, result.high, result.n) == (0.25, 0.25, 0.25, 7)
    assert str(result) == "+0.2500 [+0.2500, +0.2500] (n = 7)"


def test_bootstrap_resamples_days_not_matches():
    """Twenty copies of a match on one day are one observation: the interval must not shrink."""
    random = np.random.default_rng(3)
    values = random.normal(size=60)
    once = metrics.paired_bootstrap(values, np.arange(60))
    copied = metrics.paired_bootstrap(np.repeat(values, 20), np.repeat(np.arange(60), 20))
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=1e-9)


def test_bootstrap_is_seeded_and_knows_calendar_days():
    values, days = np.random.default_rng(4).normal(size=10), pd.Series(pd.date_range("2024-01-01", periods=10, tz="UTC"))
    assert metrics.paired_bootstrap(values, days) == metrics.paired_bootstrap(values, days)
    assert metrics.paired_bootstrap(values, days) != metrics.paired_bootstrap(values, days, seed=1)


def test_bootstrap_of_nothing_is_not_known():
    assert math.isnan(metrics.paired_bootstrap(np.empty(0), []).mean)


@given(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3), st.integers(0, 2))
def test_scores_are_proper_bounds(raw, outcome):
    p, o = np.array([raw]) / sum(raw), np.array([outcome])
    assert 0.0 <= metrics.ranked_probability_score(p, o)[0] <= 1.0
    assert 0.0 <= metrics.brier(p, o)[0] <= 2.0
    assert metrics.log_loss(p, o)[0] >= 0.0
