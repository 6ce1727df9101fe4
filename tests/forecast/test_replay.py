"""Correctness in time, for every rating at once."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.features import RATINGS
from pipelines.forecast.replay import MATCH, Rating, replay

ALL = pytest.mark.parametrize("rating", RATINGS.values(), ids=RATINGS.keys())
Make = Callable[..., dict[str, object]]


def plain_replay(matches: pd.DataFrame, rating: type[Rating]) -> pd.DataFrame:
    """The same idea with dictionaries, a scan of all results for every question, and no compiled code.

    Quadratic on purpose: for each match the state is rebuilt from nothing out of what was known before it.
    """
    rows = matches.sort_values(["known_at", "match_id"]).to_dict("records")
    said = {}
    for asked in matches.to_dict("records"):
        club: dict[str, list[float]] = {}
        competition: dict[str, list[float]] = {}
        country: dict[str, list[float]] = {}

        def state(row: dict, club=club, competition=competition, country=country) -> tuple[list[float], ...]:
            return (
                club.setdefault(row["home_team_id"], list(rating.club_start)),
                club.setdefault(row["away_team_id"], list(rating.club_start)),
                competition.setdefault(row["competition_id"], list(rating.competition_start)),
                country.setdefault(row["country"], list(rating.country_start)),
            )

        for row in rows:
            knows = all(not np.isnan(row[name]) for name in rating.learns_from)
            if row["status"] != "played" or not knows or not row["known_at"] < asked["as_of"]:
                continue
            home, away, league, land = state(row)
            match = SimpleNamespace(**{name: row[name] for name in MATCH.names if name in row})
            rating.arrive(home, league, match)
            rating.arrive(away, league, match)
            now = [np.nan] * len(rating.columns)
            rating.before(home, away, league, land, match, now)
            rating.after(home, away, league, land, match, now)
        home, away, league, land = state(asked)
        match = SimpleNamespace(**{name: asked[name] for name in MATCH.names if name in asked})
        rating.arrive(home, league, match)
        rating.arrive(away, league, match)
        said[asked["match_id"]] = [np.nan] * len(rating.columns)
        rating.before(home, away, league, land, match, said[asked["match_id"]])
    return pd.DataFrame.from_dict(said, orient="index", columns=list(rating.columns))


@ALL
def test_compiled_replay_agrees_with_a_plain_one_that_rebuilds_the_past_for_every_match(world, rating):
    matches = world[0]
    # Every 19th match keeps seasons, divisions and unplayed matches, at a hundredth of the quadratic cost.
    sample = matches.iloc[::19]
    expected = plain_replay(sample, rating)
    result = replay(sample, rating)
    np.testing.assert_allclose(result.to_numpy(), expected.loc[result.index].to_numpy(), rtol=0, atol=1e-9)


@ALL
def test_shuffled_input_gives_identical_ratings(world, rating):
    matches = world[0]
    shuffled = matches.sample(frac=1.0, random_state=3)
    pd.testing.assert_frame_equal(replay(matches, rating), replay(shuffled, rating), check_exact=True)


@ALL
def test_nothing_known_after_a_cut_changes_what_was_said_before_it(world, rating):
    matches = world[0]
    cut = matches["as_of"].quantile(0.6)
    nonsense = matches.copy()
    late = ~(nonsense["known_at"] < cut)
    random = np.random.default_rng(0)
    for name in ("home_goals", "away_goals", "home_shots", "away_shots", "home_shots_on_target", "away_shots_on_target"):
        nonsense.loc[late, name] = random.integers(0, 99, late.sum()).astype(float)
    nonsense.loc[late, "status"] = random.choice(["played", "void"], late.sum())
    nonsense.loc[late, "known_at"] = nonsense.loc[late, "kickoff_at"] + pd.Timedelta(hours=5)
    earlier = matches.loc[matches["as_of"] <= cut, "match_id"]
    assert 0 < len(earlier) < len(matches)
    before, after = replay(matches, rating), replay(nonsense, rating)
    pd.testing.assert_frame_equal(before.loc[earlier], after.loc[earlier], check_exact=True)
    assert not before.equals(after), "the nonsense must be visible later, or this test proves nothing"


def test_a_result_counts_only_if_known_strictly_before_the_question(make_match: Make):
    first = make_match(0, "a", "b", (1, 0))
    asked = [
        make_match(1, "a", "b", match_id="too early", as_of=first["known_at"] - pd.Timedelta(microseconds=1)),
        make_match(1, "a", "b", match_id="same moment", as_of=first["known_at"]),
        make_match(1, "a", "b", match_id="after", as_of=first["known_at"] + pd.Timedelta(microseconds=1)),
    ]
    counted = replay(pd.DataFrame([first, *asked]), RATINGS["experience"])["n_played_home"]
    assert counted.loc[["too early", "same moment", "after"]].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("status", ["scheduled", "void", "unknown"])
def test_a_match_that_was_not_played_is_asked_but_never_learnt_even_with_a_score(make_match: Make, status: str):
    void = make_match(0, "a", "b", (3, 0), status=status)
    later = make_match(1, "a", "b")
    said = replay(pd.DataFrame([void, later]), RATINGS["experience"])
    assert said.to_numpy().tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_results_known_at_the_same_instant_are_learnt_in_the_order_of_match_id(make_match: Make):
    rows = [
        make_match(0, "a", "b", (5, 0), match_id="first"),
        make_match(0, "a", "c", (0, 0), match_id="second"),
        make_match(1, "a", "d"),
    ]
    swapped = [rows[0] | {"match_id": "second"}, rows[1] | {"match_id": "first"}, rows[2]]
    ours, theirs = (replay(pd.DataFrame(part), RATINGS["elo"])["elo_home"].iloc[-1] for part in (rows, swapped))
    assert ours == replay(pd.DataFrame(rows[::-1]), RATINGS["elo"])["elo_home"].iloc[-1]
    assert ours != theirs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"as_of": pd.NaT}, "as_of is missing: x"),
        ({"known_at": pd.Timestamp("2019-01-01T00:00Z")}, "known before as_of: x"),
    ],
)
def test_a_match_whose_times_would_leak_is_refused_by_name(make_match: Make, changes: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        replay(pd.DataFrame([make_match(0, "a", "b", (1, 0), match_id="x", **changes)]), RATINGS["elo"])


def test_a_repeated_match_id_is_refused_by_name(make_match: Make):
    with pytest.raises(ValueError, match="match_id is repeated: x"):
        replay(pd.DataFrame([make_match(d, "a", "b", (1, 0), match_id="x") for d in (0, 9)]), RATINGS["elo"])


def test_no_match_at_all_gives_an_empty_frame(world):
    assert replay(world[0].iloc[:0], RATINGS["goals"]).shape == (0, 2)
