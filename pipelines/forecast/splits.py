"""Which matches a model may learn from before it forecasts a season.

Belongs here: the one way in which data is divided, by time. Does not belong here: any shuffled or random division;
there is none in this project.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd


@dataclass(frozen=True)
class Split:
    """Row masks of one step of a walk-forward comparison."""

    season: int
    train: npt.NDArray[np.bool_]
    test: npt.NDArray[np.bool_]


def is_played(matches: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(n,) whether a match has a result that can be learnt from or judged by."""
    known = matches[["home_goals", "away_goals", "known_at"]].notna().all(axis=1)
    return np.asarray((matches["status"] == "played") & known, dtype=bool)


def walk_forward(matches: pd.DataFrame, seasons: Iterable[int]) -> Iterator[Split]:
    """For each season, the matches of earlier seasons whose results were known before its first forecast.

    Seasons overlap (2019/20 ended after 2020/21 had begun in other leagues, and calendar-year leagues begin in the
    middle of the others): a match of an earlier season that became known too late is in neither part.

    Parameters
    ----------
    matches
        `status`, `season`, `as_of`, `known_at` and both goals of each match, in any order.
    seasons
        Start years to be forecast, each with all its played matches; a season without any is passed over.
    """
    played = is_played(matches)
    season = matches["season"].to_numpy(dtype=np.int64)
    for test_season in seasons:
        test = played & (season == test_season)
        if not test.any():
            continue
        earlier = played & (season < test_season)
        train = earlier & (matches["known_at"] < matches["as_of"][test].min()).to_numpy(dtype=bool)
        yield Split(test_season, train, test)
