"""The challenge: its fixtures are found under foreign names, and everybody is scored on the same matches."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.forecast.challenge import find, judge

FIXTURES = pd.DataFrame(
    [
        ("ENG1", "2023-04-15", "Queens Park Rangers", "Coventry City"),
        ("ENG1", "2023-04-15", "Wolverhampton", "Brentford"),
        ("ENG1", "2023-04-22", "Brentford", "Queens Park Rangers"),
        ("GER3", "2023-04-15", "Queens Park Rangers", "Coventry City"),
    ],
    columns=["league", "date", "home", "away"],
)
MATCHES = pd.DataFrame(
    [
        ("E0", "2023-04-15", "QPR", "Coventry", 0),
        ("E0", "2023-04-15", "Wolves", "Brentford", 1),
        ("E0", "2023-04-23", "Brentford", "QPR", 2),
        ("E0", "2023-04-29", "Coventry", "QPR", 0),
        ("E1", "2023-04-15", "Wolverhampton", "Brentford", 2),
    ],
    columns=["division", "date", "home", "away", "outcome"],
)


def test_fixtures_are_found_under_foreign_names_and_a_day_later_in_their_own_league_alone() -> None:
    found = find(FIXTURES, MATCHES)
    assert found[["challenge_home", "challenge_date", "home", "date", "outcome"]].values.tolist() == [
        ["Queens Park Rangers", "2023-04-15", "QPR", "2023-04-15", 0],
        ["Wolverhampton", "2023-04-15", "Wolves", "2023-04-15", 1],
        ["Brentford", "2023-04-22", "Brentford", "2023-04-23", 2],
    ]


def test_a_fixture_that_was_put_off_by_weeks_is_not_found() -> None:
    later = MATCHES.assign(date="2023-05-20")
    assert find(FIXTURES, later).empty


def test_a_fixture_is_taken_for_no_match_of_other_clubs_on_its_day() -> None:
    others = MATCHES.iloc[:1].assign(home="Fulham", away="Leeds")
    assert find(FIXTURES.iloc[:1], others).empty


def test_names_in_any_order_are_found_alike() -> None:
    turned = find(FIXTURES.iloc[::-1], MATCHES.iloc[::-1]).sort_values(["date", "home"], ignore_index=True)
    pd.testing.assert_frame_equal(turned, find(FIXTURES, MATCHES).sort_values(["date", "home"], ignore_index=True))


def test_everybody_is_scored_on_the_same_matches_beside_their_plain_frequencies() -> None:
    outcomes = np.array([0, 2, 0, 1])
    said = {"ours": np.tile([0.5, 0.3, 0.2], (4, 1)), "theirs": np.tile([0.4, 0.3, 0.3], (4, 1))}
    scores = judge(said, outcomes, ["a", "a", "b", "c"])
    assert scores.index.tolist() == ["ours", "theirs", "frequencies"]
    # By hand: home .5² + .2², draw .5² + .2², away .5² + .8², halved.
    assert scores.loc["ours", "rps"] == pytest.approx((0.145 + 0.445 + 0.145 + 0.145) / 4, abs=1e-12)
    assert scores.loc["frequencies", "log_loss"] == pytest.approx(-(2 * np.log(0.5) + 2 * np.log(0.25)) / 4, abs=1e-12)
    assert scores.loc["theirs", "above_log_loss"] == pytest.approx((2 * np.log(0.5 / 0.4) + np.log(0.2 / 0.3)) / 4, abs=1e-12)
    assert scores.loc["ours", ["above_rps", "above_rps_low", "above_rps_high"]].tolist() == [0.0, 0.0, 0.0]
    assert (scores["n"] == 4.0).all()


@given(st.lists(st.integers(0, 2), min_size=2, max_size=30))
def test_no_interval_leaves_out_its_own_mean(outcomes: list[int]) -> None:
    random = np.random.default_rng(len(outcomes))
    said = {name: random.dirichlet([4.0, 3.0, 3.0], len(outcomes)) for name in ("ours", "theirs")}
    scores = judge(said, np.array(outcomes), np.arange(len(outcomes)) // 2)
    for score in ("rps", "log_loss"):
        assert (scores[f"above_{score}_low"] <= scores[f"above_{score}"] + 1e-12).all()
        assert (scores[f"above_{score}"] <= scores[f"above_{score}_high"] + 1e-12).all()
