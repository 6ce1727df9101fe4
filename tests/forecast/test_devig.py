"""Properties of taking the margin out, and values worked out elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.forecast.devig import METHODS, devig

every_method = pytest.mark.parametrize("method", METHODS)

weights = st.lists(st.floats(0.02, 1.0), min_size=3, max_size=3).map(lambda w: np.array(w) / sum(w))
markets = st.tuples(weights, st.floats(1.0, 1.2)).filter(lambda m: (m[0] * m[1]).max() < 0.99)


@every_method
@given(markets)
def test_probabilities_sum_to_one_and_keep_the_order_of_the_odds(method, market):
    odds = 1.0 / (market[0] * market[1])
    p = devig([odds], method)[0]
    assert p.sum() == pytest.approx(1.0, abs=1e-12)
    assert (p > 0).all()
    for i in range(3):
        for j in range(3):
            if odds[i] < odds[j] * (1 - 1e-9):
                assert p[i] > p[j]


@every_method
@given(weights.filter(lambda w: w.max() < 0.99))
def test_without_a_margin_the_inverse_odds_are_the_probabilities(method, fair):
    assert devig([1.0 / fair], method)[0] == pytest.approx(fair, abs=1e-7)


@given(markets.filter(lambda m: m[1] > 1.01 and m[0].max() / m[0].min() > 1.5))
def test_power_and_shin_take_more_of_the_margin_from_the_outsider(market):
    odds = 1.0 / (market[0] * market[1])
    plain = devig([odds], "multiplicative")[0]
    for method in ("power", "shin"):
        ratio = devig([odds], method)[0] / plain
        assert ratio[market[0].argmin()] < 1.0 < ratio[market[0].argmax()]


def test_power_raises_the_inverse_odds_to_one_exponent():
    odds = np.array([1.55, 4.2, 6.5])
    p = devig([odds], "power")[0]
    exponents = np.log(p) / np.log(1.0 / odds)
    assert exponents == pytest.approx(exponents[0], abs=1e-12)
    assert exponents[0] > 1.0


def test_shin_satisfies_its_own_equation_with_one_share_of_insiders():
    odds = np.array([1.55, 4.2, 6.5])
    p, q = devig([odds], "shin")[0], 1.0 / odds
    total = q.sum()
    # Solving the formula for z, outcome by outcome, must give the same z: ((1−z)·p + z)·p·… ⇔ q²/Q = (1−z)p² + z·p
    z = (q**2 / total - p**2) / (p - p**2)
    assert z == pytest.approx(z[0], abs=1e-9)
    assert 0.0 < z[0] < 0.1


def test_multiplicative_divides_by_the_overround():
    assert devig([[2.0, 4.0, 4.0 / 1.2]], "multiplicative")[0] == pytest.approx(np.array([0.5, 0.25, 0.3]) / 1.05)


@every_method
@pytest.mark.parametrize(
    "odds",
    [
        pytest.param([3.1, 3.2, 3.3], id="no margin at all: the books would lose"),
        pytest.param([1.44, 3.0, 1.57], id="a typing error: 66 percent"),
        pytest.param([0.0, 3.0, 2.0], id="zero"),
        pytest.param([1.0, 9.0, 21.0], id="odds of one pay nothing"),
        pytest.param([-2.0, 3.0, 3.0], id="negative"),
        pytest.param([np.nan, 3.0, 2.0], id="missing"),
        pytest.param([np.inf, 1.5, 2.9], id="infinite"),
    ],
)
def test_what_cannot_be_a_price_gives_nothing_and_does_not_touch_its_neighbours(method, odds):
    good = [2.1, 3.4, 3.6]
    result = devig([good, odds, good], method)
    assert np.isnan(result[1]).all()
    assert result[[0, 2]] == pytest.approx(devig([good, good], method))


def test_an_empty_market_is_fine():
    assert devig(np.empty((0, 3))).shape == (0, 3)
