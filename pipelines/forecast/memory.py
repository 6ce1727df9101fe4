"""What clubs are remembered by: the prices of their earlier matches, and how they played.

Belongs here: what a match shows of two clubs, in numbers that a state-space filter can observe, and the dynamics of each
such number. Does not belong here: the filter (`statespace`), or what is made of a memory (`models`).

A price says more of a club than a result, and the next price moves with the result: a memory of prices is therefore
steered, after each match, by how much better its clubs played than the price had promised. Where a match had no price,
its play takes the price's place as a far noisier observation, so that clubs without odds are remembered too. The memory
of play alone has seen no odds and is for the information set `results`.

Late in a season a club to which a place is still open beats one for which everything is decided by more than their strengths
say, in prices as in play. What is at stake is known before a match: it is added to what is expected, and taken from what is
observed, so that a dead rubber does not make a club of the next season a weak one.

All dynamics, and the weights of what is counted in a match, were chosen on seasons up to 2018.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.forecast import contract
from pipelines.forecast.devig import devig
from pipelines.forecast.innovations import decayed
from pipelines.forecast.replay import Timeline
from pipelines.forecast.standings import standings
from pipelines.forecast.statespace import Dynamics, Series, recall

Array = npt.NDArray[np.float64]

SIDE: Final = Dynamics(
    noise=0.022,
    strength=0.22,
    strength_day=1.04e-4,
    strength_summer=0.068,
    shrink=0.947,
    promotion=0.17,
    tier_step=-0.83,
    form=0.0366,
    form_days=49.0,
    advantage=0.0028,
    advantage_day=7e-7,
    level=0.55,
    level_day=7.7e-6,
    level_summer=0.0027,
    control_strength=0.565,
    control_form=0.442,
)
"""ln(p_home/p_away) of the prices."""
SIDE_SLOW: Final = SIDE._replace(noise=0.06, form=0.0)
"""Without the transient: what the clubs are over years."""
SIDE_FAST: Final = SIDE._replace(form=0.09, form_days=25.0)
"""With a large one: what they were in the last weeks."""
SIDE_RESTLESS: Final = Dynamics(
    noise=0.035,
    strength_day=1.8e-4,
    strength_summer=0.153,
    shrink=0.89,
    promotion=0.078,
    tier_step=-0.83,
    form=0.049,
    form_days=31.0,
    advantage=0.004,
    advantage_day=1e-6,
    level=0.55,
    level_day=5.4e-6,
    level_summer=0.006,
    control_strength=0.59,
    control_form=0.4,
)
"""Where clubs change faster, and nothing is known of what is at stake: found independently of `SIDE`, a second opinion."""
PLAY: Final = Dynamics(
    noise=2.67,
    strength_day=8e-7,
    strength_summer=0.096,
    shrink=0.973,
    promotion=0.11,
    tier_step=-0.79,
    form=0.119,
    form_days=145.0,
    level=0.55,
    level_day=5.4e-6,
    level_summer=0.0015,
)
"""`performance`."""
DRAW: Final = Dynamics(
    noise=0.00525,
    sign=1.0,
    strength=0.0025,
    strength_day=1.35e-6,
    strength_summer=7.7e-4,
    shrink=0.798,
    form=7.1e-4,
    form_days=44.0,
    level=0.0,
    level_variance=0.01,
    level_day=1.46e-5,
    level_summer=0.0087,
)
"""ln(p_draw/√(p_home·p_away)) of the prices, less what the difference of the sides alone would give."""
TOTAL: Final = Dynamics(
    noise=0.0124,
    sign=1.0,
    strength=0.035,
    strength_day=9.2e-6,
    strength_summer=0.0018,
    shrink=0.929,
    level=-0.05,
    level_day=1.9e-5,
    level_summer=0.0028,
    form=0.0028,
    form_days=31.0,
)
"""Log-odds of more than 2.5 goals in the prices."""

CLOSING: Final = ("pinnacle_closing", "closing")
"""The quotes at kick-off to learn from, the best first. On 26,728 matches of the "new" leagues up to 2018 Pinnacle's lost
.00030 ± .00018 less than the average, and up to the summer of 2019 the main leagues have no others."""

PLAY_COUNTED: Final = 2.15
"""Noise variance of `performance` as an observation of ln(p_home/p_away), where shots were counted."""
PLAY_BARE: Final = 4.76
"""The same where only goals are known."""
USUAL_TOTAL: Final = -0.05
"""Log-odds of more than 2.5 goals where no price tells."""


def remember_play(timeline: Timeline, tables: pd.DataFrame) -> pd.DataFrame:
    """The memory of play for every match, as it stood at the match's `as_of`. It has seen no odds.

    Parameters
    ----------
    timeline
        The matches.
    tables
        What `standings` says of them.

    Returns
    -------
    DataFrame
        (n matches, `contract.RATINGS["play"]`) of float64, index `match_id`, in the order of the timeline.
    """
    played, counted = performance(timeline)
    driven = drive(tables)
    noise = np.where(counted, 1.0, PLAY_BARE / PLAY_COUNTED)
    ((expected, variance),) = recall(timeline, [Series(PLAY, played - driven, noise, np.zeros((len(played), 1)))])
    columns = dict(zip(contract.RATINGS["play"], (expected[:, 0] + driven, variance), strict=True))
    return pd.DataFrame(columns, index=timeline.match_id)


def remember(timeline: Timeline, quotes: pd.DataFrame) -> pd.DataFrame:
    """The memories of prices for every match, each as it stood at the match's `as_of`.

    Parameters
    ----------
    timeline
        The matches. A match teaches once, when its result is known, and its price with it.
    quotes
        `contract.MARKET_COLUMNS` by column or index `match_id`; a match may be missing.

    Returns
    -------
    DataFrame
        (n matches, all columns of `contract.MEMORIES`) of float64, index `match_id`, in the order of the timeline.
    """
    quotes = quotes.set_index("match_id") if "match_id" in quotes else quotes
    quotes = quotes.reindex(timeline.match_id)
    before, closing = price(quotes, ("pre_match",)), price(quotes, CLOSING)
    prices = closing.fillna(before)
    side, draw, total = (prices[name].to_numpy(dtype=np.float64) for name in ("side", "draw", "total"))
    played, counted = performance(timeline)
    driven = drive(standings(timeline))
    has_price = ~np.isnan(side)
    play_noise = np.where(counted, PLAY_COUNTED, PLAY_BARE)
    steer = np.where(has_price, surprise(timeline, side, total), 0.0)
    ones, nothing = np.ones(len(side)), np.zeros((len(side), 1))

    def of_side(dynamics: Dynamics, control: Array, expected: Array | float = driven) -> Series:
        noise = np.where(has_price, 1.0, play_noise / dynamics.noise)
        return Series(dynamics, np.where(has_price, side, played) - expected, noise, control)

    both = np.column_stack([steer, 0.0 * steer])
    steered, slow, fast, drawn, totals, restless = recall(
        timeline,
        [
            of_side(SIDE, both),
            of_side(SIDE_SLOW, steer[:, None]),
            of_side(SIDE_FAST, steer[:, None]),
            Series(DRAW, draw - _usual_draw(side), ones, nothing),
            Series(TOTAL, total, ones, nothing),
            of_side(SIDE_RESTLESS, both, 0.0),
        ],
    )
    columns = [
        *(steered[0][:, 0] + driven, steered[0][:, 1] + driven, steered[1]),
        *(slow[0][:, 0] + driven, slow[1]),
        *(fast[0][:, 0] + driven, fast[1]),
        drawn[0][:, 0] + _usual_draw(steered[0][:, 0] + driven),
        *(totals[0][:, 0], totals[1]),
        *(restless[0][:, 0], restless[0][:, 1], restless[1]),
        *decayed(timeline, side - restless[0][:, 0]).T,
        *decayed(timeline, closing["side"].to_numpy(dtype=np.float64) - before["side"].to_numpy(dtype=np.float64)).T,
    ]
    names = [name for names in contract.MEMORIES.values() for name in names]
    return pd.DataFrame(dict(zip(names, columns, strict=True)), index=timeline.match_id)


def drive(tables: pd.DataFrame) -> Array:
    """(n,) by how much what is at stake for home exceeds what is for away, in units of ln(p_home/p_away).

    0 where no table tells. The weights are least squares of prices on `memory_side` on seasons up to 2016.

    Parameters
    ----------
    tables
        What `standings` says of the matches.
    """
    lead = tables["home_at_stake"] - tables["away_at_stake"]
    has_more = tables["home_n_open_lines"].clip(upper=1.0) - tables["away_n_open_lines"].clip(upper=1.0)
    lateness = np.exp(-(tables["rounds_left"] - 1.0) / 2.0)
    driven = ((0.17 + 0.47 * lateness) * lead + 0.1 * has_more).to_numpy(dtype=np.float64)
    return np.asarray(np.nan_to_num(driven, nan=0.0))


def price(quotes: pd.DataFrame, moments: Sequence[str] = (*CLOSING, "pre_match")) -> pd.DataFrame:
    """What the market thought of each match, without its margin, at the first of the moments that has a usable quote.

    Parameters
    ----------
    quotes
        `contract.MARKET_COLUMNS`, of which each moment's are looked at; where a moment has no totals, they are not known of it.
    moments
        What the columns' names begin with.

    Returns
    -------
    DataFrame
        (n matches) `side`, `draw`, `total` as in `contract.MEMORIES`, NaN without a usable quote, index as given.
    """
    prices = pd.DataFrame(np.nan, index=quotes.index, columns=["side", "draw", "total"])
    for moment in moments:
        side, draw = log_odds(devig(quotes[[f"{moment}_odds_{name}" for name in contract.OUTCOMES]].to_numpy(dtype=np.float64)))
        totals = quotes.reindex(columns=[f"{moment}_odds_over", f"{moment}_odds_under"])
        over, under = devig(totals.to_numpy(dtype=np.float64)).T
        of_moment = {"side": side, "draw": draw, "total": np.log(over / under)}
        prices = prices.fillna(pd.DataFrame(of_moment, index=quotes.index))
    return prices


def log_odds(probabilities: Array) -> tuple[Array, Array]:
    """ln(p_home/p_away) and ln(p_draw/√(p_home·p_away)) of (n, 3) probabilities."""
    home, draw, away = np.log(probabilities).T
    return home - away, draw - (home + away) / 2.0


def probabilities_of(side: Array, draw: Array) -> Array:
    """(n, 3) probabilities, the inverse of `log_odds`."""
    weights = np.exp(np.column_stack([side / 2.0, draw, -side / 2.0]))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def performance(timeline: Timeline) -> tuple[Array, npt.NDArray[np.bool_]]:
    """How much better home played than away, in units of ln(p_home/p_away): an odds-free view of the sides.

    Returns
    -------
    tuple
        (n,) performance, NaN if the match has no score, and (n,) whether shots and corners are in it.
    """
    counted, bare = _evidence(timeline)
    is_counted = ~np.isnan(counted)
    return np.where(is_counted, (counted - 0.0052) / 0.0433, (bare + 0.0005) / 0.0228), is_counted


def surprise(timeline: Timeline, side: Array, total: Array) -> Array:
    """(n,) by how much better home played than a price of (n,) `side` and `total` lets expect, in the units of a price.

    0 where there is no score. The expectations are least squares on seasons up to 2016.
    """
    counted, bare = _evidence(timeline)
    lively = np.where(np.isnan(total), USUAL_TOTAL, total) * side
    of_counted = counted - (0.00511 + 0.04566 * side + 0.00462 * lively - 0.00177 * side * np.abs(side))
    of_bare = bare - (-0.00038 + 0.02374 * side + 0.00374 * lively - 0.00075 * side * np.abs(side))
    return np.nan_to_num(np.where(np.isnan(counted), of_bare, of_counted), nan=0.0)


def _evidence(timeline: Timeline) -> tuple[Array, Array]:
    """Weighted sum of what was counted in a match, home less away, and of its goals alone; NaN where something lacks.

    The weights say how far the clubs' next prices move; a club's goal tells less from the third on.
    """
    matches = timeline.matches

    def lead(name: str) -> Array:
        return np.asarray(matches[f"home_{name}"] - matches[f"away_{name}"])

    goals = lead("goals")
    counted = (
        0.024 * goals
        + 0.007 * np.clip(goals, -2.0, 2.0)
        + 0.003 * lead("shots_on_target")
        + 0.002 * lead("shots")
        + 0.0025 * lead("corners")
        + 0.02 * np.log((matches["home_shots"] + 2.0) / (matches["away_shots"] + 2.0))
        - 0.007 * lead("red_cards")
        - 0.003 * lead("yellow_cards")
    )
    return counted, 0.026 * goals + 0.008 * np.clip(goals, -2.0, 2.0)


def _usual_draw(side: Array) -> Array:
    """What ln(p_draw/√(p_home·p_away)) usually is at this difference of the sides; least squares up to 2016."""
    return np.asarray(-0.406172 + 0.017421 * side - 0.093414 * side**2 + 0.201515 * np.sqrt(1.0 + side**2))
