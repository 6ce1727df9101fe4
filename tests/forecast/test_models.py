"""Models: what every entry of the registry must do, and what the parts do on data we understand."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast import contract, metrics
from pipelines.forecast.features import assemble, rate
from pipelines.forecast.models import MODELS, ExpectedGoals, Logit, Results, Trees
from pipelines.forecast.splits import is_played

every_recipe = pytest.mark.parametrize("name", MODELS)
GOALS = ["home_goals", "away_goals"]


@pytest.fixture(scope="module")
def data(world):
    """(features, goals) of the played matches, features of the coming ones."""
    matches, warehouse = world
    features = assemble(matches, rate(matches, warehouse), warehouse)
    rows = matches.set_index("match_id").loc[features.index]
    played = is_played(rows)
    return features[played], rows.loc[played, GOALS], features[~played]


@pytest.fixture(scope="module")
def fitted(data):
    """One fitted model for each recipe."""
    return {name: recipe.make().fit(data[0], data[1]) for name, recipe in MODELS.items()}


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir()) if path.is_file()}


@every_recipe
def test_probabilities_are_positive_and_sum_to_one_for_coming_matches(fitted, data, name):
    p = fitted[name].predict_proba(data[2])
    assert p.shape == (len(data[2]), 3)
    assert (p > 0).all()
    assert np.abs(p.sum(axis=1) - 1).max() < 1e-12


@every_recipe
def test_it_learns_more_than_the_base_rate(fitted, data, name):
    outcomes = metrics.outcome_of(data[1]["home_goals"], data[1]["away_goals"])
    base = np.tile(metrics.base_rate(outcomes), (len(outcomes), 1))
    assert metrics.log_loss(fitted[name].predict_proba(data[0]), outcomes).mean() < metrics.log_loss(base, outcomes).mean() - 0.03


@every_recipe
def test_a_club_and_a_competition_never_seen_still_get_a_forecast(fitted, data, name):
    unknown = pd.DataFrame(np.nan, index=pd.Index(["new"], name="match_id"), columns=list(contract.FEATURES))
    p, goals = fitted[name].predict_proba(unknown), fitted[name].predict_goals(unknown)
    assert p.sum() == pytest.approx(1.0)
    assert p[0, 0] > p[0, 2] > 0.1, "home advantage is all that is known"
    assert 0.5 < goals.min() < goals.max() < 3


@every_recipe
def test_saved_and_read_again_it_says_exactly_the_same(fitted, data, name, tmp_path):
    fitted[name].to_files(tmp_path)
    again = MODELS[name].read(tmp_path)
    for features in (data[0], data[2]):
        np.testing.assert_array_equal(again.predict_proba(features), fitted[name].predict_proba(features))
        np.testing.assert_array_equal(again.predict_goals(features), fitted[name].predict_goals(features))
    again.to_files(tmp_path / "twice")
    assert digest(tmp_path / "twice") == digest(tmp_path)


@every_recipe
def test_the_same_frame_gives_the_same_bytes(fitted, data, name, tmp_path):
    fitted[name].to_files(tmp_path / "one")
    MODELS[name].make().fit(data[0], data[1]).to_files(tmp_path / "two")
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


@every_recipe
def test_no_file_of_a_model_is_a_pickle(fitted, name, tmp_path):
    fitted[name].to_files(tmp_path)
    for path in tmp_path.iterdir():
        path.read_text(encoding="utf-8")
    json.loads((tmp_path / "model.json").read_text())


@every_recipe
def test_labels_shuffled_among_matches_teach_nothing(data, name):
    """Canary: a score better than the base rate here would mean that the outcome leaks through some other door."""
    features, goals, _ = data
    shuffled = goals.sample(frac=1.0, random_state=0).set_axis(goals.index)
    half = len(features) // 2
    model = MODELS[name].make().fit(features[:half], shuffled[:half])
    outcomes = metrics.outcome_of(shuffled["home_goals"], shuffled["away_goals"])[half:]
    base = metrics.log_loss(np.tile(metrics.base_rate(outcomes), (len(outcomes), 1)), outcomes).mean()
    assert metrics.log_loss(model.predict_proba(features[half:]), outcomes).mean() > base - 0.005


def test_a_folder_of_another_format_is_refused(fitted, tmp_path):
    fitted["results-logit"].to_files(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(content | {"format": 2}))
    with pytest.raises(ValueError, match="model format 2 is not known"):
        Results.from_files(tmp_path)


def test_a_frame_without_one_of_the_outcomes_is_refused(data):
    features, goals, _ = data
    with pytest.raises(ValueError, match="every outcome must occur"):
        Results().fit(features[:0], goals[:0])


def test_where_shots_are_unknown_the_logit_that_never_knew_them_speaks(data):
    features, goals, _ = data
    model = Results(use_trees=False, least_played=0).fit(pd.concat([features] * 3), pd.concat([goals] * 3))
    without = features["shots_log_rate_difference"].isna().to_numpy()
    assert 0 < without.sum() < len(features)
    p = model.predict_proba(features)
    np.testing.assert_allclose(p[without], model.logit_without_shots_.predict_proba(features[without]), atol=1e-15)
    np.testing.assert_allclose(p[~without], model.logit_.predict_proba(features[~without]), atol=1e-15)


def test_the_default_is_the_mean_of_logit_and_trees(fitted, data):
    model = fitted["results"]
    alone = fitted["results-logit"].predict_proba(data[2])
    np.testing.assert_allclose(model.predict_proba(data[2]), (alone + model.trees_.predict_proba(data[2])) / 2, atol=1e-12)


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


def test_leaves_of_the_trees_scale_down_with_small_data(data):
    features, goals, _ = data
    trees = Trees(contract.FEATURES, n_trees=3, seeds=(1,)).fit(
        features, metrics.outcome_of(goals["home_goals"], goals["away_goals"])
    )
    assert "[min_data_in_leaf: 20]" in trees.boosters_[0].model_to_string()


def test_expected_goals_agree_with_the_forecast_and_with_what_was_scored(fitted, data):
    features, goals, _ = data
    model = fitted["results-logit"]
    expected, p = model.predict_goals(features), model.predict_proba(features)
    assert (expected > 0).all()
    assert expected.mean(axis=0) == pytest.approx(goals.mean().to_numpy(), rel=0.03)
    assert np.corrcoef(expected[:, 0] - expected[:, 1], p[:, 0] - p[:, 2])[0, 1] > 0.9


def test_expected_goals_never_run_away(data):
    features, goals, _ = data
    model = ExpectedGoals().fit(features, np.tile([0.45, 0.27, 0.28], (len(features), 1)), goals)
    absurd = features.iloc[:1] + 1000.0
    assert model.predict(absurd, np.array([[0.999, 0.0005, 0.0005]])).max() <= 10.0


def test_parameters_are_stored_as_given_and_shown_by_scikit_learn():
    assert Results(use_trees=False).get_params() == {"use_logit": True, "use_trees": False, "trees": None, "least_played": 5}


def test_names_and_information_sets_of_the_registry():
    assert all(recipe.name == name for name, recipe in MODELS.items())
    assert {recipe.information_set for recipe in MODELS.values()} == {"results"}
    assert next(iter(MODELS)) == "results"
