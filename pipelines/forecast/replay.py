"""One replay for every sequential model: ask at `as_of`, learn at `known_at`.

Belongs here: the order of events in time, and the protocol that a rating follows. Does not belong here: what any
rating believes (`ratings/`). That no forecast has seen its own match, or anything later, is a property of this one
function: a result counts for a match iff its `known_at` is strictly before that match's `as_of`.

The loop runs compiled by numba, and so do the three functions of a rating; they are cached beside their source, so
that only the first run after a change pays for compilation. numba notices a change of the file that holds a
function, not of what the function calls: therefore the three call nothing of this project.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

MATCH: Final = np.dtype(
    [
        ("home", np.int64),
        ("away", np.int64),
        ("competition", np.int64),
        ("country", np.int64),
        ("season", np.int64),
        ("tier", np.float64),
        ("home_goals", np.float64),
        ("away_goals", np.float64),
        ("home_shots", np.float64),
        ("away_shots", np.float64),
        ("home_shots_on_target", np.float64),
        ("away_shots_on_target", np.float64),
        ("home_corners", np.float64),
        ("away_corners", np.float64),
        ("home_yellow_cards", np.float64),
        ("away_yellow_cards", np.float64),
        ("home_red_cards", np.float64),
        ("away_red_cards", np.float64),
        ("is_neutral", np.float64),
    ],
    align=True,
)
"""What a rating sees of a match. Clubs, competitions and countries are numbers: positions of their state; `is_neutral` is 1 where
the ground is neither side's own."""

MEASURES: Final = tuple(
    f"{side}_{name}"
    for name in ("goals", "shots", "shots_on_target", "corners", "yellow_cards", "red_cards")
    for side in ("home", "away")
)
"""What is counted in a match, NaN where it was not."""


class Rating(Protocol):
    """A sequential model: what it remembers and how it speaks and learns.

    The state is one row of floats per club, per competition and per country, each beginning as a copy of
    `club_start`, `competition_start` and `country_start`. The three static methods are compiled: they may use
    numbers, `math` and module constants, and nothing else.
    """

    columns: tuple[str, ...]
    """Names of what it says about a match."""
    learns_from: tuple[str, ...]
    """Measures that must be known; a match without them leaves the state untouched."""
    club_start: tuple[float, ...]
    competition_start: tuple[float, ...]
    country_start: tuple[float, ...]

    @staticmethod
    def arrive(club: Any, competition: Any, match: Any) -> None:
        """Bring a club's row forward to this match: first appearance, summer, change of division.

        It may read the competition's row, and must leave it as it is.
        """

    @staticmethod
    def before(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Write what is believed before the match into `said`, one number for each of `columns`."""

    @staticmethod
    def after(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Learn the result, given what `before` says now."""


@dataclass(frozen=True)
class Timeline:
    """Matches encoded for the replay, with the order of questions and of results."""

    match_id: pd.Index
    """In the order in which the matches are asked: by `as_of`, then `match_id`."""
    matches: npt.NDArray[np.void]
    """`MATCH` records in that order."""
    as_of: npt.NDArray[np.int64]
    """Microseconds since 1970 in UTC."""
    known_at: npt.NDArray[np.int64]
    results: npt.NDArray[np.int64]
    """Positions of the played matches in the order in which they become known: by `known_at`, then `match_id`."""
    competition_ids: pd.Index
    """Of each competition, by its number."""
    n_clubs: int
    n_countries: int

    @property
    def n_competitions(self) -> int:
        """How many competitions there are."""
        return len(self.competition_ids)

    @classmethod
    def of(cls, matches: pd.DataFrame) -> "Timeline":
        """Encode a frame with the columns `contract.MATCH_COLUMNS`, in any row order, and `is_neutral` where grounds may be.

        Raises
        ------
        ValueError
            If a `match_id` is repeated, an `as_of` is missing, or a result was known before the forecast's cut-off.
        """
        frame = matches.sort_values("match_id", kind="stable", ignore_index=True)
        if frame["match_id"].duplicated().any():
            raise ValueError(f"match_id is repeated: {frame['match_id'][frame['match_id'].duplicated()].iloc[0]}")
        if frame["as_of"].isna().any():
            raise ValueError(f"as_of is missing: {frame['match_id'][frame['as_of'].isna()].iloc[0]}")
        frame = frame.iloc[np.argsort(_microseconds(frame["as_of"]), kind="stable")].reset_index(drop=True)

        played = (frame["status"] == "played") & frame[["home_goals", "away_goals", "known_at"]].notna().all(axis=1)
        positions = np.flatnonzero(played.to_numpy())
        as_of, known_at = _microseconds(frame["as_of"]), _microseconds(frame["known_at"])
        leaks = positions[known_at[positions] < as_of[positions]]
        if leaks.size:
            raise ValueError(f"the result was known before as_of: {frame['match_id'].iloc[leaks[0]]}")
        id_rank = np.empty(len(frame), dtype=np.int64)
        id_rank[np.argsort(frame["match_id"].to_numpy(), kind="stable")] = np.arange(len(frame))
        results = positions[np.lexsort((id_rank[positions], known_at[positions]))]

        clubs, names = pd.factorize(pd.concat([frame["home_team_id"], frame["away_team_id"]], ignore_index=True), sort=True)
        competitions, competition_names = pd.factorize(frame["competition_id"], sort=True)
        countries, country_names = pd.factorize(frame["country"], sort=True)
        encoded = np.zeros(len(frame), dtype=MATCH)
        encoded["home"], encoded["away"] = clubs[: len(frame)], clubs[len(frame) :]
        encoded["competition"], encoded["country"] = competitions, countries
        encoded["season"] = frame["season"].to_numpy(dtype=np.int64)
        # A competition outside the pyramid (a cup, a country with one known league) counts as a top division.
        encoded["tier"] = frame["tier"].astype("float64").fillna(1.0).to_numpy()
        for name in MEASURES:
            encoded[name] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        if "is_neutral" in frame:
            encoded["is_neutral"] = frame["is_neutral"].to_numpy(dtype=np.float64)
        return cls(
            match_id=pd.Index(frame["match_id"], name="match_id"),
            matches=encoded,
            as_of=as_of,
            known_at=known_at,
            results=results,
            competition_ids=pd.Index(competition_names),
            n_clubs=len(names),
            n_countries=len(country_names),
        )


def replay(matches: pd.DataFrame | Timeline, rating: type[Rating]) -> pd.DataFrame:
    """Ask the rating about every match at its `as_of`, having learnt every result known strictly before.

    Parameters
    ----------
    matches
        One row per match, played or not, with `contract.MATCH_COLUMNS` in any row order; or its `Timeline`.
        Only matches with status `played`, both goals and a `known_at` are ever learnt.
    rating
        The rating's class.

    Returns
    -------
    DataFrame
        (n matches, `rating.columns`) of float64, index `match_id`, ordered by `as_of`, then `match_id`. Results that
        become known at the same instant are learnt in the order of `match_id`.
    """
    timeline = matches if isinstance(matches, Timeline) else Timeline.of(matches)
    run, arrive, before, after = _compiled(rating)
    said = np.full((len(timeline.matches), len(rating.columns)), np.nan)
    run(
        arrive,
        before,
        after,
        _rows(timeline.n_clubs, rating.club_start),
        _rows(timeline.n_competitions, rating.competition_start),
        _rows(timeline.n_countries, rating.country_start),
        timeline.matches,
        timeline.as_of,
        timeline.known_at,
        _results(timeline, rating),
        said,
    )
    return pd.DataFrame(said, index=timeline.match_id, columns=list(rating.columns))


def _loop(
    arrive: Any,
    before: Any,
    after: Any,
    clubs: Any,
    competitions: Any,
    countries: Any,
    matches: Any,
    as_of: Any,
    known_at: Any,
    results: Any,
    said: Any,
) -> None:
    """Go through time once. `matches` are in the order of `as_of`, `results` in that of `known_at`."""
    home, away, now = clubs[0].copy(), clubs[0].copy(), said[0].copy()
    learnt = 0
    for i in range(len(matches)):
        while learnt < len(results) and known_at[results[learnt]] < as_of[i]:
            match = matches[results[learnt]]
            competition, country = competitions[match.competition], countries[match.country]
            arrive(clubs[match.home], competition, match)
            arrive(clubs[match.away], competition, match)
            before(clubs[match.home], clubs[match.away], competition, country, match, now)
            after(clubs[match.home], clubs[match.away], competition, country, match, now)
            learnt += 1
        match = matches[i]
        competition, country = competitions[match.competition], countries[match.country]
        # Asking must not change what is remembered: the clubs arrive as copies.
        home[:] = clubs[match.home]
        away[:] = clubs[match.away]
        arrive(home, competition, match)
        arrive(away, competition, match)
        before(home, away, competition, country, match, said[i])


@cache
def _compiled(rating: type[Rating]) -> tuple[Callable[..., None], ...]:
    """The loop and a rating's functions as machine code.

    The functions are handed to the loop as values of a fixed signature, so that the loop is compiled once for all
    ratings and every piece can be cached on disk.
    """
    import numba
    from numba import types

    record = numba.from_dtype(MATCH)
    row, table = types.Array(types.float64, 1, "C"), types.Array(types.float64, 2, "C")
    moments = types.Array(types.int64, 1, "C")
    arrive = types.void(row, row, record)
    speak = types.void(row, row, row, row, record, row)
    loop = types.void(
        *(types.FunctionType(signature) for signature in (arrive, speak, speak)),
        *(table, table, table, types.Array(record, 1, "C"), moments, moments, moments, table),
    )
    return (
        numba.njit(loop, cache=True)(_loop),
        numba.njit(arrive, cache=True)(rating.arrive),
        numba.njit(speak, cache=True)(rating.before),
        numba.njit(speak, cache=True)(rating.after),
    )


def _microseconds(moments: pd.Series) -> npt.NDArray[np.int64]:
    return pd.to_datetime(moments, utc=True).to_numpy("datetime64[us]").astype(np.int64)


def _rows(n: int, start: tuple[float, ...]) -> npt.NDArray[np.float64]:
    return np.tile(np.asarray(start, dtype=np.float64), (n, 1))


def _results(timeline: Timeline, rating: type[Rating]) -> npt.NDArray[np.int64]:
    known = np.ones(len(timeline.results), dtype=bool)
    for name in rating.learns_from:
        known &= ~np.isnan(timeline.matches[name][timeline.results])
    return timeline.results[known]
