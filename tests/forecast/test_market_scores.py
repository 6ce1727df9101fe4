"""Scores of markets, worked out by hand on a handful of matches."""

import math

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast import market_scores as ms
from pipelines.forecast.grid import MAX_GOALS, scoreline_grid
from pipelines.forecast.markets import asian_handicap, both_teams_score, over_under, settle


def quote(match_id: str, market: str, line: float = math.nan, **odds: float) -> dict[str, object]:
    blank = dict.fromkeys(("odds_home", "odds_draw", "odds_away", "odds_over", "odds_under"), math.nan)
    return {"match_id": match_id, "bookmaker": "average", "moment": "closing", "market": market, "line": line} | blank | odds


def played(make_match, results: list[tuple[int, int]], season: int, first: int) -> list[dict[str, object]]:
    return [make_match(first + k, "a", "b", goals, season=season, match_id=f"{season}-{k}") for k, goals in enumerate(results)]


NO_ODDS = pd.DataFrame([quote("another match", "1x2", odds_home=2.0, odds_draw=3.5, odds_away=4.0)])
RESULTS = [(2, 1), (0, 0), (0, 3)]


def judged(make_match, before: list[tuple[int, int]], odds: pd.DataFrame = NO_ODDS, results=tuple(RESULTS)) -> pd.DataFrame:
    """Scores of the results under one grid, expected goals 1.5 and 1.1, after a season of other results."""
    rows = played(make_match, before, 2020, 0) + played(make_match, list(results), 2021, 400)
    ids = pd.Index([f"2021-{k}" for k in range(len(results))])
    return ms.market_scores(np.repeat(GRID, len(results), axis=0), ids, pd.DataFrame(rows), odds)


GRID = scoreline_grid(1.5, 1.1, -0.05)


def test_log_loss_is_that_of_what_happened_in_each_market(make_match):
    scores = judged(make_match, [(1, 0)])["log_loss"]
    g = GRID[0]
    home, draw, away = np.tril(g, -1).sum(), np.trace(g), np.triu(g, 1).sum()
    over, both = over_under(GRID, [2.5]).win[0, 0], both_teams_score(GRID)[0]

    def mean(*p: float) -> float:
        return -sum(math.log(each) for each in p) / len(p)

    assert scores["home_draw_away"] == pytest.approx(mean(home, draw, away))
    assert scores["home_or_draw"] == pytest.approx(mean(1 - away, 1 - away, away))
    assert scores["draw_or_away"] == pytest.approx(mean(home, 1 - home, 1 - home))
    assert scores["over_2_5"] == pytest.approx(mean(over, 1 - over, over))
    assert scores["both_teams_score"] == pytest.approx(mean(both, 1 - both, 1 - both))
    assert scores["home_clean_sheet"] == pytest.approx(mean(1 - g[:, 0].sum(), g[:, 0].sum(), 1 - g[:, 0].sum()))
    assert scores["away_clean_sheet"] == pytest.approx(mean(1 - g[0].sum(), g[0].sum(), g[0].sum()))
    assert scores["correct_score"] == pytest.approx(mean(g[2, 1], g[0, 0], g[0, 3]))
    margins = [sum(g[x, y] for x in range(16) for y in range(16) if np.clip(x - y, -3, 3) == d) for d in (1, 0, -3)]
    assert scores["winning_margin"] == pytest.approx(mean(*margins))


def test_a_returned_stake_counts_nothing(make_match):
    scores = judged(make_match, [(1, 0)]).loc["draw_no_bet"]
    home, away = np.tril(GRID[0], -1).sum(), np.triu(GRID[0], 1).sum()
    p = home / (home + away)
    assert scores["n"] == 2
    assert scores["log_loss"] == pytest.approx(-(math.log(p) + math.log(1 - p)) / 2)


def test_more_goals_than_a_grid_holds_are_its_most(make_match):
    scores = judged(make_match, [(1, 0)], results=[(19, 0)])["log_loss"]
    assert scores["correct_score"] == pytest.approx(-math.log(max(GRID[0, MAX_GOALS, 0], 1e-12)))
    assert scores["home_draw_away"] == pytest.approx(-math.log(np.tril(GRID[0], -1).sum()))


def test_the_constant_is_the_frequency_of_earlier_seasons(make_match):
    """300 home wins and 100 draws before, filled up with 100 matches of the same and one spread over all 256 scores."""
    base = judged(make_match, [(1, 0)] * 300 + [(1, 1)] * 100)["base_log_loss"]
    draw = (100 + 100 * (100 + 16 / 256) / 401) / 500
    never = 100 * (1 / 256 / 401) / 500
    assert base["home_or_away"] == pytest.approx(-(2 * math.log(1 - draw) + math.log(draw)) / 3, abs=1e-12)
    assert base["correct_score"] == pytest.approx(-math.log(never), abs=1e-9)


def test_competitions_have_frequencies_of_their_own(make_match):
    rows = played(make_match, [(1, 0)] * 300, 2020, 0) + played(make_match, [(0, 0)], 2021, 400)
    other = [make_match(k, "c", "d", (0, 0), competition_id="two", match_id=f"other-{k}") for k in range(300)]
    base = ms.market_scores(GRID, pd.Index(["2021-0"]), pd.DataFrame(rows + other), NO_ODDS)["base_log_loss"]
    draw = 100 * (300 + 16 / 256) / 601 / 400
    assert base["home_or_away"] == pytest.approx(-math.log(draw), abs=1e-12)


def test_results_of_the_judged_season_change_no_constant(make_match):
    """What is judged under the constant changes, the constant does not: two equal results score alike."""
    before = [(1, 0)] * 300 + [(1, 1)] * 100
    one = judged(make_match, before, results=[(0, 0)])["base_log_loss"]
    three = judged(make_match, before, results=[(0, 0)] * 3)["base_log_loss"]
    pd.testing.assert_series_equal(one.dropna(), three.dropna())


def test_quotes_are_compared_on_the_matches_that_have_them(make_match):
    odds = pd.DataFrame(
        [
            quote("2021-0", "over_under_25", odds_over=2.0, odds_under=2.0),
            quote("2021-2", "over_under_25", odds_over=1.25, odds_under=5.0),
            quote("2021-1", "over_under_25", odds_over=2.0, odds_under=2.0) | {"moment": "pre_match"},
            quote("2021-1", "over_under_25", odds_over=2.0, odds_under=2.0) | {"bookmaker": "pinnacle"},
        ]
    )
    scores = judged(make_match, [(1, 0)], odds).loc["over_2_5"]
    over = over_under(GRID, [2.5]).win[0, 0]
    assert (scores["n"], scores["n_quoted"]) == (3, 2)
    assert scores["quoted_log_loss"] == pytest.approx(-math.log(over))
    assert scores["market_log_loss"] == pytest.approx(-(math.log(0.5) + math.log(0.8)) / 2)
    assert scores["difference"] == pytest.approx(scores["quoted_log_loss"] - scores["market_log_loss"])
    assert scores["difference_low"] <= scores["difference"] <= scores["difference_high"]


def test_a_handicap_is_scored_by_the_stake_that_was_decided(make_match):
    """−0.75 won by one: half won. −1 won by one: returned. +0.25 and a draw: half won. 0 and a defeat: lost."""
    results, lines = [(2, 1), (1, 0), (0, 0), (0, 3)], [-0.75, -1.0, 0.25, 0.0]
    odds = pd.DataFrame(
        [quote(f"2021-{k}", "asian_handicap", line, odds_home=2.5, odds_away=5 / 3) for k, line in enumerate(lines)]
    )
    scores = judged(make_match, [(1, 0)], odds, results=results).loc["asian_handicap"]
    p = asian_handicap(GRID, lines).probability[0]
    assert scores["n"] == 3
    assert scores["log_loss"] == pytest.approx(-(0.5 * math.log(p[0]) + 0.5 * math.log(p[2]) + math.log(1 - p[3])) / 2)
    assert scores["market_log_loss"] == pytest.approx(-(0.5 * math.log(0.4) + 0.5 * math.log(0.4) + math.log(0.6)) / 2)
    assert scores["base_log_loss"] == pytest.approx(-math.log(0.5))


def test_in_expectation_a_handicap_scores_best_at_the_probability_that_its_price_states():
    """Otherwise a forecaster could gain by saying something else than it believes."""
    for line in (-1.25, -1.0, -0.75, 0.0, 0.25):
        best = asian_handicap(GRID, [line]).probability[0, 0]
        x, y = np.divmod(np.arange(256), 16)
        settled = settle(x - y, line)

        def expected(q: float, settled=settled) -> float:
            return float(GRID.ravel() @ -(settled.win * math.log(q) + settled.lose * math.log(1 - q)))

        assert expected(best) < min(expected(best - 0.01), expected(best + 0.01))


def test_how_often_lines_were_covered_before_is_the_handicaps_constant(make_match):
    before = [(1, 0)] * 300 + [(0, 1)] * 100
    rows = [quote(f"2020-{k}", "asian_handicap", -0.5, odds_home=2.0, odds_away=2.0) for k in range(400)]
    odds = pd.DataFrame([*rows, quote("2021-0", "asian_handicap", 0.5, odds_home=2.0, odds_away=2.0)])
    scores = judged(make_match, before, odds).loc["asian_handicap"]
    assert scores["base_log_loss"] == pytest.approx(-math.log((300 + 50) / 500))


def test_without_quotes_there_is_no_comparison_and_no_handicap(make_match):
    scores = judged(make_match, [(1, 0)])
    assert scores.columns.tolist() == list(ms.COLUMNS)
    assert (scores["n_quoted"] == 0).all()
    assert scores["difference"].isna().all()
    assert scores.loc["asian_handicap", ["n", "n_quoted"]].tolist() == [0.0, 0.0]
    assert scores.drop("asian_handicap")[["log_loss", "base_log_loss"]].notna().all(axis=None)


def test_every_score_belongs_to_one_outcome_of_each_market():
    for name, outcome in ms.OUTCOMES_OF.items():
        assert outcome.shape == (256,), name
        assert set(outcome[outcome >= 0]) == set(range(outcome.max() + 1)), name
        assert (outcome.min() == -1) == (name == "draw_no_bet"), name


def test_a_match_without_a_result_cannot_be_scored(make_match):
    rows = [make_match(0, "a", "b", (1, 0)), make_match(400, "a", "b", season=2021, match_id="coming")]
    with pytest.raises(ValueError, match="played"):
        ms.market_scores(GRID, pd.Index(["coming"]), pd.DataFrame(rows), NO_ODDS)
