"""The simulated world: what its files look like, that time only adds to it, and that its odds know something."""

import csv
import io
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.simulated import FIRST_SEASON, HORIZON, MARKER, Size, simulate, write_site

TINY = Size(n_seasons=3, n_clubs=4, n_summer_clubs=4)
SATURDAY = date(2025, 8, 23)
SUMMER_DAY = date(2025, 7, 1)


@pytest.fixture(scope="module")
def world() -> pd.DataFrame:
    return simulate(date(2027, 1, 15), seed=11)


def contents(folder: Path, today: date, seed: int = 3, size: Size = TINY) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in write_site(folder, today, seed, size)}


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_same_day_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    assert contents(tmp_path / "a", SATURDAY) == contents(tmp_path / "b", SATURDAY)


def test_another_seed_is_another_world(tmp_path: Path) -> None:
    assert (
        contents(tmp_path / "a", SATURDAY)["mmz4281/2526/E0.csv"]
        != contents(tmp_path / "b", SATURDAY, seed=4)["mmz4281/2526/E0.csv"]
    )


@settings(max_examples=8, deadline=None)
@given(today=st.dates(date(2013, 1, 1), date(2017, 12, 31)), later=st.integers(1, 400), seed=st.integers(0, 2**32 - 1))
def test_a_later_day_only_appends_to_the_files_because_results_must_not_change(
    today: date, later: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = contents(tmp_path_factory.mktemp("before"), today, seed)
    after = contents(tmp_path_factory.mktemp("after"), today + timedelta(days=later), seed)
    for name in before.keys() & after.keys() - {"fixtures.csv", "new_league_fixtures.csv", "new/BRA.csv"}:
        assert after[name].startswith(before[name]), name
    # A file of all seasons loses the oldest ones at its top when the window moves on; the rest must still be there.
    old, new = rows(before["new/BRA.csv"]), rows(after["new/BRA.csv"])
    shared = [row for row in old if row["Season"] >= new[0]["Season"]]
    assert new[: len(shared)] == shared


def test_a_fixture_keeps_its_quotes_once_it_has_been_played(tmp_path: Path) -> None:
    fixtures = [row for row in rows(contents(tmp_path / "a", SATURDAY)["fixtures.csv"]) if row["Div"] == "E0"]
    played = rows(contents(tmp_path / "b", SATURDAY + timedelta(days=30))["mmz4281/2526/E0.csv"])
    assert fixtures
    for fixture in fixtures:
        (match,) = [row for row in played if (row["HomeTeam"], row["AwayTeam"]) == (fixture["HomeTeam"], fixture["AwayTeam"])]
        assert match.items() >= {name: text for name, text in fixture.items() if text}.items()


def test_results_end_yesterday_and_fixtures_begin_today(world: pd.DataFrame) -> None:
    today = pd.Timestamp(2027, 1, 15)
    assert world.loc[world["is_played"], "day"].max() < today
    assert world.loc[~world["is_played"], "day"].between(today, today + HORIZON).all()


def test_any_seven_days_of_a_year_hold_twenty_matches_so_that_a_demo_always_has_something_to_forecast(
    world: pd.DataFrame,
) -> None:
    year = pd.date_range("2026-01-01", "2026-12-31")
    starts = {day: int(world["day"].between(day, day + pd.Timedelta(days=6)).sum()) for day in year}
    assert {day: n for day, n in starts.items() if n < 20} == {}


@pytest.mark.parametrize("today", [date(2026, 2, 3), date(2026, 5, 1), date(2026, 7, 15), date(2026, 8, 10), date(2028, 2, 29)])
def test_the_fixtures_files_hold_the_coming_matches_in_every_time_of_the_year(today: date, tmp_path: Path) -> None:
    files = contents(tmp_path, today, size=Size(n_seasons=1))
    coming = [*rows(files["fixtures.csv"]), *rows(files["new_league_fixtures.csv"])]
    assert sum(row["Date"] != f"{today:%d/%m/%Y}" for row in coming) >= 20


def test_files_have_the_sites_shape_so_that_the_ordinary_adapter_reads_them(tmp_path: Path) -> None:
    files = contents(tmp_path, SUMMER_DAY)
    assert sorted(files) == [
        "fixtures.csv",
        *(f"mmz4281/{season}/{division}.csv" for season in ("2223", "2324", "2425") for division in ("D1", "D2", "E0", "E1")),
        "new/BRA.csv",
        "new_league_fixtures.csv",
    ]
    for name, content in files.items():
        assert content.endswith(b"\r\n"), name
        assert content.count(b"\n") == content.count(b"\r\n"), name
        assert content.startswith(b"\xef\xbb\xbf") == (name == "new/BRA.csv"), name
        assert len({line.count(b",") for line in content.splitlines()}) == 1, name
    assert files["mmz4281/2425/E0.csv"].startswith(
        b"Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HTHG,HTAG,HTR,Referee,HS,AS,HST,AST,"
    )
    assert files["new/BRA.csv"][3:].startswith(
        b"Country,League,Season,Date,Time,Home,Away,HG,AG,Res,PSCH,PSCD,PSCA,MaxCH,MaxCD,MaxCA,"
    )
    assert files["new_league_fixtures.csv"].startswith(
        b"Country,League,Date,Time,Home,Away,PH,PD,PA,MaxH,MaxD,MaxA,AvgH,AvgD,AvgA\r\n"
    )


def test_leagues_differ_in_columns_as_the_real_ones_do(tmp_path: Path) -> None:
    header = {name: content.splitlines()[0].decode().split(",") for name, content in contents(tmp_path, SUMMER_DAY).items()}
    assert "Referee" not in header["mmz4281/2425/D1.csv"]
    assert "AHh" in header["mmz4281/2425/E0.csv"]
    assert "AHh" not in header["mmz4281/2425/E1.csv"]


def test_a_fixture_shows_neither_result_nor_closing_odds(tmp_path: Path) -> None:
    for row in rows(contents(tmp_path, SATURDAY)["fixtures.csv"]):
        filled = {name for name, text in row.items() if text}
        assert {"Div", "Date", "Time", "HomeTeam", "AwayTeam", "B365H", "AvgD", "MaxA", "Avg>2.5"} <= filled
        assert not {"FTHG", "FTR", "HS", "Referee", "PSCH", "AvgCH", "AHCh"} & filled


def test_no_half_written_file_stays_behind(tmp_path: Path) -> None:
    written = set(write_site(tmp_path, SATURDAY, 3, TINY))
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == written


def test_every_club_and_referee_says_that_it_is_simulated(world: pd.DataFrame) -> None:
    for column in ("HomeTeam", "AwayTeam", "Referee"):
        assert world[column].dropna().str.startswith(f"{MARKER} ").all()


def test_the_numbers_of_a_match_agree_with_each_other(world: pd.DataFrame) -> None:
    assert (world["FTR"] == np.select([world["FTHG"] > world["FTAG"], world["FTHG"] < world["FTAG"]], ["H", "A"], "D")).all()
    assert (world["HTR"] == np.select([world["HTHG"] > world["HTAG"], world["HTHG"] < world["HTAG"]], ["H", "A"], "D")).all()
    for side in ("H", "A"):
        assert (world[f"HT{side}G"] <= world[f"FT{side}G"]).all()
        assert (world[f"FT{side}G"] <= world[f"{side}ST"]).all()
        assert (world[f"{side}ST"] <= world[f"{side}S"]).all()


def test_a_finished_season_is_a_double_round_robin(world: pd.DataFrame) -> None:
    for _, season in world[world["season"].between(2022, 2025)].groupby(["Div", "season"]):
        pairs = list(zip(season["HomeTeam"], season["AwayTeam"], strict=True))
        assert sorted(pairs) == sorted(permutations(set(season["HomeTeam"]), 2))


def test_no_club_plays_twice_in_a_day(world: pd.DataFrame) -> None:
    sides = pd.concat(
        [
            world[["day", "HomeTeam"]].set_axis(["day", "club"], axis=1),
            world[["day", "AwayTeam"]].set_axis(["day", "club"], axis=1),
        ]
    )
    assert not sides.duplicated().any()


def test_the_last_three_go_down_and_the_first_three_come_up(world: pd.DataFrame) -> None:
    def table(division: str) -> list[str]:
        season = world[(world["Div"] == division) & (world["season"] == 2024)]
        difference = season["FTHG"] - season["FTAG"]
        home = (3 * (difference > 0) + (difference == 0) + difference / 1000).groupby(season["HomeTeam"]).sum()
        away = (3 * (difference < 0) + (difference == 0) - difference / 1000).groupby(season["AwayTeam"]).sum()
        return [str(club) for club in (home + away).sort_values(ascending=False).index]

    upper, lower = table("E0"), table("E1")
    clubs = world[(world["Div"] == "E0") & (world["season"] == 2025)]["HomeTeam"]
    assert set(clubs) == {*upper[:-3], *lower[:3]}


def test_goals_follow_their_rates(world: pd.DataFrame) -> None:
    for goals, rate in (("FTHG", "home_rate"), ("FTAG", "away_rate")):
        error = (world[goals] - world[rate]).sum() / np.sqrt(world[rate].sum())
        assert abs(error) < 4, "the sum of Poisson goals lies within four standard deviations of the sum of their rates"


def test_true_probabilities_are_probabilities(world: pd.DataFrame) -> None:
    truth = world[["p_home", "p_draw", "p_away"]]
    np.testing.assert_allclose(truth.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert (truth > 0).all(axis=None)


def test_every_book_keeps_a_margin_and_the_maximum_is_the_best_price(world: pd.DataFrame) -> None:
    for moment in ("", "C"):
        for book in ("B365", "BW", "PS", "WH", "Avg"):
            prices = world[[f"{book}{moment}{outcome}" for outcome in "HDA"]].astype(float)
            assert (1 / prices).sum(axis=1).between(1.005, 1.12).all(), book
            best = world[[f"Max{moment}{outcome}" for outcome in "HDA"]].astype(float)
            assert (best.to_numpy() >= prices.to_numpy()).all()


def test_handicap_prices_of_the_line_chosen_are_about_even(world: pd.DataFrame) -> None:
    offered = world[world["AHh"].notna()]
    assert set(offered["Div"]) == {"E0", "D1", "BRA"}
    assert offered["PAHH"].astype(float).between(1.5, 2.8).all()
    favourites = offered["p_home"] > offered["p_away"] + 0.2
    assert (offered.loc[favourites, "AHh"].astype(float) <= 0).mean() > 0.95, "the favourite gives goals away"


def test_closing_odds_beat_earlier_odds_which_beat_base_rates(world: pd.DataFrame) -> None:
    outcome = world["FTR"].map({"H": 0, "D": 1, "A": 2}).to_numpy()

    def log_loss(probabilities: np.ndarray) -> float:
        return float(-np.log(probabilities[np.arange(len(outcome)), outcome]).mean())

    def implied(book: str) -> np.ndarray:
        inverse = 1 / world[[f"{book}{side}" for side in "HDA"]].to_numpy(dtype=float)
        return np.asarray(inverse / inverse.sum(axis=1, keepdims=True))

    base = np.tile(np.bincount(outcome) / len(outcome), (len(outcome), 1))
    closing, earlier = log_loss(implied("AvgC")), log_loss(implied("Avg"))
    assert closing < earlier < log_loss(base) - 0.03


def test_a_day_before_the_world_began_is_refused() -> None:
    with pytest.raises(ValueError, match=f"the simulated world begins in August {FIRST_SEASON}, after 2012-07-01"):
        simulate(date(2012, 7, 1), seed=1)


def test_a_league_of_an_odd_number_of_clubs_is_refused() -> None:
    with pytest.raises(ValueError, match="even number of clubs"):
        simulate(SATURDAY, seed=1, size=Size(n_clubs=5))
