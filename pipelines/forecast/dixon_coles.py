"""Dixon and Coles' model of goals, fitted to all divisions of a country at once, week by week.

Belongs here: the fit, the expected goals that it gives each match from what was known before, and how they are pooled with
those of a model of outcomes. Does not belong here: what follows from expected goals (`grid`, `markets`).

log λ = level of the division + home advantage + attack of the home side − defence of the away side, log ν = level +
attack of the away side − defence of the home side, goals weighted by e^(−ξ·age), attack and defence held to the middle of
the club's division by a ridge: M. J. Dixon and S. G. Coles, "Modelling association football scores and inefficiencies
in the football betting market", Applied Statistics 46(2), 1997. Clubs that were promoted and relegated tie the
divisions of a country together; the ridge carries newcomers and thin divisions. ρ follows by a search in one dimension,
given the rest.

The ridge distinguishes a club's strength (attack and defence both good) from its openness (many goals on both sides),
of which results say far less: with a precision of 5 for both, the log loss of correct scores in the main divisions from
2011 to 2018 is 2.8827 instead of 2.8768 and that of over 2.5 .6868 instead of .6833 (n = 58,404).

Unlike a rating (`ratings/`), which moves a little with every result, this is fitted anew every seven days to all results
of a window, so that what an opponent turned out to be worth later also counts for earlier matches against it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.linalg import cho_factor, cho_solve

from pipelines.forecast.grid import RHO_MARGIN, rho_bounds
from pipelines.forecast.replay import Timeline
from pipelines.forecast.splits import is_played

Array = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]

COLUMNS: Final = ("expected_home_goals", "expected_away_goals", "rho")
"""What `rate` says about a match."""

DECAY: Final = 0.0027
"""ξ: by how much the weight of a result falls in a day, as a share of it. This and the ridges were chosen on seasons up
to 2018."""
STRENGTH_RIDGE: Final = 4.0
"""Precision with which (attack + defence)/√2 is held to the middle of the club's division; results of a goal expected in
all add about one."""
OPENNESS_RIDGE: Final = 60.0
"""The same for (attack − defence)/√2, which makes a club's matches rich in goals on both sides."""
WINDOW_DAYS: Final = 1800
"""Older results are not used: they would weigh less than a hundredth of today's."""
REFIT_DAYS: Final = 7

LEVEL: Final = 0.1
"""Logarithm of the away side's goals in a division of which nothing is known."""
HOME_ADVANTAGE: Final = 0.25
RHO: Final = -0.06
WEAK: Final = 1.0
"""Precision of the two before: one goal. It keeps a country's first week from being without an answer."""
RHO_PRECISION: Final = 100.0
"""What about three hundred matches say of ρ: a country's first weeks say next to nothing."""

_DAY: Final = 86_400_000_000
_FIRST_REFIT: Final = _DAY // 2
"""1970-01-01 was a Thursday: refits take place on Thursdays at noon UTC, after one round and before the next. The
calendar is fixed, so that no result can move the moment at which an earlier one is learnt."""

MAX_STEPS: Final = 30
CONVERGED: Final = 1e-3
"""Newton's method stops after a step that moves nothing by more; its error is about the square of this."""


@dataclass(frozen=True)
class Strengths:
    """What the model believes about one country at a moment."""

    clubs: pd.DataFrame
    """Index `team_id`, columns `attack` and `defence`, logarithms; a higher defence concedes less."""
    divisions: pd.DataFrame
    """Index `competition_id`, columns `level`, the logarithm of the away side's goals between two clubs of strength 0,
    and `attack` and `defence`, the middle of its clubs, at which one that was not seen is taken to be."""
    home_advantage: float
    rho: float

    def expected_goals(self, competition_id: str, home_team_id: npt.ArrayLike, away_team_id: npt.ArrayLike) -> Array:
        """(n, 2) expected goals of (n,) home and away clubs in a division.

        A division without results has `LEVEL` and its middle where the country's is, at 0.
        """
        known = self.divisions.reindex([competition_id]).fillna({"level": LEVEL, "attack": 0.0, "defence": 0.0})
        level, *middle = known[["level", "attack", "defence"]].to_numpy(dtype=np.float64)[0]
        home, away = (
            _or(self.clubs.reindex(np.asarray(side, dtype=object)).to_numpy(dtype=np.float64), np.array(middle))
            for side in (home_team_id, away_team_id)
        )
        difference = np.column_stack([self.home_advantage + home[:, 0] - away[:, 1], away[:, 0] - home[:, 1]])
        return np.asarray(np.exp(level + difference))


def fit(matches: pd.DataFrame, at: pd.Timestamp) -> Strengths:
    """Fit one country to what was known before a moment.

    Parameters
    ----------
    matches
        `contract.MATCH_COLUMNS` of one country, in any order; only results with `known_at` before `at` are used.
    at
        The moment, with a time zone.
    """
    known = matches[is_played(matches) & (matches["known_at"] < at).to_numpy(dtype=bool)]
    known = known.sort_values(["known_at", "match_id"], kind="stable")
    clubs, names = pd.factorize(pd.concat([known["home_team_id"], known["away_team_id"]], ignore_index=True), sort=True)
    competitions, competition_names = pd.factorize(known["competition_id"], sort=True)
    results = _Results(
        clubs[: len(known)].astype(np.int64),
        clubs[len(known) :].astype(np.int64),
        competitions.astype(np.int64),
        np.array(known["home_goals"], dtype=np.float64),
        np.array(known["away_goals"], dtype=np.float64),
        known["known_at"].to_numpy(dtype="datetime64[us]").astype(np.int64),
    )
    model = _Model.unknowing(len(names), len(competition_names))
    model.refit(results, _microseconds(at))
    seen = ~np.isnan(model.attack)
    divisions = {"level": model.level, "attack": model.attack_middle, "defence": model.defence_middle}
    return Strengths(
        pd.DataFrame({"attack": model.attack[seen], "defence": model.defence[seen]}, index=pd.Index(names[seen])),
        pd.DataFrame(divisions, index=pd.Index(competition_names)),
        model.home_advantage,
        model.rho,
    )


def rate(matches: pd.DataFrame | Timeline, since: pd.Timestamp | None = None) -> pd.DataFrame:
    """Expected goals of every match by the last weekly fit before its `as_of`.

    A fit uses the results with `known_at` before its own moment, which is never after the `as_of` of a match that it
    is asked about.

    Parameters
    ----------
    matches
        `contract.MATCH_COLUMNS`, one row per match, played or not, in any order; or their `Timeline`.
    since
        The first `as_of` that is asked about, all if None: a week without a question is not fitted.

    Returns
    -------
    DataFrame
        (n matches, `COLUMNS`) of float64, index `match_id`, ordered by `as_of`, then `match_id`; NaN for those of the weeks
        before that of `since`.
    """
    timeline = matches if isinstance(matches, Timeline) else Timeline.of(matches)
    said = np.empty((len(timeline.matches), len(COLUMNS)))
    # Positions are in the order of `as_of`.
    first = 0 if since is None else int(np.searchsorted(timeline.as_of, _microseconds(since)))
    for country in range(timeline.n_countries):
        there = np.flatnonzero(timeline.matches["country"] == country)
        learnt = timeline.results[timeline.matches["country"][timeline.results] == country]
        said[there] = _rate_country(timeline, there, learnt, first)
    return pd.DataFrame(said, index=timeline.match_id, columns=list(COLUMNS))


def pooled(goals: Array, ours: pd.DataFrame) -> Array:
    """(n, 2) geometric mean of a model's expected goals and those that `rate` says of the same matches.

    The one knows of goals from ratings and prices, the other from who met whom. The half of each was not searched for. On
    78,793 matches of 2012 to 2018 grids of `history` with pooled goals lose .0011 ± .0003 less by the actual scores in the
    main divisions than with its own, and .0002 ± .0004 more in the new leagues; by more than 2.5 goals .0001 ± .0002 and
    .0005 ± .0002 less.
    """
    return np.asarray(np.sqrt(goals * ours[list(COLUMNS[:2])].to_numpy(dtype=np.float64)))


def _rate_country(timeline: Timeline, there: Positions, learnt: Positions, first: int) -> Array:
    """(n there, 3) what is said of the matches at these positions, from the first one asked on, having learnt those results."""
    match = timeline.matches
    clubs, club = np.unique(np.concatenate([match["home"][there], match["away"][there]]), return_inverse=True)
    competitions, competition = np.unique(match["competition"][there], return_inverse=True)
    home, away = club[: len(there)], club[len(there) :]
    place = np.searchsorted(there, learnt)
    results = _Results(
        home[place],
        away[place],
        competition[place],
        match["home_goals"][learnt],
        match["away_goals"][learnt],
        timeline.known_at[learnt],
    )
    model = _Model.unknowing(len(clubs), len(competitions))
    week = (timeline.as_of[there] - _FIRST_REFIT) // (REFIT_DAYS * _DAY)
    said = np.full((len(there), len(COLUMNS)), np.nan)
    # The matches of a week stand together.
    starts = np.flatnonzero(np.r_[True, week[1:] != week[:-1]])
    for start, end in zip(starts, np.r_[starts[1:], len(there)], strict=True):
        if there[end - 1] < first:
            continue
        model.refit(results, int(week[start]) * REFIT_DAYS * _DAY + _FIRST_REFIT)
        now = slice(start, end)
        said[now, 0], said[now, 1] = model.expected_goals(home[now], away[now], competition[now])
        said[now, 2] = model.rho
    return said


@dataclass(frozen=True)
class _Results:
    """Results in the order in which they became known; clubs and competitions are positions."""

    home: Positions
    away: Positions
    competition: Positions
    home_goals: Array
    away_goals: Array
    known_at: Positions

    def between(self, first: int, before: int) -> "_Results":
        """Those that became known from the one moment on and before the other."""
        rows = slice(*np.searchsorted(self.known_at, [first, before], side="left"))
        return _Results(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass
class _Model:
    """What is believed of one country; each fit begins at the one before."""

    attack: Array
    """Of each club, NaN without a result in the window; defence alike."""
    defence: Array
    level: Array
    """Of each division, as are the middles of its clubs' attacks and defences."""
    attack_middle: Array
    defence_middle: Array
    home_advantage: float
    rho: float

    @classmethod
    def unknowing(cls, n_clubs: int, n_competitions: int) -> "_Model":
        return cls(
            np.full(n_clubs, np.nan),
            np.full(n_clubs, np.nan),
            np.full(n_competitions, LEVEL),
            np.zeros(n_competitions),
            np.zeros(n_competitions),
            HOME_ADVANTAGE,
            RHO,
        )

    def expected_goals(self, home: Positions, away: Positions, competition: Positions) -> tuple[Array, Array]:
        home_attack, away_attack = (_or(self.attack[club], self.attack_middle[competition]) for club in (home, away))
        home_defence, away_defence = (_or(self.defence[club], self.defence_middle[competition]) for club in (home, away))
        level = self.level[competition]
        return np.exp(level + self.home_advantage + home_attack - away_defence), np.exp(level + away_attack - home_defence)

    def refit(self, results: _Results, moment: int) -> None:
        """Fit to what became known within the window before a moment."""
        used = results.between(moment - WINDOW_DAYS * _DAY, moment)
        weight = np.exp(-DECAY * (moment - used.known_at) / _DAY)
        clubs, (home, away) = _renumbered(len(self.attack), used.home, used.away)
        competitions, (competition,) = _renumbered(len(self.level), used.competition)
        # Later results overwrite earlier ones: a club belongs to the division of its last match.
        division = np.empty(len(clubs), dtype=np.int64)
        division[np.column_stack([home, away]).ravel()] = np.repeat(competition, 2)

        attack, defence, level, attack_middle, defence_middle, advantage = np.split(
            np.arange(2 * len(clubs) + 3 * len(competitions) + 1),
            np.cumsum([len(clubs), len(clubs), *[len(competitions)] * 3]),
        )
        held_to = np.zeros(advantage[0] + 1)
        held_to[level], held_to[advantage] = LEVEL, HOME_ADVANTAGE
        precision = np.diag(np.where(np.arange(len(held_to)) < 2 * len(clubs), 0.0, WEAK))
        # Both ridges in terms of attack and defence: strength is half their sum, openness half their difference.
        own, middle = (attack, defence), (attack_middle[division], defence_middle[division])
        for i, j in product(range(2), range(2)):
            ridge = (STRENGTH_RIDGE + OPENNESS_RIDGE * (1.0 if i == j else -1.0)) / 2.0
            precision[own[i], own[j]] += ridge
            precision[own[i], middle[j]] -= ridge
            precision[middle[i], own[j]] -= ridge
            np.add.at(precision, (middle[i], middle[j]), ridge)

        values = held_to.copy()
        for place, present in (
            (level, self.level),
            (attack_middle, self.attack_middle),
            (defence_middle, self.defence_middle),
        ):
            values[place] = present[competitions]
        values[attack] = _or(self.attack[clubs], values[attack_middle[division]])
        values[defence] = _or(self.defence[clubs], values[defence_middle[division]])
        values[advantage] = self.home_advantage
        add_up = _compiled()
        for _ in range(MAX_STEPS):
            slope, curvature = precision @ (held_to - values), precision.copy()
            add_up(values, len(clubs), home, away, competition, used.home_goals, used.away_goals, weight, slope, curvature)
            step = cho_solve(cho_factor(curvature, lower=True, overwrite_a=True, check_finite=False), slope)
            # Far from the solution the quadratic is a poor guide to an exponential: never more than a factor of e.
            values += step / max(1.0, np.abs(step).max())
            if np.abs(step).max() < CONVERGED:
                break

        for state, rows, place, unseen in (
            (self.attack, clubs, attack, np.nan),
            (self.defence, clubs, defence, np.nan),
            (self.level, competitions, level, LEVEL),
            (self.attack_middle, competitions, attack_middle, 0.0),
            (self.defence_middle, competitions, defence_middle, 0.0),
        ):
            state[:] = unseen
            state[rows] = values[place]
        self.home_advantage = float(values[-1])
        self.rho = _dependence(*self.expected_goals(used.home, used.away, used.competition), used, weight)


def _microseconds(moment: pd.Timestamp) -> int:
    return int(moment.tz_convert("UTC").tz_localize(None).to_datetime64().astype("datetime64[us]").astype(np.int64))


def _renumbered(n: int, *positions: Positions) -> tuple[Positions, list[Positions]]:
    """The positions below n that occur, in order, and each array by its place among them."""
    occurs = np.zeros(n, dtype=bool)
    for each in positions:
        occurs[each] = True
    place = np.cumsum(occurs) - 1
    return np.flatnonzero(occurs), [place[each] for each in positions]


def _or(values: Array, otherwise: Array) -> Array:
    return np.where(np.isnan(values), otherwise, values)


def _dependence(home: Array, away: Array, results: _Results, weight: Array) -> float:
    """The likeliest ρ given expected goals, by bisection: the logarithm of τ = 1 + cρ is concave in ρ."""
    low, high = rho_bounds(home, away)
    lower = RHO_MARGIN * float(np.max(low, initial=-1.0))
    upper = RHO_MARGIN * float(np.min(high, initial=1.0))
    x, y = results.home_goals, results.away_goals
    few = (x <= 1.0) & (y <= 1.0)
    c = np.select([(x == 0.0) & (y == 0.0), (x == 0.0) & (y == 1.0), (x == 1.0) & (y == 0.0)], [-home * away, home, away], -1.0)[
        few
    ]
    w = weight[few]
    for _ in range(30):
        middle = (lower + upper) / 2.0
        if float((w * c / (1.0 + c * middle)).sum()) - RHO_PRECISION * (middle - RHO) > 0.0:
            lower = middle
        else:
            upper = middle
    return (lower + upper) / 2.0


def _add_up(
    values: Any,
    n_clubs: int,
    home: Any,
    away: Any,
    competition: Any,
    home_goals: Any,
    away_goals: Any,
    weight: Any,
    slope: Any,
    curvature: Any,
) -> None:
    """Add the results' share of the log-likelihood's slope and of its curvature, below the diagonal and on it.

    The design has four ones in the row of the home side's goals and three in that of the away side's: it is never
    written down, its products with itself are added where they belong.
    """
    advantage = len(values) - 1
    for i in range(len(home)):
        level = 2 * n_clubs + competition[i]
        for side in range(2):
            attack, defence = (home[i], n_clubs + away[i]) if side == 0 else (away[i], n_clubs + home[i])
            goals = home_goals[i] if side == 0 else away_goals[i]
            logarithm = values[level] + values[attack] - values[defence]
            if side == 0:
                logarithm += values[advantage]
            expected = weight[i] * np.exp(logarithm)
            residual = weight[i] * goals - expected
            slope[attack] += residual
            slope[defence] -= residual
            slope[level] += residual
            curvature[attack, attack] += expected
            curvature[defence, defence] += expected
            curvature[level, level] += expected
            curvature[defence, attack] -= expected
            curvature[level, attack] += expected
            curvature[level, defence] -= expected
            if side == 0:
                slope[advantage] += residual
                curvature[advantage, advantage] += expected
                curvature[advantage, attack] += expected
                curvature[advantage, defence] -= expected
                curvature[advantage, level] += expected


@cache
def _compiled() -> Callable[..., None]:
    """`_add_up` as machine code, kept beside its source."""
    import numba
    from numba import types

    floats, positions = types.Array(types.float64, 1, "C"), types.Array(types.int64, 1, "C")
    table = types.Array(types.float64, 2, "C")
    signature = types.void(
        *(floats, types.int64, positions, positions, positions, floats, floats, floats, floats, table),
    )
    compiled: Callable[..., None] = numba.njit(signature, cache=True)(_add_up)
    return compiled
