"""The feature matrix: ratings and warehouse features of every match, side by side.

Belongs here: which ratings are replayed and what is computed across them. Does not belong here: anything that looks
at another match; that is a rating's work (`ratings`), in the replay, or the warehouse's, in SQL.
"""

from typing import Final

import pandas as pd

from pipelines.forecast import contract
from pipelines.forecast.memory import remember
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


def rate(matches: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """All ratings and memories of all matches, each as it stood at the match's `as_of`.

    Parameters
    ----------
    matches
        `contract.MATCH_COLUMNS`, in any row order.
    quotes
        `contract.MARKET_COLUMNS` and `contract.TOTAL_COLUMNS` by column or index `match_id`; a match may be missing. Only
        the memories see them.

    Returns
    -------
    DataFrame
        (n matches, all columns of `contract.RATINGS`, then of `contract.MEMORIES`), float64, index `match_id`, ordered by
        `as_of`, then `match_id`.
    """
    timeline = Timeline.of(matches)
    ratings = [replay(timeline, rating) for rating in RATINGS.values()]
    return pd.concat([*ratings, standings(timeline), remember(timeline, quotes)], axis=1)


def assemble(matches: pd.DataFrame, ratings: pd.DataFrame, warehouse_features: pd.DataFrame) -> pd.DataFrame:
    """Join what is known of every match, played or not, before it: training and prediction are the same rows.

    Parameters
    ----------
    matches
        One row per match with `match_id`.
    ratings
        What `rate` returns.
    warehouse_features
        `contract.WAREHOUSE_FEATURES` by column or index `match_id`; other columns are ignored.

    Returns
    -------
    DataFrame
        (n matches, `contract.FEATURES`) of float64, NaN for what is not known, index `match_id`, in the order of
        `ratings`, which does not depend on the order of the other two.

    Raises
    ------
    ValueError
        If a match lacks its ratings or its warehouse features.
    """
    warehouse = warehouse_features.set_index("match_id") if "match_id" in warehouse_features else warehouse_features
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
    features = pd.DataFrame({name: columns[name] for name in contract.FEATURES}, index=order, dtype="float64")
    return features.rename_axis("match_id")
