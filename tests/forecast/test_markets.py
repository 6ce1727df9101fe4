"""Every market against what it must obey, and settlement against a slow and obvious reference."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.forecast import markets as m
from pipelines.forecast.grid import MAX_GOALS, outcome_probabilities, scoreline_grid, tilt

QUARTERS = [q / 4 for q in range(-24, 25)]
TOTALS = [q / 4 for q in range(1, 33)]

grids = st.builds(scoreline_grid, st.floats(0.05, 6.0), st.floats(0.05, 6.0), st.floats(-0.2, 0.1)) | st.builds(
    lambda home, away, p: tilt(scoreline_grid(home, away, -0.05), np.array([p]) / sum(p)),
    *(st.floats(0.2, 4.0), st.floats(0.2, 4.0), st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3)),
)


def certain(home: int, away: int) -> np.ndarray:
    """The grid of a match that is over."""
    grid = np.zeros((1, MAX_GOALS + 1, MAX_GOALS + 1))
    grid[0, home, away] = 1.0
    return grid


def settled_slowly(lead: Fraction) -> tuple[Fraction, Fraction, Fraction]:
    """(won, returned, lost) of a stake of 1 on a result that is `lead` ahead of its line, by the book.

    A lead of a quarter: half the stake wins, the other half, on the line a quarter farther, is met exactly.
    """
    half, nothing, whole = Fraction(1, 2), Fraction(0), Fraction(1)
    if lead >= half:
        return whole, nothing, nothing
    if lead == Fraction(1, 4):
        return half, half, nothing
    if lead == 0:
        return nothing, whole, nothing
    if lead == Fraction(-1, 4):
        return nothing, half, half
    return nothing, nothing, whole


def test_every_handicap_of_every_score_is_settled_by_the_book():
    for home in range(8):
        for away in range(8):
            shares = m.asian_handicap(certain(home, away), QUARTERS)
            for k, line in enumerate(QUARTERS):
                expected = settled_slowly(home - away + Fraction(line))
                assert (shares.win[0, k], shares.push[0, k], shares.lose[0, k]) == expected, (home, away, line)


def test_every_total_of_every_score_is_settled_by_the_book():
    for home in range(8):
        for away in range(8):
            shares = m.over_under(certain(home, away), TOTALS)
            for k, line in enumerate(TOTALS):
                expected = settled_slowly(home + away - Fraction(line))
                assert (shares.win[0, k], shares.push[0, k], shares.lose[0, k]) == expected, (home, away, line)


@pytest.mark.parametrize(
    ("score", "line", "won", "lost"),
    [
        pytest.param((1, 0), -1.0, 0.0, 0.0, id="-1 and a win by one: stake back"),
        pytest.param((1, 0), -0.75, 0.5, 0.0, id="-0.75 and a win by one: half won"),
        pytest.param((1, 0), -1.25, 0.0, 0.5, id="-1.25 and a win by one: half lost"),
        pytest.param((1, 1), 0.25, 0.5, 0.0, id="+0.25 and a draw: half won"),
        pytest.param((1, 1), -0.25, 0.0, 0.5, id="-0.25 and a draw: half lost"),
        pytest.param((0, 2), 2.5, 1.0, 0.0, id="+2.5 and a defeat by two: won"),
    ],
)
def test_the_sign_of_a_handicap_is_that_of_the_goals_given_to_the_home_side(score, line, won, lost):
    """A published library had it the other way round for years."""
    shares = m.asian_handicap(certain(*score), [line])
    assert (shares.win[0, 0], shares.lose[0, 0]) == (won, lost)


def test_a_line_that_is_no_quarter_is_refused():
    with pytest.raises(ValueError, match="quarter"):
        m.over_under(certain(1, 0), [2.4])


@given(grids)
def test_shares_are_never_negative_and_make_up_the_stake(grid):
    for shares in (m.asian_handicap(grid, QUARTERS), m.over_under(grid, TOTALS), m.draw_no_bet(grid)):
        for share in (shares.win, shares.push, shares.lose):
            assert (share >= 0.0).all()
        assert shares.win + shares.push + shares.lose == pytest.approx(1.0, abs=1e-12)


@given(grids)
def test_a_quarter_line_is_the_mean_of_its_two_halves(grid):
    for market, lines in ((m.asian_handicap, QUARTERS), (m.over_under, TOTALS)):
        whole = market(grid, lines)
        for share in (whole.win, whole.push, whole.lose):
            for k, line in enumerate(lines):
                if (line * 4) % 2 == 1 and 0 < k < len(lines) - 1:
                    assert share[0, k] == pytest.approx((share[0, k - 1] + share[0, k + 1]) / 2, abs=1e-14)


@given(grids)
def test_more_goals_given_never_make_a_bet_worse(grid):
    given_more, more_needed = m.asian_handicap(grid, QUARTERS), m.over_under(grid, TOTALS).opposite
    for shares in (given_more, more_needed):
        assert (np.diff(shares.win, axis=1) >= -1e-15).all()
        assert (np.diff(shares.lose, axis=1) <= 1e-15).all()
        assert (np.diff(shares.probability, axis=1) >= -1e-12).all()


@given(grids)
def test_home_with_a_handicap_and_away_with_the_opposite_one_are_the_two_sides_of_a_bet(grid):
    swapped = np.swapaxes(grid, 1, 2)
    home, away = m.asian_handicap(grid, QUARTERS), m.asian_handicap(swapped, [-line for line in QUARTERS])
    assert away.win == pytest.approx(home.lose, abs=1e-14)
    assert away.push == pytest.approx(home.push, abs=1e-14)
    assert home.probability + home.opposite.probability == pytest.approx(1.0, abs=1e-12)


@given(grids)
def test_swapping_the_sides_swaps_the_markets(grid):
    swapped = np.swapaxes(grid, 1, 2)
    assert m.over_under(swapped, TOTALS).win == pytest.approx(m.over_under(grid, TOTALS).win, abs=1e-14)
    assert m.both_teams_score(swapped) == pytest.approx(m.both_teams_score(grid), abs=1e-14)
    for market in (m.clean_sheets, m.expected_goals, m.expected_points):
        assert market(swapped) == pytest.approx(market(grid)[:, ::-1], abs=1e-12)
    assert m.winning_margin(swapped) == pytest.approx(m.winning_margin(grid)[:, ::-1], abs=1e-14)
    assert m.double_chance(swapped) == pytest.approx(m.double_chance(grid)[:, [2, 1, 0]], abs=1e-14)


@given(grids)
def test_markets_on_the_outcome_agree_with_home_draw_and_away(grid):
    p = outcome_probabilities(grid)
    assert m.double_chance(grid) == pytest.approx(1.0 - p[:, [2, 1, 0]], abs=1e-14)
    assert m.draw_no_bet(grid).probability == pytest.approx(p[:, 0] / (p[:, 0] + p[:, 2]), abs=1e-14)
    handicap = m.asian_handicap(grid, [-0.5, 0.0, 0.5])
    assert handicap.win[0] == pytest.approx([p[0, 0], p[0, 0], p[0, 0] + p[0, 1]], abs=1e-14)
    assert handicap.push[0] == pytest.approx([0.0, p[0, 1], 0.0], abs=1e-14)
    margin = m.winning_margin(grid)
    assert margin[0, m.MARGINS > 0].sum() == pytest.approx(p[0, 0], abs=1e-14)
    assert margin[0, m.MARGINS == 0] == pytest.approx(p[0, 1], abs=1e-14)


@given(grids)
def test_markets_on_goals_agree_with_each_other(grid):
    home, away = m.clean_sheets(grid)[0]
    # Somebody fails to score: the home side, the away side, both counted twice at 0–0.
    assert m.both_teams_score(grid)[0] == pytest.approx(1.0 - home - away + grid[0, 0, 0], abs=1e-12)
    totals = m.total_goals(grid)[0]
    assert totals.sum() == pytest.approx(1.0, abs=1e-12)
    assert totals @ m.TOTALS == pytest.approx(m.expected_goals(grid).sum(), abs=1e-10)
    assert m.over_under(grid, [2.5]).win[0, 0] == pytest.approx(totals[3:].sum(), abs=1e-14)
    assert m.winning_margin(grid)[0] @ m.MARGINS == pytest.approx(np.diff(m.expected_goals(grid))[0, 0] * -1, abs=1e-10)


def test_expected_goals_of_an_untilted_grid_are_those_it_was_made_of():
    assert m.expected_goals(scoreline_grid(1.7, 0.9, -0.1)) == pytest.approx(np.array([[1.7, 0.9]]), abs=1e-9)


def test_expected_points_count_three_for_a_win_and_one_for_a_draw():
    grid = 0.5 * certain(2, 1) + 0.3 * certain(0, 0) + 0.2 * certain(0, 3)
    assert m.expected_points(grid)[0] == pytest.approx([1.8, 0.9])


@given(grids, st.integers(1, 40))
def test_correct_scores_come_likeliest_first_and_the_rest_is_any_other(grid, k):
    scores, p, other = m.correct_scores(grid, k)
    assert scores.shape == (1, k, 2)
    assert (np.diff(p[0]) <= 0.0).all()
    assert p[0].tolist() == [grid[0, x, y] for x, y in scores[0]]
    assert 0.0 <= other[0] == pytest.approx(1.0 - p.sum(), abs=1e-12)
    named = {tuple(score) for score in scores[0].tolist()}
    assert len(named) == k
    assert max(grid[0, x, y] for x in range(16) for y in range(16) if (x, y) not in named) <= p[0, -1]


def test_equally_likely_scores_come_in_a_fixed_order():
    scores, p, other = m.correct_scores(0.5 * certain(1, 2) + 0.5 * certain(1, 0), 3)
    assert scores[0].tolist() == [[1, 0], [1, 2], [0, 0]]
    assert (p[0].tolist(), other[0]) == ([0.5, 0.5, 0.0], 0.0)


@given(grids, st.sampled_from(QUARTERS))
def test_a_bet_at_fair_odds_neither_wins_nor_loses_on_average(grid, line):
    shares = m.asian_handicap(grid, [line])
    if (p := shares.probability[0, 0]) > 1e-6:
        odds = 1.0 / p
        assert shares.win[0, 0] * (odds - 1.0) == pytest.approx(shares.lose[0, 0], abs=1e-9)


def test_a_stake_that_is_certainly_returned_has_no_price():
    assert np.isnan(m.asian_handicap(certain(1, 0), [-1.0]).probability[0, 0])


def test_each_match_may_have_its_own_line():
    grid = scoreline_grid([1.5, 0.8], [1.0, 1.9])
    own = m.asian_handicap(grid, [[-0.25], [0.75]])
    for i, line in enumerate((-0.25, 0.75)):
        shared = m.asian_handicap(grid, [line])
        assert own.win[i, 0] == pytest.approx(shared.win[i, 0], abs=1e-15)
        assert own.push[i, 0] == pytest.approx(shared.push[i, 0], abs=1e-15)
    total = m.over_under(grid, [[2.25], [3.0]])
    assert total.win[1, 0] == pytest.approx(m.over_under(grid, [3.0]).win[1, 0], abs=1e-15)
