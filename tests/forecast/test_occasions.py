"""When a match is played in its season, and who came up."""

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.occasions import OCCASIONS, occasions


def features(matches: pd.DataFrame, home: float = 10.0, away: float = 10.0, left: float = 20.0) -> pd.DataFrame:
    return pd.DataFrame(
        {"home_season_n_played": home, "away_season_n_played": away, "rounds_left": left}, index=pd.Index(matches["match_id"])
    )


@pytest.fixture
def league(make_match):
    """Two seasons of a country with two divisions; `up` comes up, `down` goes down, `guest` is new to the data."""
    return pd.DataFrame(
        [
            make_match(0, "stays", "down", (1, 0), season=2019),
            make_match(1, "up", "below", (1, 0), season=2019, tier=2.0, competition_id="two"),
            make_match(400, "stays", "up", (1, 0), season=2020),
            make_match(401, "stays", "guest", (1, 0), season=2020),
            make_match(402, "down", "below", (1, 0), season=2020, tier=2.0, competition_id="two"),
            make_match(800, "stays", "up", (1, 0), season=2021),
        ]
    )


def test_a_club_is_promoted_in_the_season_after_the_one_it_played_below(league):
    told = occasions(league, features(league))["has_promoted_club"]
    assert told.to_dict() == {
        "000-stays-down": False,
        "001-up-below": False,
        "400-stays-up": True,
        "401-stays-guest": False,  # where it was before is not known
        "402-down-below": False,  # relegated, the other way
        "800-stays-up": False,  # a year later it belongs
    }


def test_a_season_missed_is_not_a_promotion(league):
    away_for_a_year = league[~league["match_id"].str.startswith("40")]
    assert not occasions(away_for_a_year, features(away_for_a_year))["has_promoted_club"].any()


def test_the_first_rounds_last_until_one_of_the_clubs_has_played_five(league):
    rows = league.head(5)
    counts = features(rows).assign(home_season_n_played=[0, 4, 5, 3, np.nan], away_season_n_played=[0, 4, 3, 5, 0])
    assert occasions(league, counts)["is_first_five_rounds"].tolist() == [True, True, False, False, False]


def test_the_last_rounds_are_those_with_two_left_at_most(league):
    rows = league.head(5)
    left = features(rows).assign(rounds_left=[38.0, 2.5, 2.0, 0.0, np.nan])
    assert occasions(league, left)["is_last_two_rounds"].tolist() == [False, False, True, True, False]


def test_months_are_counted_from_that_of_the_first_match_over_the_turn_of_the_year(make_match):
    days = {0: 1, 30: 1, 31: 2, 365: 12, 366: 13}  # 2020 is a leap year
    matches = pd.DataFrame([make_match(day, "a", "b", (0, 0)) for day in days])
    other = pd.DataFrame([make_match(31, "c", "d", (0, 0), competition_id="other")])
    told = occasions(pd.concat([matches, other]), features(pd.concat([matches, other])))["month_of_season"]
    assert told.tolist() == [*days.values(), 1]


def test_only_the_matches_asked_about_are_told_in_their_order(league):
    asked = features(league).iloc[[3, 1]]
    told = occasions(league, asked)
    assert told.index.tolist() == asked.index.tolist()
    assert set(told.columns) == {"month_of_season", *OCCASIONS}
