"""Models: what every entry of the registry must do, and what the parts do on data we understand."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast import contract, dixon_coles, learners, metrics
from pipelines.forecast.additive import HISTORY_LEADS, TERMS
from pipelines.forecast.features import assemble, label
from pipelines.forecast.firmness import firmness, longest_rest
from pipelines.forecast.learners import Grown
from pipelines.forecast.memory import log_odds, probabilities_of
from pipelines.forecast.models import MODELS, History, Market, Results, UnknownFormat, market
from pipelines.forecast.models.members import MEMBERS
from pipelines.forecast.predict import forecast
from pipelines.forecast.splits import is_played
from tests.forecast.conftest import known

every_recipe = pytest.mark.parametrize("name", MODELS)
GOALS = ["home_goals", "away_goals"]


Data = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def everything(world) -> Data:
    """(features, labels) of the played matches, features of the coming ones; all columns."""
    matches, warehouse = world
    features = assemble(matches, known(matches, warehouse), warehouse, warehouse)
    played = is_played(matches.set_index("match_id").loc[features.index])
    return features[played], label(matches, warehouse)[played], features[~played]


@pytest.fixture(scope="module")
def of_set(everything):
    """The same in the columns that a recipe's information set has."""

    def columns(name: str) -> Data:
        known, learnt = contract.FEATURES[MODELS[name].information_set], contract.LABELS[MODELS[name].information_set]
        return everything[0][list(known)], everything[1][list(learnt)], everything[2][list(known)]

    return columns


@pytest.fixture(scope="module")
def fitted(of_set):
    """One fitted model for each recipe."""
    return {name: recipe.make().fit(*of_set(name)[:2], Grown()) for name, recipe in MODELS.items()}


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@every_recipe
def test_probabilities_are_positive_and_sum_to_one_for_coming_matches(fitted, of_set, name):
    coming = of_set(name)[2]
    p = fitted[name].predict_proba(coming)
    assert p.shape == (len(coming), 3)
    assert (p > 0).all()
    assert np.abs(p.sum(axis=1) - 1).max() < 1e-12


@every_recipe
def test_it_learns_more_than_the_base_rate(fitted, of_set, name):
    features, labels, _ = of_set(name)
    outcomes = metrics.outcome_of(labels["home_goals"], labels["away_goals"])
    base = np.tile(metrics.base_rate(outcomes), (len(outcomes), 1))
    assert (
        metrics.log_loss(fitted[name].predict_proba(features), outcomes).mean() < metrics.log_loss(base, outcomes).mean() - 0.03
    )


@every_recipe
def test_a_club_and_a_competition_never_seen_still_get_a_forecast(fitted, name):
    columns = list(contract.FEATURES[MODELS[name].information_set])
    unknown = pd.DataFrame(np.nan, index=pd.Index(["new"], name="match_id"), columns=columns)
    p, goals = fitted[name].predict_proba(unknown), fitted[name].predict_goals(unknown)
    assert p.sum() == pytest.approx(1.0)
    assert p[0, 0] > p[0, 2] > 0.1, "home advantage is all that is known"
    assert 0.5 < goals.min() < goals.max() < 3


@every_recipe
def test_what_the_features_add_is_exactly_the_forecast(fitted, of_set, name):
    """Also of matches of which nothing is known, or no quote, or no shots; what the set does not know adds nothing."""
    played, _, coming = of_set(name)
    columns = list(played.columns)
    unknown = pd.DataFrame(np.nan, index=["new"], columns=columns)
    bare = coming.assign(**dict.fromkeys({*contract.QUOTE_FEATURES} & set(columns), np.nan)).set_axis(coming.index + "-bare")
    features = pd.concat([coming, played[::7], bare, unknown])
    found = fitted[name].terms(features)
    assert found.shape == (len(features), 1 + len(TERMS), 2)
    log_odds_told = np.column_stack(log_odds(fitted[name].predict_proba(features)))
    np.testing.assert_allclose(found.sum(axis=1), log_odds_told, rtol=0, atol=1e-9)
    foreign = [1 + k for k, term in enumerate(TERMS) if term not in {*columns, *HISTORY_LEADS}]
    assert (found[:, foreign] == 0.0).all()
    assert np.abs(found[:, 1:]).max() > 0.1


@every_recipe
def test_what_is_forecast_is_explained_by_the_same_features(fitted, of_set, world, name):
    """As a row for the ledger: its contributions add up to the probabilities beside them."""
    matches, warehouse = world
    rated = known(matches, warehouse)
    context = warehouse[["match_id", *(c for c in contract.WAREHOUSE_FEATURES if c != "tier")]]
    ratings = [column for names in contract.RATINGS.values() for column in names]
    coming = matches[matches["status"] == "scheduled"].merge(context, on="match_id").join(rated[ratings], on="match_id")
    memories = rated[[column for names in contract.MEMORIES.values() for column in names]].loc[coming["match_id"]]
    information_set = MODELS[name].information_set
    seen = (None, None) if information_set == "results" else (memories, warehouse)
    goals = dixon_coles.rate(matches)
    rows = forecast(fitted[name], information_set, coming, goals, *seen)
    features = of_set(name)[2].loc[rows["match_id"]]
    told_goals = rows[["expected_home_goals", "expected_away_goals"]].to_numpy()
    ours = goals.loc[rows["match_id"], ["expected_home_goals", "expected_away_goals"]].to_numpy()
    np.testing.assert_allclose(told_goals**2, fitted[name].predict_goals(features) * ours, rtol=1e-12)
    for row in rows.itertuples():
        assert row.feature_names == contract.FEATURES[information_set]
        assert hashlib.sha256(row.features).hexdigest() == row.features_digest
    seen_elo = [np.frombuffer(row, "<f8")[contract.FEATURES[information_set].index("elo_home")] for row in rows["features"]]
    np.testing.assert_array_equal(seen_elo, rated.loc[rows["match_id"], "elo_home"])
    told = np.array([np.sum([values for _, *values in each], axis=0) for each in rows["contributions"]])
    p = rows[list(contract.PROBABILITIES)].to_numpy()
    np.testing.assert_allclose(told, np.column_stack(log_odds(p)), rtol=0, atol=1e-9)
    variance = rated.loc[rows["match_id"], "play_variance"].to_numpy()
    np.testing.assert_allclose(rows["strength_deviation"] ** 2, variance)
    disagreement = fitted[name].disagreement(features)
    assert list(rows["firmness"]) == firmness(rows["strength_deviation"].to_numpy(), disagreement, longest_rest(features))


@every_recipe
def test_the_base_is_a_match_of_average_clubs_at_home(fitted, of_set, name):
    """The same for every match but for whether its shots are counted: home advantage, and the draws of an even match."""
    base = fitted[name].terms(of_set(name)[0])[:, 0]
    outcomes = metrics.outcome_of(*(of_set(name)[1][column] for column in GOALS))
    usual = np.column_stack(log_odds(metrics.base_rate(outcomes)[None]))[0]
    side, draw = base.mean(axis=0) - usual
    assert abs(side) < 0.1
    assert -0.05 < draw < 0.35, "more than in all matches, most of which are uneven"
    assert base.std(axis=0).max() < 0.05


@every_recipe
def test_saved_and_read_again_it_says_exactly_the_same(fitted, of_set, name, tmp_path):
    fitted[name].to_files(tmp_path / "once")
    again = MODELS[name].read(tmp_path / "once")
    for features in of_set(name)[::2]:
        np.testing.assert_array_equal(again.predict_proba(features), fitted[name].predict_proba(features))
        np.testing.assert_array_equal(again.predict_goals(features), fitted[name].predict_goals(features))
    again.to_files(tmp_path / "twice")
    assert digest(tmp_path / "twice") == digest(tmp_path / "once")


@every_recipe
def test_a_feature_that_came_after_it_had_learnt_changes_nothing_nor_does_their_order(fitted, of_set, name, tmp_path):
    """So that a champion goes on being served when a later version of the code knows more."""
    fitted[name].to_files(tmp_path)
    again, features = MODELS[name].read(tmp_path), of_set(name)[2]
    more = features.assign(one_that_came_later=1.0)[["one_that_came_later", *reversed(features.columns)]]
    for say in ("predict_proba", "predict_goals", "terms", "disagreement"):
        np.testing.assert_array_equal(getattr(again, say)(more), getattr(again, say)(features))


@every_recipe
def test_the_same_frame_gives_the_same_bytes(fitted, of_set, name, tmp_path):
    """Grown anew, with nothing remembered; and with everything remembered."""
    fitted[name].to_files(tmp_path / "one")
    grown = Grown()
    for again in ("two", "three"):
        MODELS[name].make().fit(*of_set(name)[:2], grown).to_files(tmp_path / again)
        assert digest(tmp_path / "one") == digest(tmp_path / again)


@every_recipe
def test_what_was_grown_before_is_looked_up_and_never_mistaken(of_set, name):
    """Other labels of the same matches grow other trees; the same ones grow none."""
    features, labels, _ = of_set(name)
    grown = Grown()
    MODELS[name].make().fit(features, labels, grown)
    n_first = len(grown.trees)
    MODELS[name].make().fit(features, labels, grown)
    assert len(grown.trees) == n_first
    swapped = labels.assign(home_goals=labels["away_goals"], away_goals=labels["home_goals"])
    for column in labels.columns.intersection(["performance", "price_side", "price_draw", "closing_side", "closing_draw"]):
        swapped[column] = -labels[column]
    MODELS[name].make().fit(features, swapped, grown)
    assert len(grown.trees) == 2 * n_first


@every_recipe
def test_no_file_of_a_model_is_a_pickle(fitted, name, tmp_path):
    fitted[name].to_files(tmp_path)
    for name_in_folder in digest(tmp_path):
        (tmp_path / name_in_folder).read_text(encoding="utf-8")
    json.loads((tmp_path / "model.json").read_text())


@every_recipe
def test_labels_shuffled_among_matches_teach_nothing(of_set, name):
    """Canary: a score better than the base rate here would mean that the outcome leaks through some other door.

    Prices are labels too, and are shuffled with the outcomes: only what stands in the features may speak, and that is held
    to be nothing by shuffling them as well.
    """
    features, labels, _ = of_set(name)
    shuffled = labels.sample(frac=1.0, random_state=0).set_axis(labels.index).assign(season=labels["season"])
    features = features.sample(frac=1.0, random_state=1).set_axis(features.index)
    half = len(features) // 2
    model = MODELS[name].make().fit(features[:half], shuffled[:half], Grown())
    outcomes = metrics.outcome_of(shuffled["home_goals"], shuffled["away_goals"])[half:]
    base = metrics.log_loss(np.tile(metrics.base_rate(outcomes), (len(outcomes), 1)), outcomes).mean()
    assert metrics.log_loss(model.predict_proba(features[half:]), outcomes).mean() > base - 0.005


@every_recipe
def test_a_folder_of_another_format_is_refused(fitted, name, tmp_path):
    fitted[name].to_files(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(content | {"format": 1}))
    with pytest.raises(ValueError, match="model format 1 is not known"):
        MODELS[name].read(tmp_path)


@every_recipe
def test_a_model_is_given_nothing_beyond_its_information_set(fitted, everything, of_set, name):
    """Whatever else stands in the frame changes no bit: the columns it asks for are those of its set."""
    features = everything[0]
    np.testing.assert_array_equal(fitted[name].predict_proba(features), fitted[name].predict_proba(of_set(name)[0]))


def test_a_frame_without_one_of_the_outcomes_is_refused(of_set):
    features, labels, _ = of_set("results")
    with pytest.raises(ValueError, match="every outcome must occur"):
        Results().fit(features[:0], labels[:0], Grown())


def test_history_without_any_match_is_refused(of_set):
    features, labels, _ = of_set("history")
    with pytest.raises(ValueError, match="no match to learn from"):
        History().fit(features[:0], labels[:0], Grown())


def test_where_shots_are_unknown_the_logit_that_never_knew_them_speaks(of_set):
    features, labels, _ = of_set("results")
    model = Results(use_trees=False, least_played=0).fit(pd.concat([features] * 3), pd.concat([labels] * 3), Grown())
    without = features["shots_log_rate_difference"].isna().to_numpy()
    assert 0 < without.sum() < len(features)
    p = model.predict_proba(features)
    np.testing.assert_allclose(p[without], model.logit_without_shots_.predict_proba(features[without]), atol=1e-15)
    np.testing.assert_allclose(p[~without], model.logit_.predict_proba(features[~without]), atol=1e-15)


def test_too_few_matches_to_forecast_play_leave_the_half_that_knows_ratings(of_set):
    features, labels, _ = of_set("results")
    model = Results().fit(features[:600], labels[:600], Grown())
    assert set(model.trees_) == {"rating_outcome"}
    assert np.abs(model.predict_proba(features).sum(axis=1) - 1).max() < 1e-12


def test_history_without_prices_says_what_the_memories_say(of_set):
    features, labels, coming = of_set("history")
    model = History().fit(features, labels.assign(price_side=np.nan, price_draw=np.nan), Grown())
    assert model.trees_ == {}
    sides = coming[["memory_side", "memory_side_restless"]].mean(axis=1)
    np.testing.assert_allclose(model.forecast_parts(coming)[0], np.column_stack([sides, coming["memory_draw"]]), rtol=1e-12)


def test_a_fit_after_what_was_foreseen_is_the_fit_that_foresees_itself(fitted, of_set, tmp_path):
    features, labels, _ = of_set("history")
    model = History()
    said = model.foresee(*model.recent(features, labels), Grown())
    model.fit_after(said, *model.recent(features, labels), Grown()).to_files(tmp_path / "after")
    fitted["history"].to_files(tmp_path / "whole")
    assert digest(tmp_path / "after") == digest(tmp_path / "whole")


def test_a_model_with_stages_that_this_version_does_not_have_is_refused_and_not_read_without_them(fitted, tmp_path):
    """As one of the time when the second stage was a single draw, which would lose it without a word."""
    fitted["market"].to_files(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    content["trees"]["outcome"] = content["trees"]["side"]
    (tmp_path / "model.json").write_text(json.dumps(content))
    (tmp_path / "outcome.txt").write_text((tmp_path / "side.txt").read_text())
    with pytest.raises(UnknownFormat, match="it has outcome"):
        Market.from_files(tmp_path)


def test_history_forecasts_the_price_better_than_the_bare_memory(of_set):
    """Out of sample: learnt from the first three seasons, asked about the last."""
    features, labels, _ = of_set("history")
    last = (labels["season"] == 2018).to_numpy()
    model = History().fit(features[~last], labels[~last], Grown())
    error = model.forecast_parts(features[last])[0][:, 0] - labels.loc[last, "price_side"]
    bare = features.loc[last, "memory_side"] - labels.loc[last, "price_side"]
    assert (error**2).mean() < 0.9 * (bare**2).mean()


def test_the_second_stage_never_learns_from_the_first_stages_fit_to_its_own_matches(of_set):
    features, labels, _ = of_set("history")
    said = History().foresee(features, labels, Grown())
    first = labels["season"].isin([2015, 2016]).to_numpy()
    assert np.isnan(said[first]).all()
    other = labels.copy()
    other.loc[~first, ["price_side", "price_draw"]] = 0.0
    np.testing.assert_array_equal(said[~first], History().foresee(features, other, Grown())[~first])
    assert np.isfinite(said[~first]).all()


def test_what_prices_overlook_is_what_outcomes_add_to_them(fitted, of_set):
    features, model = of_set("history")[2], fitted["history"]
    weights = probabilities_of(*model.forecast_parts(features)[0].T) * np.exp(model.forecast_parts(features)[1])
    np.testing.assert_allclose(weights / weights.sum(axis=1, keepdims=True), model.predict_proba(features), rtol=1e-12)


def test_history_is_the_geometric_mean_of_two_members_that_know_each_other_nothing(fitted, of_set):
    """Each member alone, from its own trees; and no column of the one's memory moves the other."""
    features, model = of_set("history")[2], fitted["history"]
    alone, trees = [], model.trees_
    for member, foreign in zip(MEMBERS, reversed(MEMBERS), strict=True):
        said = member.forecast(trees, features)
        alone.append(np.log(probabilities_of(*said.T)) + member.overlooked(trees, features, said))
        moved = features.assign(**{foreign.memory: 9.0})
        np.testing.assert_array_equal(member.forecast(trees, moved), said)
        np.testing.assert_array_equal(member.overlooked(trees, moved, said), member.overlooked(trees, features, said))
    assert np.abs(alone[0] - alone[1]).max() > 0.01
    weights = np.exp(np.mean(alone, axis=0))
    np.testing.assert_allclose(model.predict_proba(features), weights / weights.sum(axis=1, keepdims=True), rtol=1e-12)


def test_what_was_overlooked_is_learnt_from_earlier_matches_alone(of_set, monkeypatch):
    """Blocks of one year, so that the small world has some; no outcome of a match's own year or later moves what is said."""
    monkeypatch.setattr("pipelines.forecast.learners.N_WARM", 1)
    monkeypatch.setattr("pipelines.forecast.learners.N_BLOCK", 1)
    monkeypatch.setattr("pipelines.forecast.learners.LEAST", 100)
    monkeypatch.setattr("pipelines.forecast.models.members.LEAST", 100)
    features, labels, _ = of_set("history")
    said = History().foresee(features, labels, Grown())
    ours = History().foresee_overlooked(features, labels, said, Grown())
    told = ours.any(axis=1)
    assert not told[labels["season"].isin([2015, 2016])].any(), "one year to foresee prices, one to foresee outcomes"
    assert told[labels["season"] == 2018].all()
    other = labels.copy()
    late = labels["asked_at"] >= labels.loc[told, "asked_at"].min()
    other.loc[late, ["home_goals", "away_goals"]] = [0.0, 9.0]
    first = told & (labels["season"] == labels.loc[told, "season"].min()).to_numpy()
    np.testing.assert_array_equal(ours[first], History().foresee_overlooked(features, other, said, Grown())[first])


def test_market_takes_over_a_share_of_what_prices_overlook(fitted, of_set):
    features, model = of_set("market")[2], fitted["market"]
    files_of = {name: getattr(model, name) for name in ("trees_", "history_")}
    logs = []
    for share in (0.0, 0.5, 1.0):
        other = Market(history_share=0.0, overlooked_share=share)
        vars(other).update(files_of)
        logs.append(np.log(other.predict_proba(features)))
    step = [np.diff(after - before, axis=1) for before, after in pairwise(logs)]
    expected = np.diff(0.5 * model.history_.forecast_parts(features)[1], axis=1)
    for each in step:
        np.testing.assert_allclose(each, expected, atol=1e-12)
    assert np.abs(expected).max() > 1e-4


def test_a_match_without_quotes_gets_the_forecast_of_history(fitted, of_set):
    features = of_set("market")[0]
    model = fitted["market"]
    without = features.copy()
    without.loc[features.index[::2], list(contract.QUOTE_FEATURES)] = np.nan
    p, of_history = model.predict_proba(without), model.history_.predict_proba(features)
    np.testing.assert_array_equal(p[::2], of_history[::2])
    np.testing.assert_array_equal(p[1::2], model.predict_proba(features)[1::2])
    assert np.abs(p[1::2] - of_history[1::2]).max() > 0.01


def test_a_movement_that_no_stream_ever_told_grows_no_other_trees(of_set, monkeypatch):
    """Columns without a value are not drawn: forecasts are, to the last bit, those of a model that does not know them."""
    features, labels, coming = of_set("market")
    movement = ["movement_side", "movement_draw"]
    assert features[movement].isna().all(axis=None)
    of_stages = {name: getattr(market, name) for name in ("_MOVE_COLUMNS", "_OUTCOME_COLUMNS")}
    assert all({*movement} < {*columns} for columns in of_stages.values())
    whole = Market().fit(features, labels, Grown()).predict_proba(coming)
    for name, columns in of_stages.items():
        monkeypatch.setattr(market, name, tuple(column for column in columns if column not in movement))
    np.testing.assert_array_equal(Market().fit(features, labels, Grown()).predict_proba(coming), whole)


def test_how_earlier_prices_moved_is_told_to_the_stage_that_says_where_this_one_moves_and_to_no_other(fitted, of_set):
    moves, model = set(contract.MOVE_FEATURES), fitted["market"]
    side = model.trees_["side"].booster_
    gains = dict(zip(side.feature_name(), side.feature_importance("gain"), strict=True))
    assert sum(gains[name] for name in moves) > 0.0, "trees split by them, and explanations tell of it"
    told = model.terms(of_set("market")[2])[:, [1 + TERMS.index(name) for name in contract.MOVE_FEATURES]]
    assert np.abs(told).max() > 1e-4
    looks = {name: moves & set(trees.columns) for name, trees in (*model.trees_.items(), *model.history_.trees_.items())}
    assert looks == {name: moves if name in ("side", "draw") else set() for name in looks}
    assert not moves & set(contract.FEATURES["history"])


@pytest.fixture(scope="module")
def long_foreseen(of_set):
    """The model `Market` where one year, of 300 matches, is enough to forecast from: four seasons are then enough for its second one."""
    features, labels, _ = of_set("market")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learners, "N_WARM", 1)
        patch.setattr(learners, "LEAST", 300)
        return Market().fit(features, labels, Grown())


def test_members_disagree_by_the_difference_of_the_prices_that_they_expect(fitted, of_set):
    features = of_set("market")[2]
    one, other = (member.forecast(fitted["history"].trees_, features)[:, 0] for member in MEMBERS)
    np.testing.assert_array_equal(fitted["history"].disagreement(features), np.abs(one - other))
    assert np.isnan(fitted["market"].disagreement(features)).all(), "quotes say what the price is"
    without = features.assign(**dict.fromkeys(contract.QUOTE_FEATURES, np.nan))
    np.testing.assert_array_equal(fitted["market"].disagreement(without), fitted["market"].history_.disagreement(without))
    assert np.isnan(fitted["results"].disagreement(features)).all()


def test_the_second_stage_of_market_is_the_geometric_mean_of_its_draws(long_foreseen, of_set):
    features, model = of_set("market")[2], long_foreseen
    draws = [name for name in model.trees_ if name.startswith("outcome_")]
    assert draws == ["outcome_1", "outcome_2", "outcome_3", "outcome_4"]
    alone = []
    for draw in draws:
        one = Market(history_share=0.0)
        one.history_, one.trees_ = model.history_, {name: model.trees_[name] for name in ("side", "draw", draw)}
        alone.append(one.predict_proba(features))
    assert all(np.abs(alone[0] - other).max() > 1e-5 for other in alone[1:]), "draws differ"
    whole = Market(history_share=0.0)
    whole.history_, whole.trees_ = model.history_, model.trees_
    mean = np.exp(np.mean(np.log(alone), axis=0))
    np.testing.assert_allclose(whole.predict_proba(features), mean / mean.sum(axis=1, keepdims=True), atol=1e-12)


def test_what_the_draws_add_is_explained_to_the_last_bit_and_kept_in_files(long_foreseen, of_set, tmp_path):
    features = of_set("market")[2]
    side, draw = log_odds(long_foreseen.predict_proba(features))
    np.testing.assert_allclose(long_foreseen.terms(features).sum(axis=1), np.column_stack([side, draw]), atol=1e-9)
    long_foreseen.to_files(tmp_path)
    again = Market.from_files(tmp_path)
    assert [trees.growth.seed for name, trees in again.trees_.items() if name.startswith("outcome_")] == [1, 2, 3, 4]
    np.testing.assert_array_equal(again.predict_proba(features), long_foreseen.predict_proba(features))


def test_market_without_closing_prices_is_history(of_set):
    features, labels, coming = of_set("market")
    model = Market().fit(features, labels.assign(closing_side=np.nan, closing_draw=np.nan), Grown())
    assert model.trees_ == {}
    np.testing.assert_array_equal(model.predict_proba(coming), model.history_.predict_proba(coming))


def test_market_and_history_share_their_stages(of_set):
    """History's stages are the same trees in both: a run that trains both grows them once."""
    features, labels, _ = of_set("market")
    grown = Grown()
    MODELS["history"].make().fit(*of_set("history")[:2], grown)
    n_history = len(grown.trees)
    MODELS["market"].make().fit(features, labels, grown)
    both = len(grown.trees)
    only_market = Grown()
    MODELS["market"].make().fit(features, labels, only_market)
    assert both == len(only_market.trees) > n_history


@every_recipe
def test_expected_goals_agree_with_the_forecast_and_with_what_was_scored(fitted, of_set, name):
    features, labels, _ = of_set(name)
    expected, p = fitted[name].predict_goals(features), fitted[name].predict_proba(features)
    assert (expected > 0).all()
    assert expected.mean(axis=0) == pytest.approx(labels[GOALS].mean().to_numpy(), rel=0.05)
    assert np.corrcoef(expected[:, 0] - expected[:, 1], p[:, 0] - p[:, 2])[0, 1] > 0.85


def test_parameters_are_stored_as_given_and_shown_by_scikit_learn():
    assert Results(use_trees=False).get_params() == {"use_trees": False, "least_played": 5, "since": 2000, "n_seasons": None}
    assert History().get_params() == {"since": 2003}
    assert Market().get_params() == {"since": 2012, "history_share": 0.1, "overlooked_share": 0.5}


def test_names_and_information_sets_of_the_registry():
    assert {name: recipe.information_set for name, recipe in MODELS.items()} == {
        "results": "results",
        "results-logit": "results",
        "history": "history",
        "market": "market",
    }
    assert all(recipe.name == name for name, recipe in MODELS.items())


def test_files_of_another_format_are_refused_by_name(tmp_path):
    """A champion trained by an earlier version is told apart from a damaged one: training then goes on without it."""
    (tmp_path / "model.json").write_text('{"format": 1}')
    with pytest.raises(UnknownFormat, match="model format 1 is not known"):
        MODELS["results"].read(tmp_path)


def test_a_model_of_the_latest_seasons_is_the_one_that_earlier_ones_were_kept_from(of_set):
    features, labels, coming = of_set("results")
    latest = (labels["season"] > labels["season"].max() - 3).to_numpy()
    assert 0 < latest.sum() < len(latest)
    windowed = Results(use_trees=False, n_seasons=3).fit(features, labels, Grown())
    never_saw = Results(use_trees=False).fit(features[latest], labels[latest], Grown())
    np.testing.assert_array_equal(windowed.predict_proba(coming), never_saw.predict_proba(coming))


def test_a_recipe_of_a_window_needs_no_more_seasons_read_than_that():
    assert MODELS["results-logit"].first_season(2025) == 2013
    assert MODELS["results-logit"].first_season(2005) == MODELS["results-logit"].since
    assert MODELS["results"].first_season(2025) == MODELS["results"].since
