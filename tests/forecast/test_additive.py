"""Sums that are exact: learners' own parts, and what stages and members make of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.forecast.additive import TERMS, averaged, composed, spread, start, terms, through
from pipelines.forecast.learners import Grown, Growth, Logit, Trees
from pipelines.forecast.memory import log_odds, probabilities_of

GROWTH = Growth(n_trees=40, learning_rate=0.2, n_leaves=6, least_leaf=30, row_share=0.9, column_share=1.0, ridge=1.0)
COLUMNS = ["elo_home", "month", "tier"]
N_TERMS = 1 + len(TERMS)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Some values unknown; `tier` is the same everywhere."""
    random = np.random.default_rng(0)
    features = pd.DataFrame(random.normal(size=(3000, 3)), columns=COLUMNS)
    return features.mask(random.random(features.shape) < 0.1).assign(tier=1.0)


@pytest.fixture(scope="module")
def outcomes(frame: pd.DataFrame) -> np.ndarray:
    x = frame["elo_home"].fillna(0.0).to_numpy() * np.where(frame["month"] > 0, 1.5, 0.5)
    p = probabilities_of(x, np.full(len(x), -0.2))
    return (np.random.default_rng(1).random((len(p), 1)) > p.cumsum(axis=1)[:, :2]).sum(axis=1)


def sides(p: np.ndarray) -> np.ndarray:
    return np.column_stack(log_odds(p))


def test_the_parts_of_trees_add_up_to_what_they_add(frame, outcomes):
    begin = np.log(probabilities_of(np.linspace(-2, 2, len(frame)), np.full(len(frame), -0.3)))
    trees = Trees(COLUMNS, GROWTH).fit(frame, outcomes, Grown(), start=begin)
    parts = trees.contributions(frame)
    assert parts.shape == (len(frame), 4, 3)
    said = terms(trees, frame).sum(axis=1) + sides(np.exp(begin))
    np.testing.assert_allclose(said, sides(trees.predict(frame, begin)), rtol=0, atol=1e-9)


def test_the_parts_of_trees_on_a_number_add_up_to_it(frame):
    target = np.nan_to_num(frame["elo_home"].to_numpy()) ** 2
    nothing = np.zeros(len(frame))
    trees = Trees(COLUMNS, GROWTH).fit(frame, target, Grown(), start=nothing)
    np.testing.assert_allclose(terms(trees, frame).sum(axis=1), trees.predict(frame, nothing), rtol=0, atol=1e-9)


def test_the_parts_of_a_logit_add_up_to_its_log_odds(frame, outcomes):
    logit = Logit(COLUMNS).fit(frame, outcomes)
    np.testing.assert_allclose(terms(logit, frame).sum(axis=1), sides(logit.predict_proba(frame)), rtol=0, atol=1e-9)


def test_what_is_never_looked_at_adds_nothing_at_all(frame, outcomes):
    """Trees cannot split a constant, a logit knows it as its own middle, and other features are not in either."""
    begin = np.log(np.full((len(frame), 3), 1 / 3))
    for learner in (Logit(COLUMNS).fit(frame, outcomes), Trees(COLUMNS, GROWTH).fit(frame, outcomes, Grown(), start=begin)):
        found = terms(learner, frame)
        looked_at = [1 + TERMS.index(name) for name in ("elo_home", "month")]
        assert (np.delete(found, [0, *looked_at], axis=1) == 0.0).all()
        assert (np.abs(found[:, looked_at]).max(axis=(0, 2)) > 0.05).all()


def test_what_is_unknown_adds_nothing_to_a_logit(frame, outcomes):
    found = terms(Logit(COLUMNS).fit(frame, outcomes), frame)[:, 1 + TERMS.index("elo_home")]
    unknown = frame["elo_home"].isna().to_numpy()
    assert (found[unknown] == 0.0).all()
    assert (found[~unknown] != 0.0).mean() > 0.99, "but for the one at the middle"


def test_a_start_adds_what_it_exceeds_the_usual_by():
    found = start("memory_side", np.array([0.5, 0.2]), 0.4)
    np.testing.assert_allclose(found[:, 0], 0.4)
    np.testing.assert_allclose(found[:, 1 + TERMS.index("memory_side")], [0.1, -0.2])
    np.testing.assert_allclose(found.sum(axis=1), [0.5, 0.2])


def test_a_column_that_no_term_stands_for_is_refused():
    with pytest.raises(KeyError, match="unheard_of"):
        spread(("unheard_of",), np.zeros((1, 2)))


def test_a_logit_on_forecasts_hands_on_what_they_are_made_of(frame, outcomes):
    """`month` is forecast from two others: its own term is empty, theirs share what it adds in proportion."""
    logit = Logit(COLUMNS).fit(frame, outcomes)
    inner = spread(("goals_log_rate_home", "shots_log_rate_home"), np.tile([0.1, 0.6, -0.2], (len(frame), 1)))
    found = composed(logit, frame.drop(columns="month"), {"month": inner})
    now = frame.assign(month=0.5)
    np.testing.assert_allclose(found.sum(axis=1), sides(logit.predict_proba(now)), rtol=0, atol=1e-9)
    month, goals, shots = (1 + TERMS.index(name) for name in ("month", "goals_log_rate_home", "shots_log_rate_home"))
    assert (found[:, month] == 0.0).all()
    np.testing.assert_allclose(found[:, goals], -3.0 * found[:, shots])
    moved = terms(logit, now) - terms(logit, frame.assign(month=0.1))
    np.testing.assert_allclose(found[:, goals] + found[:, shots], moved[:, month], atol=1e-12)


# --------------------------------------------------------------------------- properties

log_odds_terms = arrays(np.float64, (4, N_TERMS, 2), elements=st.floats(-0.3, 0.3, allow_subnormal=False))


@given(members=st.lists(log_odds_terms, min_size=1, max_size=4))
def test_the_parts_of_a_mean_of_probabilities_add_up_to_its_log_odds(members):
    mean = np.mean([probabilities_of(*member.sum(axis=1).T) for member in members], axis=0)
    base = np.mean([probabilities_of(*member[:, 0].T) for member in members], axis=0)
    found = averaged(members)
    np.testing.assert_allclose(found.sum(axis=1), sides(mean), rtol=0, atol=1e-9)
    np.testing.assert_allclose(found[:, 0], sides(base), rtol=0, atol=1e-9)


@given(member=log_odds_terms, n=st.integers(1, 3))
def test_the_mean_of_equal_members_is_explained_as_each_of_them(member, n):
    np.testing.assert_allclose(averaged([member] * n), member, rtol=0, atol=1e-12)


@given(one=log_odds_terms, other=log_odds_terms)
def test_no_member_comes_first(one, other):
    np.testing.assert_allclose(averaged([one, other]), averaged([other, one]), rtol=0, atol=1e-12)


@given(one=log_odds_terms, other=log_odds_terms, k=st.integers(1, N_TERMS - 1))
def test_what_adds_nothing_to_any_member_adds_nothing_to_their_mean(one, other, k):
    one[:, k] = other[:, k] = 0.0
    assert (averaged([one, other])[:, k] == 0.0).all()


def test_a_member_that_is_surer_of_an_outcome_counts_more_for_what_it_adds_there():
    """By hand: scores +1 for home from evens, in one of two members; the logarithmic means are those of Vartia's formula."""
    nothing = np.zeros((1, N_TERMS, 2))
    sure = nothing.copy()
    sure[0, 1] = [1.0, 0.0]
    found = averaged([sure, nothing])
    p = probabilities_of(np.array([1.0]), np.array([0.0]))
    mean = (p + 1 / 3) / 2
    np.testing.assert_allclose(found[0, 1], sides(mean)[0], atol=1e-12)
    assert 0.4 < found[0, 1, 0] < 0.5, "nearly half of the one member's unit"


@given(
    inner=arrays(np.float64, (4, N_TERMS), elements=st.floats(-2, 2, allow_subnormal=False)),
    curve=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
)
def test_what_goes_through_a_function_keeps_its_sum(inner, curve):
    def f(x):
        return np.column_stack([curve[0] * x + curve[1] * x**2, np.tanh(x)])

    found = through(inner, f(inner[:, 0]), f(inner.sum(axis=1)))
    np.testing.assert_allclose(found.sum(axis=1), f(inner.sum(axis=1)), rtol=0, atol=1e-9)


def test_what_cancels_before_a_function_hands_nothing_on():
    inner = np.zeros((1, N_TERMS))
    inner[0, :3] = [0.7, 0.5, -0.5]
    found = through(inner, np.array([[0.7]]), np.array([[0.7]]))
    np.testing.assert_allclose(found[0, :3, 0], [0.7, 0.0, 0.0])
