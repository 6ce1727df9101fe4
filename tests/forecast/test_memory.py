"""What a match shows of its clubs, and what the memories make of it."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.forecast import contract
from pipelines.forecast.devig import devig
from pipelines.forecast.memory import SIDE_RESTLESS, drive, log_odds, performance, price, probabilities_of, remember, surprise
from pipelines.forecast.replay import MEASURES, Timeline
from pipelines.forecast.standings import standings

QUOTES = list(contract.MARKET_COLUMNS)
TOTALS = [name for name in QUOTES if name.endswith(("over", "under"))]
COUNTED = dict.fromkeys(MEASURES, 0.0)


def quote(**given: float) -> dict[str, float]:
    return dict.fromkeys(QUOTES, math.nan) | given


def closing(home: float, draw: float, away: float) -> dict[str, float]:
    return quote(closing_odds_home=home, closing_odds_draw=draw, closing_odds_away=away)


def test_a_price_is_the_closing_one_else_the_one_before():
    both = closing(2.0, 4.0, 4.0) | {"pre_match_odds_home": 4.0, "pre_match_odds_draw": 4.0, "pre_match_odds_away": 2.0}
    before = both | {"closing_odds_home": math.nan}
    prices = price(pd.DataFrame([both, before, quote()], index=["both", "before", "none"]))
    assert prices.loc["both", "side"] == pytest.approx(math.log(2.0), abs=1e-12)
    assert prices.loc["before", "side"] == pytest.approx(-math.log(2.0), abs=1e-12)
    assert prices.loc["both", "draw"] == pytest.approx(-math.log(2.0) / 2.0, abs=1e-12)
    assert prices.loc["none"].isna().all()


def test_pinnacles_closing_price_goes_before_the_average_and_has_no_totals():
    both = closing(2.0, 4.0, 4.0) | {
        **dict(zip([f"pinnacle_closing_odds_{name}" for name in contract.OUTCOMES], (4.0, 4.0, 2.0), strict=True)),
        **{"closing_odds_over": 2.0, "closing_odds_under": 2.0},
    }
    typo = both | {"pinnacle_closing_odds_draw": math.nan}
    prices = price(pd.DataFrame([both, typo], index=["both", "typo"]))
    assert prices["side"].tolist() == pytest.approx([-math.log(2.0), math.log(2.0)], abs=1e-12)
    assert prices["total"].tolist() == pytest.approx([0.0, 0.0], abs=1e-12)


def test_the_total_has_quotes_of_its_own():
    closed = quote(closing_odds_over=4.0, closing_odds_under=4.0 / 3.0, pre_match_odds_over=2.0, pre_match_odds_under=2.0)
    prices = price(pd.DataFrame([closed, closed | {"closing_odds_under": math.nan}]))
    assert prices["total"].tolist() == pytest.approx([-math.log(3.0), 0.0], abs=1e-12)
    assert prices["side"].isna().all()


@given(st.floats(-6.0, 6.0), st.floats(-3.0, 1.0))
def test_log_odds_and_probabilities_are_inverse(side, draw):
    p = probabilities_of(np.array([side]), np.array([draw]))
    assert p.sum() == pytest.approx(1.0, abs=1e-12)
    assert [float(x[0]) for x in log_odds(p)] == pytest.approx([side, draw], abs=1e-9)


def test_performance_counts_goals_shots_corners_and_cards(make_match):
    scores = {"goals": (3, 0), "shots": (13, 3), "shots_on_target": (6, 1), "corners": (7, 3), "yellow_cards": (1, 2)}
    counts = {f"{side}_{name}": float(values[i]) for name, values in scores.items() for i, side in enumerate(("home", "away"))}
    reds = {"home_red_cards": 0.0, "away_red_cards": 1.0}
    timeline = Timeline.of(pd.DataFrame([make_match(0, "a", "b", (3, 0), **(counts | reds)), make_match(1, "a", "b", (3, 0))]))
    value, counted = performance(timeline)
    evidence = 0.024 * 3 + 0.007 * 2 + 0.003 * 5 + 0.002 * 10 + 0.0025 * 4 + 0.02 * math.log(15 / 5) + 0.007 + 0.003
    assert counted.tolist() == [True, False]
    assert value.tolist() == pytest.approx([(evidence - 0.0052) / 0.0433, (0.026 * 3 + 0.008 * 2 + 0.0005) / 0.0228], abs=1e-12)


def test_a_coming_match_has_neither_performance_nor_surprise(make_match):
    timeline = Timeline.of(pd.DataFrame([make_match(0, "a", "b")]))
    assert np.isnan(performance(timeline)[0]).all()
    assert surprise(timeline, np.array([0.3]), np.array([np.nan])).tolist() == [0.0]


def test_a_surprise_is_what_the_price_did_not_expect(make_match):
    """A draw away at a strong club surprises in favour of the guests, a narrow home win of theirs hardly at all."""
    rows = [make_match(0, "strong", "weak", (0, 0)), make_match(1, "strong", "weak", (1, 0)), make_match(2, "x", "y", (0, 0))]
    draw, win, even = surprise(Timeline.of(pd.DataFrame(rows)), np.array([1.4, 1.4, 0.0]), np.full(3, np.nan))
    usual = 0.02374 * 1.4 + 0.00374 * -0.05 * 1.4 - 0.00075 * 1.4**2 - 0.00038
    assert [draw, win] == pytest.approx([-usual, 0.034 - usual], abs=1e-12)
    assert even == pytest.approx(0.00038, abs=1e-12)


def test_the_memory_of_prices_expects_the_price_again_and_moves_with_a_surprise(make_match):
    rows = [make_match(7 * k, "a", "b", (1, 0)) for k in range(30)]
    quotes = pd.DataFrame([closing(1.6, 4.0, 6.5)] * 30, index=[row["match_id"] for row in rows])
    usual = price(quotes)["side"].iloc[0]
    last = make_match(210, "a", "b")

    def said(goals: tuple[int, int]) -> pd.Series:
        matches = pd.DataFrame([*rows[:-1], make_match(203, "a", "b", goals), last])
        return remember(Timeline.of(matches), quotes).loc[last["match_id"]]

    heavy, narrow = said((0, 5)), said((1, 0))
    assert narrow["memory_side_unsteered"] == pytest.approx(usual, abs=0.02)
    assert heavy["memory_side_unsteered"] == narrow["memory_side_unsteered"], "without control only the price counts"
    assert heavy["memory_side"] < narrow["memory_side"] - 0.1
    assert heavy["memory_side_variance"] == narrow["memory_side_variance"]
    assert heavy["memory_side_restless_unsteered"] == narrow["memory_side_restless_unsteered"]
    assert heavy["memory_side_restless"] - narrow["memory_side_restless"] == pytest.approx(
        (SIDE_RESTLESS.control_strength + SIDE_RESTLESS.control_form * math.exp(-7 / SIDE_RESTLESS.form_days))
        * 2.0
        * (0.026 * -6 + 0.008 * -3),
        abs=1e-9,
    )
    assert heavy["memory_draw"] == pytest.approx(price(quotes)["draw"].iloc[0], abs=0.05)


def test_where_no_price_was_ever_known_play_takes_its_place_and_is_less_sure(make_match):
    rows = [make_match(7 * k, "a", "b", (3, 0)) for k in range(30)]
    last = make_match(210, "a", "b")
    timeline = Timeline.of(pd.DataFrame([*rows, last]))
    without = remember(timeline, pd.DataFrame(columns=QUOTES, dtype="float64")).loc[last["match_id"]]
    priced = remember(timeline, pd.DataFrame([closing(1.6, 4.0, 6.5)] * 30, index=[r["match_id"] for r in rows]))
    assert without["memory_side"] > 1.5
    assert without["memory_side_variance"] > 2 * priced.loc[last["match_id"], "memory_side_variance"]


def table(**changes: float) -> dict[str, float]:
    even = {f"{side}_{name}": 1.0 for side in ("home", "away") for name in ("at_stake", "n_open_lines")}
    return {"rounds_left": 1.0} | even | changes


def test_a_club_with_something_to_win_is_driven_the_more_the_later_it_is():
    dead = {"away_at_stake": 0.0, "away_n_open_lines": 0.0}
    rows = [
        table(),
        table(**dead),
        table(rounds_left=3.0, **dead),
        table(rounds_left=40.0, **dead),
        table(home_at_stake=math.nan),
    ]
    expected = [0.0, 0.74, 0.27 + 0.47 * math.exp(-1.0), 0.27 + 0.47 * math.exp(-19.5), 0.0]
    assert drive(pd.DataFrame(rows)).tolist() == pytest.approx(expected, abs=1e-12)
    swapped = pd.DataFrame(rows).rename(
        columns=lambda name: name.replace("home", "x").replace("away", "home").replace("x", "away")
    )
    np.testing.assert_array_equal(drive(swapped), -drive(pd.DataFrame(rows)))


def test_what_is_at_stake_explains_a_price_and_leaves_the_clubs_as_they_were(make_match):
    """A price that exceeds the usual by just what drives the clubs surprises nobody: the next season begins as if it were usual."""
    pairs = [("a", "b"), ("c", "d"), ("b", "c"), ("d", "a"), ("a", "c"), ("b", "d")]
    goals = [(1, 0), (0, 0), (2, 0), (0, 1), (0, 3), (1, 1)]

    def rows(competition: str) -> pd.DataFrame:
        return pd.DataFrame(
            [
                make_match(
                    (year - 2018) * 365 + day, h, a, score, season=year, match_id=f"{year}-{h}-{a}", competition_id=competition
                )
                for year in (2018, 2019, 2020)
                for day, ((h, a), score) in enumerate(zip(pairs, goals, strict=True))
            ]
        )

    ruled, unruled = rows("E2"), rows("nowhere")
    driven = pd.Series(drive(standings(ruled)), index=standings(ruled).index)
    assert driven["2019-b-d"] != 0.0
    usual = pd.DataFrame([closing(2.0, 4.0, 4.0)] * len(ruled), index=pd.Index(ruled["match_id"]))
    lifted = usual.copy()
    side, draw = log_odds(devig(usual[["closing_odds_home", "closing_odds_draw", "closing_odds_away"]].to_numpy()))
    p = probabilities_of(side + driven.loc[usual.index].to_numpy(), draw)
    lifted[["closing_odds_home", "closing_odds_draw", "closing_odds_away"]] = 1.0 / p
    ours = remember(Timeline.of(ruled), lifted)["memory_side_unsteered"]
    theirs = remember(Timeline.of(unruled), usual)["memory_side_unsteered"]
    np.testing.assert_allclose(ours - driven.loc[ours.index], theirs.loc[ours.index], atol=1e-9)


def test_nothing_known_after_a_cut_changes_what_was_remembered_before_it(world):
    matches, warehouse = world
    # Competitions with rules: what is at stake must not know more either.
    matches = matches.replace({"competition_id": {"here1": "E1", "here2": "E2", "there1": "D1", "there2": "D2"}})
    cut = matches["as_of"].quantile(0.6)
    late = (~(matches["known_at"] < cut)).to_numpy()
    random = np.random.default_rng(0)
    nonsense, quotes = matches.copy(), warehouse.set_index("match_id")
    nonsense.loc[late, list(MEASURES)] = random.integers(0, 40, (late.sum(), len(MEASURES))).astype(float)
    other = quotes.copy()
    other.loc[matches.loc[late, "match_id"], QUOTES] = random.uniform(2.9, 3.1, (late.sum(), len(QUOTES)))
    other.loc[matches.loc[late, "match_id"], TOTALS] = random.choice([1.85, np.nan], (late.sum(), 4))
    earlier = matches.loc[matches["as_of"] <= cut, "match_id"]
    ours, theirs = remember(Timeline.of(matches), quotes), remember(Timeline.of(nonsense), other)
    pd.testing.assert_frame_equal(ours.loc[earlier], theirs.loc[earlier], check_exact=True)
    assert (ours != theirs).any().all(), "the nonsense must be visible later in every column, or this test proves nothing"


def test_moves_are_how_earlier_prices_went_from_the_quote_before_to_the_closing_one(make_match):
    """The price of `first` rose by ln 2 for home; `bare` has no closing price, `asked` has one itself: neither says anything."""
    rows = [
        make_match(0, "a", "b", (1, 0), match_id="first"),
        make_match(7, "a", "b", (1, 0), match_id="bare"),
        make_match(14, "b", "a", match_id="asked"),
    ]
    before = {"pre_match_odds_home": 3.0, "pre_match_odds_draw": 3.0, "pre_match_odds_away": 3.0}
    moved = closing(2.0, 4.0, 4.0) | before
    quotes = pd.DataFrame([moved, quote(**before), moved], index=["first", "bare", "asked"])
    row = remember(Timeline.of(pd.DataFrame(rows)), quotes).loc["asked", list(contract.MEMORIES["moves"])]
    rose = math.log(2.0)
    assert row.tolist() == pytest.approx(
        [
            *(-0.4 * rose, -0.15 * rose, -0.05 * rose),
            *(0.4 * rose, 0.15 * rose, 0.05 * rose),
            *(0.02 * rose, 0.1 * rose, 0.002 * rose, 0.01 * rose),
            *(-0.3 * rose, 1.0),
        ],
        abs=1e-9,
    )


def test_what_is_remembered_of_a_match_does_not_depend_on_which_other_countries_are_read(world):
    """A day's forecasts are made from the countries that play: each must be, to the last bit, what a model learnt from."""
    matches, quotes = world
    here = matches[matches["country"] == "here"]
    alone = remember(Timeline.of(here), quotes)
    together = remember(Timeline.of(matches), quotes).loc[alone.index]
    pd.testing.assert_frame_equal(alone, together, check_exact=True)
    assert alone["country_innovation_slow"].std() > 0.0


def test_clubs_are_remembered_by_pinnacles_closing_price_where_it_is_known(make_match):
    rows = pd.DataFrame([make_match(day, "a", "b", (1, 1)) for day in range(3)])
    ids, timeline = pd.Index(rows["match_id"]), Timeline.of(rows)
    average = pd.DataFrame([closing(2.0, 4.0, 4.0)] * 3, index=ids)
    turned = pd.DataFrame([closing(4.0, 4.0, 2.0)] * 3, index=ids)
    beside = average.copy()
    beside[[f"pinnacle_closing_odds_{name}" for name in contract.OUTCOMES]] = [4.0, 4.0, 2.0]
    pd.testing.assert_frame_equal(remember(timeline, beside), remember(timeline, turned), check_exact=True)
    assert not remember(timeline, beside).equals(remember(timeline, average))
