"""The learners on data we understand."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from pipelines.forecast import learners
from pipelines.forecast.learners import LEAST, N_BLOCK, N_WARM, ExpectedGoals, Grown, Growth, Logit, Trees, foresee

GROWTH = Growth(n_trees=60, learning_rate=0.2, n_leaves=6, least_leaf=30, row_share=0.9, column_share=1.0, ridge=1.0)


def test_the_logit_recovers_the_weights_that_made_the_data():
    random = np.random.default_rng(0)
    x = random.normal(size=40_000)
    scores = np.column_stack([0.8 * x, np.zeros(len(x)), -0.8 * x])
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    outcomes = (random.random((len(x), 1)) > p.cumsum(axis=1)[:, :2]).sum(axis=1)
    model = Logit(["x"]).fit(pd.DataFrame({"x": x}), outcomes)
    assert (model.coefficients_[0, 0] - model.coefficients_[2, 0]) / model.scale_[0] == pytest.approx(1.6, abs=0.05)
    usual = np.abs(x) < 2
    np.testing.assert_allclose(model.predict_proba(pd.DataFrame({"x": x}))[usual], p[usual], atol=0.02)


def test_the_logit_takes_an_extreme_value_no_further_than_the_cut():
    frame = pd.DataFrame({"x": np.random.default_rng(1).normal(size=300)})
    model = Logit(["x"], cut=3.0).fit(frame, np.arange(300) % 3)
    far = pd.DataFrame({"x": [model.centre_[0] + 3.0 * model.scale_[0], 1e6]})
    np.testing.assert_allclose(*model.predict_proba(far))


def test_trees_learn_what_lacks_from_the_start():
    x = np.random.default_rng(2).uniform(-1.0, 1.0, 4000)
    frame, start = pd.DataFrame({"x": x}), 5.0 * x
    trees = Trees(["x"], GROWTH).fit(frame, start + np.sign(x), Grown(), start=start)
    np.testing.assert_allclose(trees.predict(frame, start), start + np.sign(x), atol=0.05)
    np.testing.assert_allclose(trees.predict(frame, 0.0 * x), np.sign(x), atol=0.05)


def test_a_match_of_no_weight_teaches_nothing():
    x = np.random.default_rng(3).uniform(-1.0, 1.0, 4000)
    frame, nothing = pd.DataFrame({"x": x}), np.zeros(4000)
    lies = np.where(x > 0.5, 100.0, np.sign(x))
    trees = Trees(["x"], GROWTH).fit(frame, lies, Grown(), start=nothing, weight=np.where(x > 0.5, 1e-9, 1.0))
    assert trees.predict(frame, nothing)[x < 0.5].max() < 1.2


def test_trees_on_outcomes_start_from_the_probabilities_they_are_given():
    """Where the start is right, nothing is to be learnt; where a feature tells more, it is."""
    random = np.random.default_rng(4)
    p = np.tile([0.5, 0.3, 0.2], (20_000, 1))
    p[10_000:] = [0.2, 0.3, 0.5]
    outcomes = (random.random((len(p), 1)) > p.cumsum(axis=1)[:, :2]).sum(axis=1)
    frame = pd.DataFrame({"side": np.repeat([0.0, 1.0], 10_000)})
    right = Trees(["side"], GROWTH).fit(frame, outcomes, Grown(), start=np.log(p)).predict(frame, np.log(p))
    np.testing.assert_allclose(right, p, atol=0.015)
    blind = np.log(np.full(p.shape, 1 / 3))
    np.testing.assert_allclose(
        Trees(["side"], GROWTH).fit(frame, outcomes, Grown(), start=blind).predict(frame, blind), p, atol=0.015
    )


def test_trees_are_asked_once_about_the_same_matches_and_never_mistaken_for_others():
    """A walk forward asks again what it asked for the season before; other trees and other matches have other answers."""
    x = np.random.default_rng(3).uniform(-1.0, 1.0, 2000)
    frame, half, nothing, grown = pd.DataFrame({"x": x}), pd.DataFrame({"x": x[:1000]}), np.zeros(2000), Grown()
    trees, others = (Trees(["x"], GROWTH).fit(frame, target, grown, start=nothing) for target in (x, -x))
    plain = trees.predict(frame, nothing)
    for n_asked in (1, 1):
        np.testing.assert_array_equal(trees.predict(frame, nothing, grown), plain)
        assert len(grown.added) == n_asked
    # What is known of the matches besides is no part of what the trees add.
    np.testing.assert_array_equal(trees.predict(frame, x, grown), x + plain)
    np.testing.assert_array_equal(trees.predict(half, nothing[:1000], grown), plain[:1000])
    np.testing.assert_array_equal(others.predict(frame, nothing, grown), others.predict(frame, nothing))
    assert len(grown.added) == 3


def test_how_many_threads_grow_trees_decides_nothing(monkeypatch):
    x = np.random.default_rng(4).uniform(-1.0, 1.0, 25_000)
    frame = pd.DataFrame({"x": x, "y": np.sin(9.0 * x)})

    def grow():
        trees = Trees(["x", "y"], GROWTH).fit(frame, x**2, Grown(), start=np.zeros(25_000))
        return trees.booster_.params["num_threads"], trees.digest_, trees.booster_.dump_model()["tree_info"]

    two = grow()
    monkeypatch.setattr(learners, "_threads", lambda n_matches: 1)
    one = grow()
    assert (two[0], one[0]) == (2, 1)
    assert two[1:] == one[1:]


def test_leaves_of_the_trees_scale_down_with_small_data():
    frame, target = pd.DataFrame({"x": np.arange(400.0)}), np.arange(400.0)
    large = Growth(n_trees=2, learning_rate=0.1, n_leaves=4, least_leaf=250, row_share=0.7, column_share=1.0, ridge=1.0)
    trees = Trees(["x"], large).fit(frame, target, Grown(), start=np.zeros(400))
    assert "[min_data_in_leaf: 20]" in trees.booster_.model_to_string()


def test_every_setting_of_the_growth_reaches_the_trees():
    frame, target = pd.DataFrame({"x": np.arange(9000.0)}), np.arange(9000.0)
    growth = Growth(n_trees=3, learning_rate=0.07, n_leaves=5, least_leaf=40, row_share=0.8, column_share=0.6, ridge=2.5)
    text = Trees(["x"], growth).fit(frame, target, Grown(), start=np.zeros(9000)).booster_.model_to_string()
    said = dict(line.strip("[]").split(": ", 1) for line in text.splitlines() if line.startswith("[") and ": " in line)
    names = (
        "num_iterations",
        "learning_rate",
        "num_leaves",
        "min_data_in_leaf",
        "bagging_fraction",
        "feature_fraction",
        "lambda_l2",
    )
    assert [float(said[name]) for name in names] == [3, 0.07, 5, 40, 0.8, 0.6, 2.5]


def days(*moments: str) -> npt.NDArray[np.float64]:
    return np.array(moments, dtype="datetime64[D]").astype(np.float64)


def daily(first: str, last: str) -> npt.NDArray[np.float64]:
    return np.arange(*days(first, last))


def test_a_forecast_for_a_later_stage_knows_what_was_known_before_its_block():
    asked_at = daily("2001-08-01", "2010-06-01")
    known_at = asked_at + 3.0  # the last days of June are known in July: in neither part
    labelled = asked_at >= days("2002-08-01")[0]
    blocks = []

    def forecast(learn, asked):
        blocks.append((asked_at[learn].min(), known_at[learn].max(), asked_at[asked].min(), asked_at[asked].max()))
        return np.full((asked.sum(), 1), known_at[learn].max())

    said = foresee(asked_at, known_at, labelled, forecast, 1)[:, 0]
    assert blocks == [
        tuple(days("2002-08-01", "2004-06-30", "2004-07-01", "2007-06-30")),
        tuple(days("2002-08-01", "2007-06-30", "2007-07-01", "2010-05-31")),
    ]
    first = days("2004-07-01")[0]
    assert (N_WARM, N_BLOCK) == (2, 3)
    assert np.isnan(said[asked_at < first]).all()
    assert (said[asked_at >= first] < asked_at[asked_at >= first]).all()


def test_blocks_stay_where_they_are_when_a_season_is_added():
    """So that a backtest, one season after another, meets the same stages again."""
    calls = []
    for last in ("2008-06-01", "2009-02-01", "2010-06-01"):
        asked_at = daily("2001-08-01", last)
        learnt = []
        foresee(
            asked_at,
            asked_at,
            asked_at > 0,
            lambda learn, asked, c=learnt: (c.append(learn.sum()), np.zeros((asked.sum(), 1)))[1],
            1,
        )
        calls.append(learnt)
    assert calls[0] == calls[1][: len(calls[0])]
    assert calls[1] == calls[2][: len(calls[1])]


def test_with_too_few_matches_nothing_is_said():
    asked_at = daily("2001-08-01", "2003-07-20")
    assert (asked_at < days("2003-07-01")[0]).sum() > LEAST
    for labelled in (np.arange(len(asked_at)) < LEAST - 1, np.zeros(len(asked_at), dtype=bool)):
        assert np.isnan(foresee(asked_at, asked_at, labelled, lambda learn, asked: np.zeros((asked.sum(), 1)), 1)).all()
    said = foresee(asked_at, asked_at, asked_at > 0, lambda learn, asked: np.zeros((asked.sum(), 1)), 1)
    assert np.isfinite(said).sum() == 19


def test_expected_goals_never_run_away():
    random = np.random.default_rng(5)
    frame = pd.DataFrame({"rate": random.normal(0.3, 0.2, 500)})
    goals = pd.DataFrame({"home_goals": random.poisson(1.5, 500), "away_goals": random.poisson(1.2, 500)})
    model = ExpectedGoals(["rate"]).fit(frame, np.tile([0.45, 0.27, 0.28], (500, 1)), goals)
    assert model.predict(frame + 1000.0, np.tile([0.999, 0.0005, 0.0005], (500, 1))).max() <= 10.0
