"""National teams: one pool, no home advantage on neutral ground, and nothing known of what is still to come."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.forecast.contract import PROBABILITIES
from pipelines.forecast.metrics import log_loss
from pipelines.forecast.national import FEATURES, FREQUENCIES, NationalLogit, backtest, mirrored, rate, summarise

N_TEAMS = 16


def world(n_years: int = 8, per_year: int = 300, seed: int = 3) -> pd.DataFrame:
    """Matches of teams of known strengths, every third on neutral ground; the last of them still to come."""
    random = np.random.default_rng(seed)
    strength = random.normal(0.0, 0.6, N_TEAMS)
    rows = []
    for year in range(2000, 2000 + n_years):
        days = np.sort(random.integers(0, 360, per_year))
        for k, day in enumerate(days):
            home, away = random.choice(N_TEAMS, 2, replace=False)
            neutral = k % 3 == 0
            ground = 0.0 if neutral else 0.2
            rates = np.exp([0.2 + ground + strength[home] - strength[away], 0.2 - ground + strength[away] - strength[home]])
            goals = random.poisson(rates).astype(float)
            rows.append(match(f"m{year}-{k:03d}", f"{year}-01-01", int(day), home, away, goals, neutral=neutral))
    frame = pd.DataFrame(rows)
    frame.loc[len(frame) - 1, ["home_goals", "away_goals"]] = np.nan
    frame.loc[len(frame) - 1, "known_at"] = pd.NaT
    frame.loc[len(frame) - 1, "status"] = "scheduled"
    return frame


def match(match_id: str, first: str, day: int, home: int, away: int, goals: np.ndarray, *, neutral: bool) -> dict[str, object]:
    kickoff = pd.Timestamp(first, tz="UTC") + pd.Timedelta(days=day)
    return {
        "match_id": match_id,
        "competition_id": "national-friendly" if day % 2 else "national-cup",
        "season": kickoff.year,
        "kickoff_at": kickoff,
        "as_of": kickoff - pd.Timedelta(hours=14),
        "known_at": kickoff + pd.Timedelta(hours=36),
        "status": "played",
        "is_neutral": neutral,
        "home_team_id": f"national-{home:02d}",
        "away_team_id": f"national-{away:02d}",
        "home_goals": goals[0],
        "away_goals": goals[1],
    }


@pytest.fixture(scope="module")
def matches() -> pd.DataFrame:
    return world()


@pytest.fixture(scope="module")
def features(matches: pd.DataFrame) -> pd.DataFrame:
    return rate(matches)


def test_two_unknown_teams_are_equal_on_neutral_ground_and_not_on_the_ground_of_one() -> None:
    goals = np.array([1.0, 0.0])
    rows = [match("a", "2000-01-01", 0, 0, 1, goals, neutral=True), match("b", "2000-01-01", 0, 2, 3, goals, neutral=False)]
    said = rate(pd.DataFrame(rows))
    assert (
        said.loc["a", ["national_elo_difference", "national_goals_log_rate_difference", "is_home_ground"]].tolist() == [0.0] * 3
    )
    assert said.loc["b", "national_elo_difference"] == 90.0
    assert said.loc["b", "national_goals_log_rate_difference"] == pytest.approx(0.45, abs=1e-15)


def test_what_a_first_match_teaches_is_what_the_formulas_say() -> None:
    rows = [
        match("a", "2000-01-01", 0, 0, 1, np.array([4.0, 0.0]), neutral=True),
        match("b", "2000-01-01", 9, 0, 1, np.array([0.0, 0.0]), neutral=True),
    ]
    said = rate(pd.DataFrame(rows))
    # Elo: 28 points, √4 for the score, half of it expected, four times as much in a first match; both sides move.
    assert said.loc["b", "national_elo_difference"] == pytest.approx(2 * 28 * 2 * 0.5 * 4)
    # Goals: a step of .03 · 6 along both residuals, of both attacks and both defences; the level follows their mean.
    expected = math.exp(0.3)
    step, level = 0.18, 0.3 + 0.0005 * (4.0 - 2 * expected) / 2
    moved = step * (4.0 - expected), step * (0.0 - expected)
    assert said.loc["b", "national_goals_log_rate_home"] == pytest.approx(level + 2 * moved[0])
    assert said.loc["b", "national_goals_log_rate_away"] == pytest.approx(level + 2 * moved[1])


def test_a_record_teaches_no_more_than_six_goals() -> None:
    def after(goals: float) -> pd.Series:
        rows = [
            match("a", "2000-01-01", 0, 0, 1, np.array([goals, 0.0]), neutral=True),
            match("b", "2000-01-01", 9, 0, 1, np.array([0.0, 0.0]), neutral=True),
        ]
        return rate(pd.DataFrame(rows)).loc["b", ["national_goals_log_rate_home", "national_goals_log_rate_away"]]

    pd.testing.assert_series_equal(after(31.0), after(6.0), check_exact=True)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_on_neutral_ground_it_does_not_matter_which_side_is_called_home(
    matches: pd.DataFrame, features: pd.DataFrame, data: st.DataObject
) -> None:
    """Sides of neutral matches are changed at random: what is said of each changes sides with them, to the last bits."""
    neutral = np.flatnonzero(matches["is_neutral"])
    chosen = data.draw(st.lists(st.sampled_from(neutral.tolist()), min_size=1, max_size=40, unique=True))
    turned = matches.copy()
    for side, other in (("home", "away"), ("away", "home")):
        for what in ("team_id", "goals"):
            column = turned.columns.get_loc(f"{side}_{what}")
            turned.iloc[chosen, column] = matches.iloc[chosen][f"{other}_{what}"].to_numpy()
    said = rate(turned)
    expected = features.copy()
    ids = matches.iloc[chosen]["match_id"]
    expected.loc[ids] = mirrored(features.loc[ids])
    pd.testing.assert_frame_equal(said, expected, rtol=1e-9, atol=1e-9)


def test_the_model_says_the_same_whichever_side_is_called_home_on_neutral_ground(
    matches: pd.DataFrame, features: pd.DataFrame
) -> None:
    outcomes = np.asarray(
        1 - np.sign(matches.set_index("match_id").loc[features.index].eval("home_goals - away_goals").fillna(0))
    )
    model = NationalLogit().fit(features, outcomes.astype(np.int64))
    neutral = features[features["is_home_ground"] == 0.0]
    np.testing.assert_array_equal(model.predict_proba(neutral), model.predict_proba(mirrored(neutral))[:, ::-1])
    equal = pd.DataFrame([[0.0, 0.0, 0.3, 0.3, 0.0]], columns=list(FEATURES))
    home, _, away = model.predict_proba(equal)[0]
    assert home == away
    assert model.predict_proba(equal.assign(is_home_ground=1.0))[0, 0] > home


def test_what_comes_later_changes_nothing(matches: pd.DataFrame, features: pd.DataFrame) -> None:
    cut = pd.Timestamp("2005-06-01", tz="UTC")
    nonsense = matches.copy()
    late = nonsense["known_at"] >= cut
    nonsense.loc[late, ["home_goals", "away_goals"]] = [9.0, 9.0]
    before = matches.loc[matches["as_of"] <= cut, "match_id"]
    said = rate(nonsense)
    pd.testing.assert_frame_equal(said.loc[said.index.isin(before)], features.loc[features.index.isin(before)], check_exact=True)


@pytest.fixture(scope="module")
def forecasts(matches: pd.DataFrame) -> pd.DataFrame:
    return backtest(matches, range(2003, 2008))


def test_every_played_match_of_the_years_is_forecast_once_and_adds_up(matches: pd.DataFrame, forecasts: pd.DataFrame) -> None:
    wanted = matches[(matches["season"].between(2003, 2007)) & (matches["status"] == "played")]
    assert sorted(forecasts.index) == sorted(wanted["match_id"])
    for names in (PROBABILITIES, FREQUENCIES):
        np.testing.assert_allclose(forecasts[list(names)].sum(axis=1), 1.0, atol=1e-12)


def test_ratings_say_more_than_frequencies_where_strengths_differ(forecasts: pd.DataFrame) -> None:
    scores = summarise(forecasts)
    assert scores.index.tolist() == ["all", "home ground", "neutral ground", "friendlies", "competitive"]
    assert scores.loc["all", "n"] == len(forecasts)
    assert scores.loc["home ground", "n"] + scores.loc["neutral ground", "n"] == len(forecasts)
    assert (scores["difference_high"] < 0.0).all()
    said = forecasts[list(PROBABILITIES)].to_numpy()
    assert scores.loc["all", "log_loss"] == pytest.approx(log_loss(said, forecasts["outcome"].to_numpy()).mean())


def test_frequencies_are_those_of_earlier_years_on_the_same_kind_of_ground(
    matches: pd.DataFrame, forecasts: pd.DataFrame
) -> None:
    neutral = forecasts["is_neutral"].astype(bool)
    assert (forecasts.loc[neutral, "base_p_home"] == forecasts.loc[neutral, "base_p_away"]).all()
    earlier = matches[(matches["season"] < 2004) & ~matches["is_neutral"]]
    # The year's first forecast is cut off before the last results of the year before are known.
    first = matches.loc[matches["season"] == 2004, "as_of"].min()
    earlier = earlier[earlier["known_at"] < first]
    home_wins = (earlier["home_goals"] > earlier["away_goals"]).mean()
    of_2004 = forecasts[(forecasts["season"] == 2004) & ~neutral]
    assert of_2004["base_p_home"].unique().tolist() == pytest.approx([home_wins])


def test_years_without_earlier_ones_are_an_error_not_a_guess(matches: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="none of the years has a played match and earlier ones"):
        backtest(matches, [2000])
    with pytest.raises(ValueError, match="none of the years"):
        backtest(matches, [1950])
