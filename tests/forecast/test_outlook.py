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


@pytest.mark.parametrize(
    ("competition", "season", "expected"),
    [("F1", 2022, 4), ("F1", 2023, 2), ("D1", 2023, 2), ("E0", 2020, 3), ("N1", 2020, 1), ("B1", 2020, 1), ("SC3", 2013, 0)],
)
def test_as_many_go_down_without_a_play_off_as_the_seasons_rule_says_whoever_went_before(
    matches: pd.DataFrame, competition: str, season: int, expected: int
) -> None:
    renamed = matches.assign(competition_id=competition, season=matches["season"] + season - 2023)
    assert n_relegated(renamed, competition, season) == expected


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


def test_a_season_of_which_nothing_but_fixtures_is_known_is_played_from_its_first_match(matches: pd.DataFrame) -> None:
    at = pd.Timestamp(START[2023])
    # As between two seasons: of the new one nothing is played, and what is coming is forecast from what was known minutes ago.
    coming = (matches["season"] == 2023).to_numpy() & (matches["kickoff_at"] >= at).to_numpy()
    live = matches.copy()
    live.loc[coming, "status"] = "scheduled"
    live.loc[coming, ["home_goals", "away_goals", "known_at"]] = [float("nan"), float("nan"), pd.NaT]
    live.loc[coming, "as_of"] = at - timedelta(minutes=3)
    table, reasons = outlooks(live, at, n_seasons=200)
    assert reasons == {}
    assert table.groupby("competition_id")["n_left"].sum().to_dict() == {"X1": 60, "X2": 60}


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


def said(home: str, away: str, **changes: object) -> dict[str, object]:
    """A forecast of a match of the first division's season 2023."""
    forecast = {"competition_id": "X1", "season": 2023, "home_team_id": home, "away_team_id": away, "kickoff_at": START[2023]}
    goals = {"expected_home_goals": 1.5, "expected_away_goals": 1.0}
    return forecast | goals | {"p_home": 0.7, "p_draw": 0.2, "p_away": 0.1} | changes


def test_a_match_that_is_forecast_is_played_by_its_forecast(matches: pd.DataFrame) -> None:
    """The last match of the season, g at home to e, is the only one left: 3 · .7 + .2 points for g, 3 · .1 + .2 for e."""
    at = pd.Timestamp(START[2023] + timedelta(days=29))
    others = [said("g", "e", competition_id="X2"), said("g", "e", season=2022), said("a", "b"), said("e", "g")]
    later = said("g", "e", kickoff_at=START[2023] + timedelta(days=40), p_home=0.1, p_draw=0.2, p_away=0.7)
    table, _ = outlooks(matches, at, 200, pd.DataFrame([later, *others, said("g", "e")]))
    first = table[table["competition_id"] == "X1"].set_index("team_id")
    assert first["n_left"].to_dict() == {"a": 0, "b": 0, "c": 0, "d": 0, "e": 1, "g": 1}
    to_come = first["expected_points"] - first["points"]
    assert to_come["g"] == pytest.approx(2.3, abs=1e-9)
    assert to_come["e"] == pytest.approx(0.5, abs=1e-9)


def test_what_is_not_forecast_is_played_as_without_forecasts(matches: pd.DataFrame) -> None:
    at = pd.Timestamp(START[2023] + timedelta(days=15))
    without = outlooks(matches, at, 500)[0]
    nothing = pd.DataFrame([said("a", "b", competition_id="elsewhere")])
    pd.testing.assert_frame_equal(outlooks(matches, at, 500, nothing)[0], without, check_exact=True)
    assert not outlooks(matches, at, 500, pd.DataFrame([said("g", "e")]))[0].equals(without)
