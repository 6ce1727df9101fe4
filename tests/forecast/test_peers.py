"""Beside others: the same matches are found without a common spelling, and only those."""

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.contract import PROBABILITIES
from pipelines.forecast.peers import PEER_COLUMNS, compare, same_matches

N_CLUBS, N_ROUNDS = 8, 14


def league(division: str, first_day: str, seed: int) -> pd.DataFrame:
    """A double round-robin, each match on a day of its round drawn at random, with probabilities and a score."""
    rng = np.random.default_rng(seed)
    clubs = list(range(N_CLUBS))
    rows = []
    for week in range(N_ROUNDS):
        for k in range(N_CLUBS // 2):
            pair = clubs[k], clubs[-1 - k]
            home, away = pair if (week + k) % 2 else pair[::-1]
            day = pd.Timestamp(first_day) + pd.Timedelta(days=7 * week + int(rng.integers(0, 4)))
            rows.append((division, day.strftime("%Y-%m-%d"), f"{division}{home}", f"{division}{away}"))
        clubs = [clubs[0], clubs[-1], *clubs[1:-1]]
    frame = pd.DataFrame(rows, columns=["source_division", "match_date", "source_home", "source_away"])
    frame[list(PROBABILITIES)] = rng.dirichlet([5.0, 3.0, 4.0], len(frame))
    frame[["home_goals", "away_goals"]] = rng.poisson(1.4, (len(frame), 2))
    return frame


@pytest.fixture
def ours() -> pd.DataFrame:
    return pd.concat([league("X1", "2024-08-01", 1), league("X2", "2024-08-01", 2)], ignore_index=True)


def as_peer(matches: pd.DataFrame) -> pd.DataFrame:
    """The same matches under other names, with other probabilities."""
    names = {"match_date": "date", "source_division": "league", "source_home": "home", "source_away": "away"}
    peer = matches.rename(columns=names)
    peer["league"] = "League " + peer["league"]
    for side in ("home", "away"):
        peer[side] = "FC " + peer[side].str[::-1]
    peer[list(PROBABILITIES)] = [0.4, 0.3, 0.3]
    return peer[list(PEER_COLUMNS)]


def test_every_match_of_two_leagues_is_found_under_foreign_names(ours: pd.DataFrame) -> None:
    both = same_matches(ours.drop(columns=["home_goals", "away_goals"]), as_peer(ours))
    assert len(both) == len(ours) == 2 * N_ROUNDS * N_CLUBS // 2
    found = both.set_index(["date", "home", "away"])[list(PROBABILITIES)].sort_index()
    wanted = ours.assign(
        home=ours["source_division"] + "\x1f" + ours["source_home"], away=ours["source_division"] + "\x1f" + ours["source_away"]
    )
    wanted = wanted.rename(columns={"match_date": "date"}).set_index(["date", "home", "away"])[list(PROBABILITIES)].sort_index()
    pd.testing.assert_frame_equal(found, wanted)


def test_a_club_that_also_plays_elsewhere_is_recognised_by_its_league(ours: pd.DataFrame) -> None:
    cup = as_peer(league("X1", "2024-08-04", 9)).assign(league="A cup")
    both = same_matches(ours.drop(columns=["home_goals", "away_goals"]), pd.concat([cup, as_peer(ours)]))
    assert set(both["league"]) == {"League X1", "League X2"}
    assert len(both) == len(ours)


def test_seasons_that_only_the_peer_has_hide_nothing(ours: pd.DataFrame) -> None:
    earlier = as_peer(pd.concat([league("X1", "2023-08-01", 7), league("X2", "2023-08-01", 8)]))
    later = as_peer(pd.concat([league("X1", "2025-08-01", 9), league("X2", "2025-08-01", 10)]))
    both = same_matches(ours.drop(columns=["home_goals", "away_goals"]), pd.concat([earlier, as_peer(ours), later]))
    assert len(both) == len(ours)


def test_a_match_that_was_not_played_or_that_only_one_of_them_has_is_left_out(ours: pd.DataFrame) -> None:
    peer = as_peer(ours).iloc[3:].reset_index(drop=True)
    peer.loc[0, "home_goals"] = np.nan
    assert len(same_matches(ours.drop(columns=["home_goals", "away_goals"]), peer)) == len(ours) - 4


def test_a_league_that_is_not_ours_is_taken_for_none_of_them(ours: pd.DataFrame) -> None:
    stranger = as_peer(league("Y1", "2024-08-03", 5))
    assert same_matches(ours.drop(columns=["home_goals", "away_goals"]), stranger).empty


def test_scores_are_those_of_the_same_rows(ours: pd.DataFrame) -> None:
    both = same_matches(ours.drop(columns=["home_goals", "away_goals"]), as_peer(ours))
    figures = compare(both)
    losses = [-np.log([0.4, 0.3, 0.3][k]) for k in both["outcome"]]
    own = [-np.log(row[PROBABILITIES[k]]) for k, (_, row) in zip(both["outcome"], both.iterrows(), strict=True)]
    assert figures["n"] == len(ours)
    assert figures["peer_log_loss"] == pytest.approx(np.mean(losses), abs=1e-12)
    assert figures["difference"] == pytest.approx(np.mean(own) - np.mean(losses), abs=1e-12)
    assert figures["difference_low"] < figures["difference"] < figures["difference_high"]
