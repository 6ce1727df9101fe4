"""The feature matrix: the contract's columns, the same rows for training and prediction, nothing from the future."""

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast import contract
from pipelines.forecast.features import RATINGS, assemble, label, rate
from tests.forecast.conftest import known

QUOTES = [*contract.MARKET_COLUMNS, *contract.MOVEMENT_COLUMNS, *contract.QUOTES]


def test_features_are_those_of_the_contract_in_order_and_float(world):
    matches, warehouse = world
    features = assemble(matches, known(matches, warehouse), warehouse, warehouse)
    assert tuple(features.columns) == contract.FEATURES["market"]
    assert (features.dtypes == np.float64).all()
    assert features.index.name == "match_id"


def test_without_quotes_there_are_the_features_of_results_and_the_same(world):
    matches, warehouse = world
    alone = assemble(matches, rate(matches), warehouse)
    assert tuple(alone.columns) == contract.FEATURES["results"]
    whole = assemble(matches, known(matches, warehouse), warehouse, warehouse)
    pd.testing.assert_frame_equal(alone, whole[list(contract.FEATURES["results"])], check_exact=True)


def test_every_match_is_a_row_played_or_not(world):
    matches, warehouse = world
    features = assemble(matches, known(matches, warehouse), warehouse, warehouse)
    assert set(features.index) == set(matches["match_id"])
    coming = matches.loc[matches["status"] == "scheduled", "match_id"]
    assert len(coming) > 0
    assert features.loc[coming, "elo_difference"].notna().all()


def test_differences_are_what_their_names_say(make_match):
    matches = pd.DataFrame([make_match(0, "a", "b")])
    ratings = pd.DataFrame(
        [[1600.0, 1450.0, 0.3, 0.1, 0.2, -0.6, 0.5, 0.2, 2.0, 1.5, 4.0, 5.0]],
        columns=[name for rating in ("elo", "pi", "goals", "shots", "experience") for name in contract.RATINGS[rating]],
        index=pd.Index(matches["match_id"]),
    )
    named = (*contract.RATINGS.values(), *contract.MEMORIES.values())
    ratings = ratings.reindex(columns=[name for names in named for name in names])
    ratings[["memory_side", "memory_side_fast", "play_expected", "memory_side_restless"]] = [0.5, 0.75, 0.25, 1.0]
    ratings["memory_side_restless_unsteered"] = 0.875
    warehouse = pd.DataFrame(0, index=ratings.index, columns=list(contract.WAREHOUSE_FEATURES))
    row = assemble(matches, ratings, warehouse, pd.DataFrame(columns=QUOTES, dtype="float64")).iloc[0]
    assert row["elo_difference"] == 150.0
    assert row["goals_log_rate_difference"] == pytest.approx(0.3)
    assert row["shots_log_rate_difference"] == 0.5
    assert [row["memory_side_fast_lead"], row["play_lead"]] == [0.25, -0.25]
    assert row[["restless_fast_lead", "restless_unsteered_lead", "restless_play_lead"]].tolist() == [-0.25, -0.125, -0.75]
    # g(.3) = 10^.1 − 1 = .2589254, g(−.6) = −(10^.2 − 1) = −.5848932
    assert row["pi_expected_goal_difference"] == pytest.approx(0.2589254118 + 0.5848931925, abs=1e-9)


def test_row_order_of_the_input_does_not_matter(world):
    matches, warehouse = world
    shuffled, other = matches.sample(frac=1.0, random_state=5), warehouse.sample(frac=1.0, random_state=6)
    pd.testing.assert_frame_equal(
        assemble(matches, known(matches, warehouse), warehouse, warehouse),
        assemble(shuffled, known(shuffled, other), other.set_index("match_id"), other),
        check_exact=True,
    )


def test_nothing_known_after_a_cut_changes_an_earlier_feature(world):
    matches, warehouse = world
    cut = matches["as_of"].quantile(0.5)
    nonsense, noise = matches.copy(), warehouse.set_index("match_id")
    late = ~(nonsense["known_at"] < cut)
    goals = np.random.default_rng(1).integers(0, 50, (late.sum(), 2)).astype(float)
    nonsense.loc[late, ["home_goals", "away_goals"]] = goals
    nonsense.loc[late, ["home_team_id", "away_team_id"]] = nonsense.loc[late, ["away_team_id", "home_team_id"]].to_numpy()
    later = matches.loc[matches["as_of"] > cut, "match_id"]
    noise.loc[later] = -1.0
    earlier = matches.loc[(matches["as_of"] <= cut) & ~late, "match_id"]
    ours = assemble(matches, known(matches, warehouse), warehouse, warehouse).loc[earlier]
    theirs = assemble(nonsense, known(nonsense, noise), noise, noise).loc[earlier]
    assert len(earlier) > 500
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


@pytest.mark.parametrize("lacking", ["ratings", "warehouse features"])
def test_a_match_without_its_part_is_named_instead_of_filled_with_nothing(world, lacking):
    matches, warehouse = world
    matches = matches.iloc[:5]
    ratings, features = known(matches, warehouse), warehouse.iloc[:5]
    if lacking == "ratings":
        ratings = ratings.drop(matches["match_id"].iloc[2])
    else:
        features = features.drop(index=2)
    with pytest.raises(ValueError, match=f"1 matches have no {lacking}, the first is {matches['match_id'].iloc[2]}"):
        assemble(matches, ratings, features, warehouse)


def test_rows_come_back_in_the_order_of_the_questions(world):
    matches, warehouse = world
    shuffled = matches.sample(frac=1.0, random_state=1)
    assert known(shuffled, warehouse).index.tolist() == shuffled.sort_values(["as_of", "match_id"])["match_id"].tolist()


def test_all_ratings_together_give_the_columns_of_the_contract(world):
    ratings = known(*world)
    named = (*contract.RATINGS.values(), *contract.MEMORIES.values())
    assert ratings.columns.tolist() == [name for names in named for name in names]
    assert (ratings.dtypes == np.float64).all()


def test_a_replayed_rating_says_the_columns_of_the_contract():
    assert all(rating.columns == contract.RATINGS[name] for name, rating in RATINGS.items())


def test_what_goes_by_ratings_has_never_seen_odds(world):
    """The information set `results` may use all of `contract.RATINGS`: other odds must not move a bit of them."""
    matches, warehouse = world
    quoted = [name for name in warehouse if "odds" in name]
    other = warehouse.assign(**dict.fromkeys(quoted, 3.1))
    ours, theirs = known(matches, warehouse), known(matches, other)
    assert rate(matches).columns.tolist() == [name for names in contract.RATINGS.values() for name in names]
    odds_free = [name for names in contract.RATINGS.values() for name in names]
    pd.testing.assert_frame_equal(ours[odds_free], theirs[odds_free], check_exact=True)
    assert not ours["memory_side"].equals(theirs["memory_side"])


def test_sets_differ_in_what_they_know():
    results, history, market = (set(contract.FEATURES[name]) for name in ("results", "history", "market"))
    assert results < history < market
    assert not any("closing" in name for name in market)
    assert history - results == set(contract.MEMORY_FEATURES)
    assert market - history == {*contract.QUOTE_FEATURES, *contract.MOVE_FEATURES}
    assert all("price" in name or "closing" in name for name in set(contract.LABELS["market"]) - set(contract.LABELS["results"]))


def test_closing_odds_of_the_match_itself_move_no_feature_of_it(world):
    matches, warehouse = world
    one = matches["match_id"].iloc[700]
    other = warehouse.set_index("match_id")
    other.loc[one, [name for name in warehouse if "closing" in name]] = 2.9
    ours = assemble(matches, known(matches, warehouse), warehouse, warehouse).loc[one]
    theirs = assemble(matches, known(matches, other), warehouse, other).loc[one]
    pd.testing.assert_series_equal(ours, theirs, check_exact=True)


def test_quotes_before_the_match_are_told_against_the_average(make_match):
    matches = pd.DataFrame([make_match(0, "a", "b")])
    named = (*contract.RATINGS.values(), *contract.MEMORIES.values())
    ratings = pd.DataFrame(0.0, index=pd.Index(matches["match_id"]), columns=[name for names in named for name in names])
    warehouse = pd.DataFrame(0.0, index=ratings.index, columns=list(contract.WAREHOUSE_FEATURES))
    quotes = pd.DataFrame(np.nan, index=ratings.index, columns=QUOTES)
    for name, odds in {"pre_match": (2.0, 4.0, 4.0), "bet365": (4.0, 4.0, 2.0), "maximum": (2.1, 4.2, 4.2)}.items():
        quotes[[f"{name}_odds_{outcome}" for outcome in contract.OUTCOMES]] = odds
    quotes[["handicap_line", "handicap_odds_home", "handicap_odds_away"]] = [-0.5, 2.0, 2.0]
    row = assemble(matches, ratings, warehouse, quotes).iloc[0]
    assert row["pre_match_side"] == pytest.approx(np.log(2.0), abs=1e-9)
    assert row["pre_match_draw"] == pytest.approx(-np.log(2.0) / 2, abs=1e-9)
    assert row["bet365_side_lead"] == pytest.approx(-2 * np.log(2.0), abs=1e-9)
    assert row["maximum_side_lead"] == pytest.approx(0.0, abs=1e-9), "best prices without a margin are prices too"
    assert row["maximum_overround"] == pytest.approx(1 / 1.05, abs=1e-9)
    assert row["handicap_side_lead"] == pytest.approx(0.047 + 1.431 * 0.5 - np.log(2.0), abs=1e-9)
    assert row[["pinnacle_side_lead", "pre_match_total", "movement_side", "movement_draw"]].isna().all()


def test_a_price_moves_from_the_first_quote_to_the_last_whatever_their_margins(make_match):
    matches = pd.DataFrame([make_match(0, "a", "b"), make_match(1, "a", "b")])
    named = (*contract.RATINGS.values(), *contract.MEMORIES.values())
    ratings = pd.DataFrame(0.0, index=pd.Index(matches["match_id"]), columns=[name for names in named for name in names])
    warehouse = pd.DataFrame(0.0, index=ratings.index, columns=list(contract.WAREHOUSE_FEATURES))
    quotes = pd.DataFrame(np.nan, index=ratings.index, columns=QUOTES)
    moved = quotes.index[0]
    # 50 %, 25 %, 25 %, then 25 %, 50 %, 25 %.
    quotes.loc[moved, list(contract.MOVEMENT_COLUMNS)] = [2.0, 4.0, 4.0, 4.0, 2.0, 4.0]
    features = assemble(matches, ratings, warehouse, quotes)
    assert features.loc[moved, "movement_side"] == pytest.approx(-np.log(2.0), abs=1e-9)
    assert features.loc[moved, "movement_draw"] == pytest.approx(np.log(2.0) / 2 + np.log(2.0), abs=1e-9)
    assert features[["movement_side", "movement_draw"]].isna().all(axis=1).tolist() == [False, True]


def test_labels_tell_closing_prices_from_earlier_ones(make_match):
    matches = pd.DataFrame([make_match(0, "a", "b", (3, 0)), make_match(1, "a", "b")])
    quotes = pd.DataFrame(np.nan, index=pd.Index(matches["match_id"]), columns=QUOTES)
    quotes.loc[matches["match_id"].iloc[0], ["pre_match_odds_home", "pre_match_odds_draw", "pre_match_odds_away"]] = [
        2.0,
        4.0,
        4.0,
    ]
    labels = label(matches, quotes)
    assert tuple(labels.columns) == contract.LABELS["market"]
    assert labels.iloc[0][["season", "home_goals", "away_goals"]].tolist() == [2020.0, 3.0, 0.0]
    moments = matches.set_index("match_id").loc[labels.index[0], ["as_of", "known_at"]]
    assert labels.iloc[0][["asked_at", "known_at"]].tolist() == [
        (moment - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1) for moment in moments
    ]
    assert labels["price_side"].iloc[0] == pytest.approx(np.log(2.0), abs=1e-9)
    assert labels[["closing_side", "closing_draw"]].isna().all(axis=None)
    assert labels.iloc[1].drop(["season", "asked_at", "performance_weight"]).isna().all(), "a coming match teaches nothing"


def test_pinnacles_closing_price_teaches_where_it_is_known(make_match):
    matches = pd.DataFrame([make_match(0, "a", "b", (1, 0)), make_match(1, "a", "b", (1, 0))])
    quotes = pd.DataFrame(np.nan, index=pd.Index(matches["match_id"]), columns=QUOTES)
    quotes[[f"closing_odds_{outcome}" for outcome in contract.OUTCOMES]] = [2.0, 4.0, 4.0]
    quotes.loc[matches["match_id"].iloc[0], [f"pinnacle_closing_odds_{outcome}" for outcome in contract.OUTCOMES]] = [
        4.0,
        4.0,
        2.0,
    ]
    labels = label(matches, quotes)
    for name in ("price_side", "closing_side"):
        assert labels[name].tolist() == pytest.approx([-np.log(2.0), np.log(2.0)], abs=1e-9)
