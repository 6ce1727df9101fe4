"""Seasons unlike those before, on made-up leagues whose chances are known: what is found, and what is none of it."""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.anomalies import MATCHES, NOT_FOLLOWED, SILENCE, SUMS, Judgement, judge

N_ROUNDS = 38
PER_ROUND = 10
TODAY = date(2024, 5, 13)


def matches(season: int) -> pd.DataFrame:
    """A season of 380 matches, a round a week from 12 August on, with prices that know each match's chances."""
    rng = np.random.default_rng(season)
    n = N_ROUNDS * PER_ROUND
    strength = np.exp(rng.normal(0, 1, n))
    home, draw = 0.74 * strength / (0.62 + strength), np.full(n, 0.26)
    chances = np.stack([home, draw, 0.74 - home], axis=1)
    outcome = (rng.random((n, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    decided = rng.integers(0, 2, n)
    goals = {0: [(1, 0), (3, 1)], 1: [(0, 0), (2, 2)], 2: [(0, 1), (1, 3)]}
    scores = np.array([goals[int(of)][int(which)] for of, which in zip(outcome, decided, strict=True)])
    return pd.DataFrame(
        {
            "round": np.repeat(np.arange(N_ROUNDS), PER_ROUND),
            "match_on": pd.Timestamp(season, 8, 12) + pd.to_timedelta(np.repeat(np.arange(N_ROUNDS), PER_ROUND) * 7, "D"),
            "home": scores[:, 0],
            "away": scores[:, 1],
            **{f"p_{name}": chances[:, place] for place, name in enumerate(("home", "draw", "away"))},
            "margin": 0.05 + rng.normal(0, 0.005, n),
            "is_priced": True,
            "is_closing": True,
        }
    )


def sums(rows: pd.DataFrame, season: int) -> pd.DataFrame:
    """What the warehouse would sum up of these matches."""
    chances = rows[["p_home", "p_draw", "p_away"]].to_numpy()
    loss = -np.log(chances)
    outcome = np.where(rows["home"] > rows["away"], 0, np.where(rows["home"] == rows["away"], 1, 2))
    entropy = (chances * loss).sum(axis=1)
    is_priced = rows["is_priced"].to_numpy()
    values = {
        "n_matches": 1,
        "n_home_wins": rows["home"] > rows["away"],
        "n_decided": rows["home"] != rows["away"],
        "n_goals": rows["home"] + rows["away"],
        "n_priced_before": is_priced,
        "n_priced_at_closing": rows["is_closing"],
        "n_priced": is_priced,
        "margin": rows["margin"] * is_priced,
        "log_loss": loss[np.arange(len(rows)), outcome] * is_priced,
        "entropy": entropy * is_priced,
        "variance": ((chances * loss**2).sum(axis=1) - entropy**2) * is_priced,
    }
    days = pd.DataFrame({name: np.asarray(values[name]) * np.ones(len(rows)) for name in SUMS}).groupby(
        rows["match_on"].to_numpy()
    )
    return days.sum().rename_axis("match_on").reset_index().assign(competition_id="E0", season=season)


@pytest.fixture(scope="module")
def before() -> pd.DataFrame:
    """Six seasons in which nothing was wrong."""
    return pd.concat([sums(matches(season), season) for season in range(2017, 2023)])


def judged(before: pd.DataFrame, rows: pd.DataFrame, today: date = TODAY) -> list[Judgement]:
    days = pd.concat([before, sums(rows, 2023)], ignore_index=True)
    return judge(days, [("E0", 2023)], today)


def anomalies(found: list[Judgement]) -> set[str]:
    return {each.what for each in found if each.is_anomaly}


def test_a_season_like_those_before_is_none_on_any_monday_of_it(before: pd.DataFrame) -> None:
    rows = matches(2023)
    for week in range(46):
        assert anomalies(judged(before, rows, date(2023, 8, 14) + timedelta(weeks=week))) == set()
    assert {each.what for each in judged(before, rows)} == {
        *(MATCHES, "home wins among decided", "goals a match", "share with prices before the match"),
        *("share with closing prices", "margin of the prices", "log loss beyond what the prices expect", NOT_FOLLOWED),
    }


SWAPPED = {"home": "away", "away": "home"}
SWAPPED_WITH_PRICES = SWAPPED | {"p_home": "p_away", "p_away": "p_home"}


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (lambda rows: rows[rows.index % 2 == 0], {MATCHES}),
        (lambda rows: pd.concat([rows, rows]), {MATCHES}),
        (lambda rows: rows.assign(home=2 * rows["home"], away=2 * rows["away"]), {"goals a match"}),
        (lambda rows: rows.rename(columns=SWAPPED), {"home wins among decided", "log loss beyond what the prices expect"}),
        (lambda rows: rows.rename(columns=SWAPPED_WITH_PRICES), {"home wins among decided"}),
        (
            lambda rows: rows.assign(**{name: rows[name].to_numpy()[::-1] for name in ("p_home", "p_draw", "p_away")}),
            {"log loss beyond what the prices expect"},
        ),
        (lambda rows: rows.assign(is_priced=rows.index % 2 == 0), {"share with prices before the match"}),
        (lambda rows: rows.assign(is_closing=rows.index % 2 == 0), {"share with closing prices"}),
        (lambda rows: rows.assign(margin=0.12), {"margin of the prices"}),
    ],
    ids=[
        *("half of the matches are missing", "every match is there twice", "goals are doubled", "home and away are swapped"),
        *("home, away and prices are swapped", "prices are another match's", "half of the prices are missing"),
        *("half of the closing prices are missing", "margins are another bookmaker's"),
    ],
)
@pytest.mark.parametrize("today", [TODAY, date(2024, 3, 1)])
def test_what_is_wrong_with_a_season_is_told_by_its_name(
    before: pd.DataFrame, today: date, plant: Callable[[pd.DataFrame], pd.DataFrame], told: set[str]
) -> None:
    rows = plant(matches(2023)).sort_values("match_on", kind="stable")
    assert anomalies(judged(before, rows, today)) == told


def test_prices_of_more_matches_than_before_are_no_harm(before: pd.DataFrame) -> None:
    poor = before.assign(n_priced_at_closing=0)
    assert anomalies(judged(poor, matches(2023))) == set()


def test_a_season_under_way_is_silent_four_weeks_after_its_last_result_and_no_day_sooner(before: pd.DataFrame) -> None:
    rows = matches(2023)
    broken_off = rows[rows["round"] < 20]
    last = broken_off["match_on"].max().date()
    (silence,) = (each for each in judged(before, broken_off, last + timedelta(days=28)) if each.what == SILENCE)
    assert (silence.found, silence.high, silence.is_anomaly) == (28, 28, False)
    assert SILENCE in anomalies(judged(before, broken_off, last + timedelta(days=29)))
    followed = pd.concat([before, sums(broken_off, 2023), sums(matches(2024), 2024)], ignore_index=True)
    later = judge(followed, [("E0", 2023)], date(2024, 12, 1))
    assert SILENCE not in {each.what for each in later}


def test_a_league_that_does_not_begin_its_next_season_is_told_five_weeks_after_nearly_all_had_though_one_began_late(
    before: pd.DataFrame,
) -> None:
    """A file that stands still is complete: neither its number of matches nor a pause within the season says so."""
    late = before["season"] == 2020
    before = before.assign(match_on=before["match_on"].where(~late, before["match_on"] + pd.Timedelta(days=60)))
    # Of the breaks the longest is before the late season, and the one behind it is short; the others are of 106 or 107 days.
    end = matches(2023)["match_on"].max().date()
    (told,) = (each for each in judged(before, matches(2023), end + timedelta(days=142)) if each.what == NOT_FOLLOWED)
    assert (told.found, told.high, told.n_earlier, told.is_anomaly) == (142, 106 + 35, 6, True)
    assert NOT_FOLLOWED not in anomalies(judged(before, matches(2023), end + timedelta(days=141)))
    followed = pd.concat([before, sums(matches(2023), 2023), sums(matches(2024), 2024)], ignore_index=True)
    assert NOT_FOLLOWED not in {each.what for each in judge(followed, [("E0", 2023)], date(2025, 1, 1))}


def test_what_comes_after_today_is_not_looked_at(before: pd.DataFrame) -> None:
    rows, today = matches(2023), date(2024, 1, 10)
    assert judged(before, rows, today) == judged(before, rows[rows["match_on"] <= pd.Timestamp(today)], today)


def test_two_seasons_are_no_history_and_three_rounds_no_season(before: pd.DataFrame) -> None:
    assert judged(before[before["season"] > 2020], matches(2023)) == []
    early = judged(before, matches(2023), date(2023, 8, 28))
    assert {each.what for each in early} == {MATCHES, SILENCE}


def test_an_anomaly_is_told_in_words() -> None:
    told = Judgement("E0", 2023, MATCHES, 190.0, 247.0, 570.0, 190, 10)
    assert str(told) == "E0 2023: matches so far 190, expected at least 247"
