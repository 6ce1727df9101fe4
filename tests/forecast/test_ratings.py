"""What each rating believes, worked out by hand."""

import math
from collections.abc import Callable

import pandas as pd
import pytest

from pipelines.forecast.ratings.elo import Elo
from pipelines.forecast.ratings.experience import Experience
from pipelines.forecast.ratings.goals import Goals
from pipelines.forecast.ratings.pi import Pi
from pipelines.forecast.ratings.shots import Shots
from pipelines.forecast.replay import replay

Make = Callable[..., dict[str, object]]


def last(rows: list[dict[str, object]], rating: type) -> list[float]:
    return replay(pd.DataFrame(rows), rating).iloc[-1].tolist()


def test_pi_follows_the_published_formula_three_matches_deep(make_match: Make):
    """λ = .05, γ = .7, b = 10, c = 3. Worked step by step; a rational damping in place of the logarithm would fail."""
    rows = [
        make_match(0, "a", "b", (2, 0)),
        make_match(1, "b", "a", (1, 1)),
        make_match(2, "a", "b", (0, 3)),
        make_match(3, "a", "b"),
    ]
    # Match 1, expected difference 0, error 2: ψ = 3·log10(3) = 1.4313637641589874
    a_home, a_away, b_home, b_away = 0.07156818820794937, 0.05009773174556456, -0.05009773174556456, -0.07156818820794937
    # Match 2 (b at home): ê = −(10^(.0500977/3) − 1) − (10^(.0500977/3) − 1) = −.0784, gd = 0, error +.0784
    expected = 2 * -(10 ** (0.05009773174556456 / 3) - 1)
    psi = 3 * math.log10(1 - expected)
    b_home, b_away = b_home + 0.05 * psi, b_away + 0.035 * psi
    a_away, a_home = a_away - 0.05 * psi, a_home - 0.035 * psi
    # Match 3 (a at home, loses by three): error −3 − ê
    expected = (10 ** (a_home / 3) - 1) + (10 ** (-b_away / 3) - 1)
    psi = -3 * math.log10(1 + 3 + expected)
    a_home, a_away = a_home + 0.05 * psi, a_away + 0.035 * psi
    b_away, b_home = b_away - 0.05 * psi, b_home - 0.035 * psi
    assert last(rows, Pi) == pytest.approx([a_home, a_away, b_home, b_away], abs=1e-12)
    assert last(rows[:1] + rows[-1:], Pi) == pytest.approx([0.0715681882, 0.0500977317, -0.0500977317, -0.0715681882], abs=1e-10)


@pytest.mark.parametrize(
    ("goals", "result", "factor"),
    [((1, 0), 1.0, 1.0), ((4, 0), 1.0, 2.0), ((2, 2), 0.5, 1.0), ((0, 1), 0.0, 1.0), ((0, 9), 0.0, 3.0)],
)
def test_elo_moves_by_the_surprise_times_the_root_of_the_goal_difference(make_match: Make, goals, result, factor):
    surprise = result - 1.0 / (1.0 + 10.0 ** (-65.0 / 400.0))
    # K is doubled in a club's first match.
    expected = [1500.0 + 32.0 * factor * surprise + 65.0 + 0.4 * surprise, 1500.0 - 32.0 * factor * surprise]
    assert last([make_match(0, "a", "b", goals), make_match(1, "a", "b")], Elo) == pytest.approx(expected, abs=1e-9)


def test_elo_of_a_newcomer_is_that_of_its_division_and_lower_where_the_others_are_known(make_match: Make):
    second = {"tier": 2.0, "competition_id": "two"}
    assert last([make_match(0, "a", "b", **second)], Elo) == [1390.0 + 65.0, 1390.0]
    known = [make_match(0, "a", "b", (1, 1), **second), make_match(400, "c", "d", season=2021, **second)]
    assert last(known, Elo)[1] == 1290.0


def test_elo_points_travel_with_a_promoted_club(make_match: Make):
    rows = [
        make_match(0, "a", "b", (1, 0), tier=2.0, competition_id="two"),
        make_match(1, "c", "a", tier=2.0, competition_id="two"),
        make_match(400, "c", "a", season=2021),
    ]
    said = replay(pd.DataFrame(rows), Elo)["elo_away"]
    assert said.iloc[1] == said.iloc[2] > 1390.0


def test_goals_move_along_the_residuals(make_match: Make):
    home_rate, away_rate = math.exp(0.1 + 0.25), math.exp(0.1)
    home, away = 3 - home_rate, 1 - away_rate
    # The step is three times the usual in the first match of both clubs.
    step = 0.0175 * 3
    level, advantage = 0.1 + 0.003 * (home + away) / 2, 0.25 + 0.0008 * (home - away)
    expected = [level + advantage + 2 * step * home, level + 2 * step * away]
    # Attack of one and defence of the other both move by a step of the same residual.
    assert last([make_match(0, "a", "b", (3, 1)), make_match(1, "a", "b")], Goals) == pytest.approx(expected, abs=1e-12)


def test_goals_shrink_in_summer_and_shift_with_the_division(make_match: Make):
    played = make_match(0, "a", "b", (3, 1))
    same = last([played, make_match(1, "a", "b")], Goals)
    level_home, level_away = last([played, make_match(1, "x", "y")], Goals)
    next_season = last([played, make_match(300, "a", "b", season=2021)], Goals)
    # b keeps .87 of its ratings, a too; the level and the home advantage do not change.
    assert next_season == pytest.approx(
        [level_home + 0.87 * (same[0] - level_home), level_away + 0.87 * (same[1] - level_away)], abs=1e-12
    )
    two_later = last([played, make_match(700, "a", "b", season=2022)], Goals)
    assert two_later[0] - level_home == pytest.approx(0.87**2 * (same[0] - level_home), abs=1e-12)
    # The same club a division lower is .22 better in attack and defence, against a newcomer of that division.
    stays = last([played, make_match(300, "a", "new", season=2021)], Goals)
    relegated = last([played, make_match(300, "a", "new", season=2021, tier=2.0)], Goals)
    assert [r - s for r, s in zip(relegated, stays, strict=True)] == pytest.approx([0.22, -0.22], abs=1e-12)


def test_a_match_of_last_season_learnt_after_the_new_one_began_does_not_shrink_twice(make_match: Make):
    rows = [
        make_match(0, "a", "b", (1, 0)),
        make_match(300, "a", "b", (1, 0), season=2021),
        make_match(301, "a", "b", season=2020, match_id="late play-off"),
        make_match(301, "a", "b", season=2021, match_id="new season"),
    ]
    said = replay(pd.DataFrame(rows), Goals)
    assert said.loc["late play-off"].tolist() == said.loc["new season"].tolist()


SHOTS = {"home_shots": 12.0, "away_shots": 8.0, "home_shots_on_target": 6.0, "away_shots_on_target": 2.0}


def test_shots_count_one_off_target_half(make_match: Make):
    rows = [make_match(0, "x", "y", (0, 0), **SHOTS), make_match(1, "a", "b", (0, 0), **SHOTS), make_match(2, "a", "b")]
    home, away = (9 - math.exp(1.9 + 0.2)) / 8, (5 - math.exp(1.9)) / 8
    step = 0.08 * 4
    level, advantage = 1.9 + 0.002 * (home + away) / 2, 0.2 + 0.0008 * (home - away)
    assert last(rows, Shots) == pytest.approx([level + advantage + 2 * step * home, level + 2 * step * away], abs=1e-12)


@pytest.mark.parametrize("missing", SHOTS)
def test_a_match_without_shots_leaves_their_rating_untouched(make_match: Make, missing: str):
    rows = [make_match(0, "x", "y", (0, 0), **SHOTS), make_match(1, "a", "b", (0, 0), **SHOTS)]
    without = make_match(2, "a", "b", (9, 0), **(SHOTS | {missing: math.nan}))
    asked = make_match(3, "a", "b")
    assert last([*rows, without, asked], Shots) == last([*rows, asked], Shots)


def test_there_is_no_shots_rating_where_shots_were_never_counted(make_match: Make):
    rows = [
        make_match(0, "a", "b", (3, 0)),
        make_match(1, "x", "y", (0, 0), competition_id="other", **SHOTS),
        make_match(2, "a", "b"),
    ]
    assert all(math.isnan(value) for value in last(rows, Shots))


def test_experience_counts_known_results(make_match: Make):
    rows = [make_match(0, "a", "b", (1, 0)), make_match(1, "c", "a", (1, 0)), make_match(2, "a", "b")]
    assert last(rows, Experience) == [2.0, 1.0]
