"""Season simulation: what is left to play, and the table against an enumeration of all its ends."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.forecast.grid import MAX_GOALS, scoreline_grid
from pipelines.forecast.season import NotSimulated, Outlook, Schedule, schedule, simulate


def league(make_match, clubs: str, season: int, times: int = 1, played: int | None = None) -> list[dict[str, object]]:
    """A round-robin in a fixed order, two days a match; of `played` matches the result is known, 1–0 each."""
    pairs = [(h, a) for _ in range(times) for h in clubs for a in clubs if h != a]
    first = 580 + 400 * (season - 2021)
    return [
        make_match(first + k, h, a, (1, 0) if played is None or k < played else None, season=season, match_id=f"{season}-{k:03d}")
        for k, (h, a) in enumerate(pairs)
    ]


def names(made: Schedule) -> list[str]:
    return [made.clubs[h] + made.clubs[a] for h, a in zip(made.home, made.away, strict=True)]


def made(rows: list[dict[str, object]], season: int = 2021, day: int = 580 + 10) -> Schedule | NotSimulated:
    """The schedule at noon before the matches of that day; day 580 is the first of 2021's."""
    return schedule(pd.DataFrame(rows), "one", season, pd.Timestamp("2020-01-01T00:00Z") + pd.Timedelta(days=day))


def test_the_pairings_left_are_those_not_played_and_the_table_counts_the_others(make_match):
    rows = league(make_match, "abcd", 2020) + league(make_match, "abcd", 2021, played=10)
    rows[12] |= {"home_goals": 2.0, "away_goals": 2.0}  # a–b of the second season
    left = made(rows)
    assert left.clubs == ("a", "b", "c", "d")
    assert names(left) == ["db", "dc"]
    # a: 2–2, 1–0, 1–0 at home, three defeats away; b: three wins at home.
    assert left.points.tolist() == [7, 10, 9, 3]
    assert left.goal_difference.tolist() == [2 - 3, 3 - 1, 3 - 2, 1 - 3]
    assert left.goals.tolist() == [4, 5, 3, 1]


def test_what_is_known_later_does_not_count(make_match):
    rows = league(make_match, "abcd", 2020) + league(make_match, "abcd", 2021)
    early, late = made(rows, day=580 + 4), made(rows, day=580 + 5)
    assert len(early.home) == 8
    assert len(late.home) == 7
    assert early.points.sum() == 12
    assert made(rows, day=1000).home.tolist() == []


def test_a_result_counts_only_after_the_moment_at_which_it_became_known(make_match):
    rows = league(make_match, "abcd", 2020) + league(make_match, "abcd", 2021)
    known_at = pd.Timestamp(rows[12]["known_at"])
    for moment, n_left in ((known_at, 12), (known_at + pd.Timedelta(seconds=1), 11)):
        assert len(schedule(pd.DataFrame(rows), "one", 2021, moment).home) == n_left


def test_how_the_season_before_ended_counts_only_once_it_is_known(make_match):
    """Seasons overlap: 2019/20 ended after others had begun. A split that is still to come cannot be known."""
    rows = league(make_match, "abcd", 2020) + league(make_match, "abcd", 2021)
    late = [make_match(590 + k, h, a, (1, 0), season=2020, match_id=f"late{k}") for k, (h, a) in enumerate(["ab", "ba", "cd"])]
    assert isinstance(made(rows + late, day=580 + 5), Schedule)
    assert isinstance(made(rows + late, day=580 + 40), NotSimulated)


def test_a_quadruple_round_robin_is_seen_in_the_season_before(make_match):
    rows = league(make_match, "abcd", 2020, times=2) + league(make_match, "abcd", 2021, times=2, played=14)
    left = made(rows, day=580 + 14)
    assert len(left.home) == 10
    assert sorted(names(left)) == sorted(["ad", "ba", "bc", "bd", "ca", "cb", "cd", "da", "db", "dc"])


def test_promotion_and_relegation_change_the_clubs(make_match):
    left = made(league(make_match, "abcd", 2020) + league(make_match, "bcde", 2021, played=10))
    assert left.clubs == ("b", "c", "d", "e")


def test_a_league_that_grew_is_simulated_once_every_club_has_been_seen_three_times(make_match):
    rows = league(make_match, "abcd", 2020) + league(make_match, "abcde", 2021)
    # The fortnight after day 570 holds four matches of the first club, one of each other; after day 580 nearly all.
    assert made(rows, day=570) == NotSimulated("5 clubs have appeared so far, 4 took part in the season before")
    assert len(made(rows, day=580).home) == 20


def test_guests_of_a_play_off_are_no_part_of_the_league(make_match):
    """A few leagues' files hold relegation matches against clubs of the division below."""
    rows = league(make_match, "abcdef", 2020) + league(make_match, "abcdef", 2021)
    guests = [make_match(900 + k, h, a, (0, 0), season=2021, match_id=f"x{k}") for k, (h, a) in enumerate(["fx", "xf"])]
    over = made(rows + guests, day=960)
    assert over.clubs == tuple("abcdef")
    assert over.home.tolist() == []
    assert over.points.sum() == 90


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        pytest.param([], "no earlier season", id="a first season"),
        pytest.param(["ab", "cd", "ac", "bd", "ad", "bc"], "no plain round-robin", id="each pair meets once"),
        pytest.param([h + a for h in "abcd" for a in "abcd" if h != a] + ["ab", "ba"], "no plain round-robin", id="a split"),
        pytest.param(["ab", "ba", "cd", "dc", "ac"], "no plain round-robin", id="given up half-way"),
    ],
)
def test_other_forms_are_named_and_not_simulated(make_match, before, reason):
    rows = [make_match(k, *pair, (1, 0), match_id=f"before{k}") for k, pair in enumerate(before)]
    result = made(rows + league(make_match, "abcd", 2021, played=5))
    assert isinstance(result, NotSimulated)
    assert reason in result.reason


def test_a_split_that_comes_in_this_season_is_noticed_when_clubs_meet_once_more(make_match):
    rows = league(make_match, "abcd", 2020) + league(make_match, "abcd", 2021)
    again = make_match(580 + 12, "a", "b", (1, 0), season=2021, match_id="again")
    assert isinstance(made([*rows, again], day=580 + 12), Schedule)
    assert "more often" in made([*rows, again], day=580 + 14).reason


def test_an_earlier_season_cut_short_still_shows_its_form(make_match):
    left = made(league(make_match, "abcd", 2020, played=10) + league(make_match, "abcd", 2021, played=10))
    assert len(left.home) == 2


def test_a_void_match_is_not_played_again(make_match):
    rows = league(make_match, "abcd", 2020) + league(make_match, "abcd", 2021, played=10)
    rows[12] |= {"status": "void", "home_goals": np.nan, "away_goals": np.nan}
    left = made(rows)
    assert names(left) == ["db", "dc"]
    assert left.points[0] == 6


def test_a_season_of_which_nothing_is_known_has_no_outlook(make_match):
    rows = league(make_match, "abcd", 2020) + league(make_match, "abcd", 2021, played=0)
    assert made(rows, day=580 - 40) == NotSimulated("no match of the season is known")
    assert isinstance(made(rows, day=580 - 1), Schedule)


def tiny(pairs: list[tuple[int, int]], n_clubs: int, points=None, difference=None, goals=None) -> Schedule:
    zero = [0] * n_clubs
    home, away = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    standing = [np.array(values or zero, dtype=np.int64) for values in (points, difference, goals)]
    return Schedule(tuple("abcdefgh"[:n_clubs]), *standing, home, away)


def enumerated(left: Schedule, scores: list[list[tuple[int, int, float]]]) -> np.ndarray:
    """(clubs, places) by going through every combination of scores; level clubs share their places."""
    n = len(left.clubs)
    places = np.zeros((n, n))
    for combination in product(*scores):
        weight, table = 1.0, [[left.points[c], left.goal_difference[c], left.goals[c]] for c in range(n)]
        for (x, y, p), h, a in zip(combination, left.home, left.away, strict=True):
            weight *= p
            for club, own, others in ((h, x, y), (a, y, x)):
                table[club][0] += 3 if own > others else 1 if own == others else 0
                table[club][1] += own - others
                table[club][2] += own
        for c in range(n):
            better, level = sum(t > table[c] for t in table), sum(t == table[c] for t in table)
            places[c, better : better + level] += weight / level
    return places


def by_club(outlook: Outlook) -> np.ndarray:
    return outlook.places.sort_index().to_numpy()


def test_simulated_places_are_those_of_an_enumeration_of_a_tiny_league():
    left = tiny([(0, 1), (1, 0), (0, 2), (2, 0), (1, 2)], 3, points=[1, 3, 0], difference=[-1, 2, -1], goals=[1, 3, 2])
    random = np.random.default_rng(8)
    scores, grid = [], np.zeros((5, MAX_GOALS + 1, MAX_GOALS + 1))
    for i in range(5):
        p = random.dirichlet([2, 2, 2, 2])
        scores.append([(*score, weight) for score, weight in zip([(1, 0), (1, 1), (0, 2), (3, 2)], p, strict=True)])
        for x, y, weight in scores[-1]:
            grid[i, x, y] = weight
    expected = enumerated(left, scores)
    outlook = simulate(left, grid, 1, n_seasons=100_000)
    # Four standard errors of a probability of a half.
    assert by_club(outlook) == pytest.approx(expected, abs=0.0064)
    table = outlook.table.sort_index()
    assert table["p_title"].tolist() == pytest.approx(expected[:, 0], abs=0.0064)
    assert table["p_relegated"].tolist() == pytest.approx(expected[:, 2], abs=0.0064)


def test_every_cell_of_a_grid_is_drawn_as_often_as_it_says():
    """A club's goals scored decide among clubs that are otherwise level: one place for each number of goals."""
    grid = np.zeros((1, MAX_GOALS + 1, MAX_GOALS + 1))
    weights = np.array([0.05, 0.5, 0.0, 0.25, 0.2])
    for goals, weight in enumerate(weights):
        grid[0, goals, goals] = weight
    # c to f have a point and drew 0, 1, 2 and 3 times a half goal more: a draw x–x puts a and b among them.
    left = tiny([(0, 1)], 6, points=[0, 0, 1, 1, 1, 1], goals=[0, 0, 1, 2, 3, 4])
    outlook = simulate(left, grid, 0, n_seasons=100_000)
    scores = [[(goals, goals, weight) for goals, weight in enumerate(weights)]]
    assert by_club(outlook) == pytest.approx(enumerated(left, scores), abs=0.0064)


def test_a_score_counts_for_both_sides():
    """1–3 makes the away side's three points, two goals ahead and three scored; the home side's none, two behind, one."""
    grid = np.zeros((1, MAX_GOALS + 1, MAX_GOALS + 1))
    grid[0, 1, 3] = 1.0
    # c and d frame the away side closely, e and f the home side.
    left = tiny([(0, 1)], 6, points=[0, 0, 3, 3, 0, 0], difference=[0, 0, 2, 2, -2, -2], goals=[0, 0, 4, 2, 2, 0])
    outlook = simulate(left, grid, 0, n_seasons=1)
    assert outlook.places.idxmax(axis=1).sort_values().index.tolist() == ["c", "b", "d", "e", "a", "f"]


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_places_sum_to_one_over_clubs_and_over_places(n_clubs, seed):
    random = np.random.default_rng(seed)
    pairs = [(h, a) for h in range(n_clubs) for a in range(n_clubs) if h != a and random.random() < 0.6]
    grid = scoreline_grid(random.uniform(0.3, 3.0, len(pairs)), random.uniform(0.3, 3.0, len(pairs)), -0.05)
    outlook = simulate(tiny(pairs, n_clubs), grid, min(2, n_clubs), n_seasons=700, seed=seed)
    assert outlook.places.sum(axis=0).to_numpy() == pytest.approx(1.0, abs=1e-9)
    assert outlook.places.sum(axis=1).to_numpy() == pytest.approx(1.0, abs=1e-9)
    assert outlook.table["p_title"].sum() == pytest.approx(1.0, abs=1e-9)
    assert outlook.table["p_top_four"].sum() == pytest.approx(min(4, n_clubs), abs=1e-9)
    assert outlook.table["p_relegated"].sum() == pytest.approx(min(2, n_clubs), abs=1e-9)


def test_a_decided_season_is_certain():
    left = tiny([], 4, points=[10, 30, 20, 20], difference=[-9, 9, 1, -1], goals=[5, 5, 5, 5])
    outlook = simulate(left, np.empty((0, MAX_GOALS + 1, MAX_GOALS + 1)), 1, n_seasons=50)
    assert outlook.table.index.tolist() == ["b", "c", "d", "a"]
    assert outlook.places.to_numpy().tolist() == np.eye(4).tolist()
    assert outlook.table["p_relegated"].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert outlook.table["expected_points"].tolist() == [30.0, 20.0, 20.0, 10.0]


def test_what_cannot_be_caught_up_is_certain_before_the_end():
    left = tiny([(1, 2), (2, 1)], 3, points=[20, 10, 10])
    outlook = simulate(left, scoreline_grid([1.5, 1.5], [1.0, 1.0]), 1, n_seasons=300)
    assert outlook.table.loc["a", ["p_title", "p_relegated"]].tolist() == [1.0, 0.0]
    assert 0.0 < outlook.table.loc["b", "p_relegated"] < 1.0


@pytest.mark.parametrize(
    ("standing", "order"),
    [
        pytest.param({"points": [1, 2], "difference": [9, -9], "goals": [9, 0]}, "ba", id="points first"),
        pytest.param({"points": [2, 2], "difference": [-1, -2], "goals": [0, 99]}, "ab", id="then goal difference"),
        pytest.param({"points": [2, 2], "difference": [-1, -1], "goals": [3, 4]}, "ba", id="then goals scored"),
    ],
)
def test_clubs_are_ranked_by_points_goal_difference_and_goals(standing, order):
    outlook = simulate(tiny([], 2, **standing), np.empty((0, MAX_GOALS + 1, MAX_GOALS + 1)), 1, n_seasons=1)
    assert outlook.places.loc[list(order)].to_numpy().tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_clubs_that_are_level_in_everything_share_their_places():
    left = tiny([], 4, points=[5, 3, 3, 3])
    places = by_club(simulate(left, np.empty((0, MAX_GOALS + 1, MAX_GOALS + 1)), 1, n_seasons=3))
    assert places[0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert places[1:] == pytest.approx(np.array([[0.0, 1 / 3, 1 / 3, 1 / 3]] * 3))


def test_expected_points_are_exact_and_simulated_ones_would_agree():
    left = tiny([(0, 1), (1, 0)], 2, points=[4, 0])
    outlook = simulate(left, scoreline_grid([1.5, 0.7], [1.5, 2.0]), 0, n_seasons=10)
    p = scoreline_grid([1.5, 0.7], [1.5, 2.0])
    home, draw = np.tril(p, -1).sum(axis=(1, 2)), np.trace(p, axis1=1, axis2=2)
    away = 1.0 - home - draw
    assert outlook.table.loc["a", "expected_points"] == pytest.approx(4 + 3 * (home[0] + away[1]) + draw.sum(), abs=1e-9)


def test_the_same_seed_gives_the_same_seasons():
    left, grid = tiny([(0, 1), (1, 2), (2, 0)], 3), scoreline_grid([1.5] * 3, [1.0] * 3)
    first = simulate(left, grid, 1, n_seasons=600)
    pd.testing.assert_frame_equal(first.places, simulate(left, grid, 1, n_seasons=600).places, check_exact=True)
    assert not first.places.equals(simulate(left, grid, 1, n_seasons=600, seed=1).places)


def test_grids_and_relegation_must_fit_the_league():
    left = tiny([(0, 1)], 2)
    with pytest.raises(ValueError, match="1 pairings are left and 2 grids"):
        simulate(left, scoreline_grid([1.0, 1.0], [1.0, 1.0]), 1)
    with pytest.raises(ValueError, match="3 of 2 clubs"):
        simulate(left, scoreline_grid(1.0, 1.0), 3)
