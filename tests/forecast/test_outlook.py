"""The ends of all seasons under way, from matches alone."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pandas as pd
import pytest

from pipelines.forecast.contract import MATCH_COLUMNS
from pipelines.forecast.outlook import OUTLOOK_COLUMNS, n_relegated, outlooks

FIRST = ["a", "b", "c", "d", "e", "f"]
SECOND = ["g", "h", "i", "j", "k", "l"]
START = {2022: datetime(2022, 8, 1, 15, tzinfo=UTC), 2023: datetime(2023, 8, 1, 15, tzinfo=UTC)}


def season(competition: str, tier: int, year: int, clubs: list[str]) -> pd.DataFrame:
    """A double round-robin, a match a day; the club earlier in the alphabet wins, by more at home."""
    rows = []
    for k, (home, away) in enumerate(permutations(clubs, 2)):
        kickoff = START[year] + timedelta(days=k)
        rows.append(
            dict.fromkeys(MATCH_COLUMNS)
            | {
                "match_id": f"{competition}-{year}-{home}-{away}",
                "competition_id": competition,
                "country": "X",
                "tier": tier,
                "season": year,
                "kickoff_at": kickoff,
                "as_of": kickoff - timedelta(hours=1),
                "known_at": kickoff + timedelta(hours=3),
                "status": "played",
                "home_team_id": home,
                "away_team_id": away,
                "home_goals": 3.0 if home < away else 0.0,
                "away_goals": 1.0,
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def matches() -> pd.DataFrame:
    frame = pd.concat(
        [
            season("X1", 1, 2022, FIRST),
            season("X2", 2, 2022, SECOND),
            # f went down, g came up; l left the divisions that are known, m came in.
            season("X1", 1, 2023, [*FIRST[:5], "g"]),
            season("X2", 2, 2023, ["f", *SECOND[1:5], "m"]),
        ],
        ignore_index=True,
    )
    for name in ("kickoff_at", "as_of", "known_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


def test_clubs_that_play_neither_here_nor_higher_went_down(matches: pd.DataFrame) -> None:
    assert n_relegated(matches, "X1", 2023) == 1
    # g went up from the second division; l is in neither.
    assert n_relegated(matches, "X2", 2023) == 1


def test_half_way_each_club_has_its_chances_and_they_add_up(matches: pd.DataFrame) -> None:
    table, reasons = outlooks(matches, pd.Timestamp(START[2023] + timedelta(days=15)), n_seasons=2000)
    assert reasons == {}
    assert tuple(table.columns) == OUTLOOK_COLUMNS
    assert table["outlook_id"].is_unique
    sums = table.groupby("competition_id")[["p_title", "p_top_four", "p_relegated"]].sum()
    assert sums.to_numpy().ravel() == pytest.approx([1.0, 4.0, 1.0] * 2, abs=1e-9)
    assert table[table["competition_id"] == "X1"].iloc[0]["team_id"] == "a"


def test_a_season_played_to_its_end_is_decided(matches: pd.DataFrame) -> None:
    table, _ = outlooks(matches, pd.Timestamp(START[2023] + timedelta(days=31)), n_seasons=200)
    first = table[table["competition_id"] == "X1"].set_index("team_id")
    assert (first["n_left"] == 0).all()
    assert first["p_title"].to_dict() == {"a": 1.0, "b": 0.0, "c": 0.0, "d": 0.0, "e": 0.0, "g": 0.0}
    assert (first["points"] == first["expected_points"]).all()


def test_what_is_known_later_changes_nothing(matches: pd.DataFrame) -> None:
    at = pd.Timestamp(START[2023] + timedelta(days=15))
    later = matches["known_at"] >= at
    nonsense = matches.copy()
    nonsense.loc[later, ["home_goals", "away_goals"]] = 9.0
    pd.testing.assert_frame_equal(outlooks(nonsense, at, 500)[0], outlooks(matches, at, 500)[0], check_exact=True)


def test_a_season_that_ended_long_ago_is_not_under_way(matches: pd.DataFrame) -> None:
    table, reasons = outlooks(matches, pd.Timestamp(START[2023] + timedelta(days=200)), n_seasons=10)
    assert table.empty
    assert reasons == {}
    assert tuple(table.columns) == OUTLOOK_COLUMNS


def test_a_season_that_is_no_plain_round_robin_says_why(matches: pd.DataFrame) -> None:
    only = matches[matches["season"] == 2023]
    table, reasons = outlooks(only, pd.Timestamp(START[2023] + timedelta(days=15)), n_seasons=10)
    assert table.empty
    assert set(reasons) == {"X1", "X2"}
    assert all(reasons.values())
