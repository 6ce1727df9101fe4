"""Which matches a model may learn from before it forecasts a season.

Belongs here: the one way in which data is divided, by time. Does not belong here: any shuffled or random division;
there is none in this project.
"""

from collections.abc import Iterable, Iterator, Mapping
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


def begins_late(matches: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(n,) whether a match's competition begins this season after June, as it does where a season runs into the next year.

    Parameters
    ----------
    matches
        `competition_id`, `season` and `as_of` of each match, in any order.
    """
    begins = matches.groupby(["competition_id", "season"], sort=False)["as_of"].transform("min")
    return np.asarray(begins.dt.month >= 7, dtype=bool)


def judged_seasons(n_played: Mapping[int, int], n: int) -> list[int]:
    """The last `n` seasons that are half played, and what has begun since, the earliest first.

    In August a season is a few matches, and in spring it is those of the leagues that follow the calendar year: such a one is
    judged besides, and counts for none. Half played is one with half the matches of the season before.

    Parameters
    ----------
    n_played
        Matches played by season.
    """
    judged: list[int] = []
    n_half_played = 0
    for season in sorted(n_played, reverse=True):
        if n_half_played == n:
            break
        judged.append(season)
        n_half_played += 2 * n_played[season] >= n_played.get(season - 1, 0)
    return judged[::-1]


def walk_forward(
    matches: pd.DataFrame, seasons: Iterable[int], n_seasons: int | None = None, *, apart: npt.NDArray[np.bool_] | None = None
) -> Iterator[Split]:
    """For each season, the matches of earlier seasons whose results were known before its first forecast.

    Seasons overlap (2019/20 ended after 2020/21 had begun in other leagues, and calendar-year leagues begin in the
    middle of the others): a match of an earlier season that became known too late is in neither part.

    Parameters
    ----------
    matches
        `status`, `season`, `as_of`, `known_at` and both goals of each match, in any order.
    seasons
        Start years to be forecast, each with all its played matches; a season without any is passed over.
    n_seasons
        How many earlier seasons to learn from; all if None.
    apart
        (n,) which matches are forecast apart from the others of their season, from what was known before their own first
        forecast: a season is then two splits, without those that have nothing to forecast.
    """
    played = is_played(matches)
    season = matches["season"].to_numpy(dtype=np.int64)
    parts = [np.ones(len(matches), dtype=bool)] if apart is None else [~apart, apart]
    for test_season in seasons:
        earlier = played & (season < test_season)
        if n_seasons is not None:
            earlier &= season >= test_season - n_seasons
        for part in parts:
            test = played & (season == test_season) & part
            if test.any():
                train = earlier & (matches["known_at"] < matches["as_of"][test].min()).to_numpy(dtype=bool)
                yield Split(test_season, train, test)
