"""The feature matrix and the labels: what is known of every match before it, and what can be learnt of it after.

Belongs here: which ratings are replayed and what is computed across them. Does not belong here: anything that looks
at another match; that is a rating's work (`ratings`), in the replay, or the warehouse's, in SQL.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import pandas as pd

from pipelines.forecast import contract
from pipelines.forecast.devig import devig
from pipelines.forecast.memory import CLOSING, PLAY_BARE, PLAY_COUNTED, log_odds, performance, price, remember_play
from pipelines.forecast.ratings import pi
from pipelines.forecast.ratings.elo import Elo
from pipelines.forecast.ratings.experience import Experience
from pipelines.forecast.ratings.goals import Goals
from pipelines.forecast.ratings.pi import Pi
from pipelines.forecast.ratings.shots import Shots
from pipelines.forecast.replay import Rating, Timeline, replay
from pipelines.forecast.standings import standings

RATINGS: Final[dict[str, type[Rating]]] = {"elo": Elo, "pi": Pi, "goals": Goals, "shots": Shots, "experience": Experience}
"""Every rating that is replayed, under the name that `contract.RATINGS` gives its columns."""


def rate(matches: pd.DataFrame) -> pd.DataFrame:
    """All ratings of all matches, each as it stood at the match's `as_of`.

    Parameters
    ----------
    matches
        `contract.MATCH_COLUMNS`, in any row order.

    Returns
    -------
    DataFrame
        (n matches, all columns of `contract.RATINGS`), float64, index `match_id`, ordered by `as_of`, then `match_id`.
    """
    timeline = Timeline.of(matches)
    # Compiled code lets other threads run: tables, and play that is remembered by them, take as long as all ratings.
    with ThreadPoolExecutor(1) as beside:
        tables = beside.submit(standings, timeline)
        play = beside.submit(lambda: remember_play(timeline, tables.result()))
        ratings = [replay(timeline, rating) for rating in RATINGS.values()]
    return pd.concat([*ratings, tables.result(), play.result()], axis=1)


def assemble(
    matches: pd.DataFrame, ratings: pd.DataFrame, warehouse_features: pd.DataFrame, quotes: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Join what is known of every match, played or not, before it: training and prediction are the same rows.

    Parameters
    ----------
    matches
        One row per match with `match_id`.
    ratings
        What `rate` returns and, if there are quotes, what `memory.remember` returns beside it.
    warehouse_features
        `contract.WAREHOUSE_FEATURES` by column or index `match_id`; other columns are ignored.
    quotes
        `contract.MARKET_COLUMNS`, `contract.MOVEMENT_COLUMNS` and `contract.QUOTES` by column or index `match_id`; a match may
        be missing. Only those before the match are looked at. None where nobody asks for more than the information set `results`.

    Returns
    -------
    DataFrame
        (n matches, `contract.FEATURES["market"]`, which has the other sets' in it, or without quotes those of `results`) of
        float64, NaN for what is not known, index `match_id`, in the order of `ratings`, which does not depend on the order
        of the others.

    Raises
    ------
    ValueError
        If a match lacks its ratings or its warehouse features.
    """
    warehouse = _by_match(warehouse_features)
    ids = pd.Index(matches["match_id"])
    for name, frame in (("ratings", ratings), ("warehouse features", warehouse)):
        missing = ids.difference(frame.index)
        if len(missing):
            raise ValueError(f"{len(missing)} matches have no {name}, the first is {missing[0]}")
    order = ratings.index if len(ratings) == len(ids) else ratings.index[ratings.index.isin(ids)]
    columns = ratings.loc[order].to_dict("series")
    columns |= warehouse.loc[order, list(contract.WAREHOUSE_FEATURES)].astype("float64").to_dict("series")
    columns["elo_difference"] = columns["elo_home"] - columns["elo_away"]
    columns["pi_expected_goal_difference"] = pi.expected_goals(columns["pi_home_at_home"]) - pi.expected_goals(
        columns["pi_away_away"]
    )
    columns["goals_log_rate_difference"] = columns["goals_log_rate_home"] - columns["goals_log_rate_away"]
    columns["shots_log_rate_difference"] = columns["shots_log_rate_home"] - columns["shots_log_rate_away"]
    columns["at_stake_difference"] = columns["home_at_stake"] - columns["away_at_stake"]
    columns["has_stake_difference"] = columns["home_n_open_lines"].clip(upper=1.0) - columns["away_n_open_lines"].clip(upper=1.0)
    if quotes is not None:
        for name in ("memory_side_slow", "memory_side_fast", "memory_side_unsteered"):
            columns[f"{name}_lead"] = columns[name] - columns["memory_side"]
        columns["play_lead"] = columns["play_expected"] - columns["memory_side"]
        views = {"slow": "memory_side_slow", "fast": "memory_side_fast", "unsteered": "memory_side_restless_unsteered"}
        for name, view in {**views, "play": "play_expected"}.items():
            columns[f"restless_{name}_lead"] = columns[view] - columns["memory_side_restless"]
        for pace in ("fast", "middle", "slow"):
            columns[f"innovation_{pace}_lead"] = columns[f"home_innovation_{pace}"] - columns[f"away_innovation_{pace}"]
        columns |= _of_quotes(_by_match(quotes).reindex(order)).to_dict("series")
    names = contract.FEATURES["results" if quotes is None else "market"]
    features = pd.DataFrame({name: columns[name] for name in names}, index=order, dtype="float64")
    return features.rename_axis("match_id")


def label(matches: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """What can be learnt of each match once it is over.

    Parameters
    ----------
    matches
        `contract.MATCH_COLUMNS`, in any row order.
    quotes
        `contract.MARKET_COLUMNS` by column or index `match_id`; a match may be missing.

    Returns
    -------
    DataFrame
        (n matches, `contract.LABELS["market"]`, which has the other sets' in it) of float64, index `match_id`, ordered as
        `rate` orders. What a match does not have is NaN.
    """
    timeline = Timeline.of(matches)
    quotes = _by_match(quotes).reindex(timeline.match_id)
    performances, counted = performance(timeline)
    prices, closing = price(quotes), price(quotes, moments=CLOSING)
    known_at = np.full(len(timeline.match_id), np.nan)
    known_at[timeline.results] = timeline.known_at[timeline.results] / _DAY
    labels = {
        **{name: timeline.matches[name].astype(np.float64) for name in ("season", "home_goals", "away_goals")},
        "asked_at": timeline.as_of / _DAY,
        "known_at": known_at,
        "performance": performances,
        "performance_weight": np.where(counted, 1.0, PLAY_COUNTED / PLAY_BARE),
        **{f"price_{name}": prices[name].to_numpy() for name in ("side", "draw")},
        **{f"closing_{name}": closing[name].to_numpy() for name in ("side", "draw")},
    }
    return pd.DataFrame(labels, index=timeline.match_id)[list(contract.LABELS["market"])]


def _by_match(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index("match_id") if "match_id" in frame else frame


def _of_quotes(quotes: pd.DataFrame) -> pd.DataFrame:
    """`contract.QUOTE_FEATURES` of (n) matches."""
    before = price(quotes, moments=("pre_match",))
    columns = {f"pre_match_{name}": before[name] for name in ("side", "draw", "total")}
    for name in ("pre_match", *contract.BOOKMAKERS):
        odds = quotes[[f"{name}_odds_{outcome}" for outcome in contract.OUTCOMES]].to_numpy(dtype=np.float64)
        with np.errstate(divide="ignore"):
            columns[f"{name}_overround"] = pd.Series((1.0 / odds).sum(axis=1), index=quotes.index)
        if name == "maximum":
            # The best prices of several bookmakers add up to little more than one, or less: no margin is left to remove.
            odds = odds * columns[f"{name}_overround"].to_numpy()[:, None]
        side, draw = log_odds(devig(odds))
        columns[f"{name}_side_lead"], columns[f"{name}_draw_lead"] = side - before["side"], draw - before["draw"]
    handicap = devig(quotes[["handicap_odds_home", "handicap_odds_away"]].to_numpy(dtype=np.float64))
    line = quotes["handicap_line"].astype("float64").where(lambda lines: lines.abs() <= MAX_HANDICAP)
    # Least squares on prices of the same matches up to 2018.
    implied = 0.047 - 1.431 * line + 0.923 * np.log(handicap[:, 0] / handicap[:, 1])
    columns["handicap_side_lead"] = implied - before["side"]
    (first_side, first_draw), (last_side, last_draw) = (
        log_odds(devig(quotes[[f"{end}_quote_odds_{outcome}" for outcome in contract.OUTCOMES]].to_numpy(dtype=np.float64)))
        for end in ("first", "last")
    )
    columns["movement_side"] = pd.Series(last_side - first_side, index=quotes.index)
    columns["movement_draw"] = pd.Series(last_draw - first_draw, index=quotes.index)
    return pd.DataFrame({name: columns[name] for name in contract.QUOTE_FEATURES}, index=quotes.index)


_DAY: Final = 86_400_000_000
MAX_HANDICAP: Final = 4.0
"""Goals of head start beyond which a line is a typing error."""
