"""Beside the 2023 Soccer Prediction Challenge: its fixtures among our matches, and every forecaster scored on the same ones.

Belongs here: which of its leagues are ours, finding its fixtures, the scores. Does not belong here: reading files, or making
forecasts.

The challenge asked for probabilities of 736 matches in 44 leagues, all handed in before the first of them, and ranked them by
their ranked probability score on the 714 that were played. A club occurs too seldom in two weeks to be known by its calendar, as
`peers` knows them: here a fixture is found by its league, its day and how much both names look alike.
"""

from collections.abc import Mapping
from difflib import SequenceMatcher
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from pipelines.forecast.metrics import Array, Outcomes, base_rate, log_loss, paired_bootstrap, ranked_probability_score

FIRST_DAY: Final = "2023-04-14"
"""The first fixtures' day: what became known on it, or later, must not be in a forecast."""

LEAGUES: Final = MappingProxyType(
    {
        **{"ENG1": "E0", "ENG2": "E1", "ENG3": "E2", "ENG4": "E3", "ENG5": "EC"},
        **{"SCO1": "SC0", "SCO2": "SC1", "SCO3": "SC2", "SCO4": "SC3"},
        **{"GER1": "D1", "GER2": "D2", "ITA1": "I1", "ITA2": "I2", "SPA1": "SP1", "SPA2": "SP2", "FRA1": "F1", "FRA2": "F2"},
        **{"HOL1": "N1", "BEL1": "B1", "POR1": "P1", "GRE1": "G1"},
        **{
            "ARG1": "ARG",
            "AUT1": "AUT",
            "CHE1": "SWZ",
            "DNK1": "DNK",
            "JPN1": "JPN",
            "MEX1": "MEX",
            "RUS1": "RUS",
            "USA1": "USA",
        },
    }
)
"""The challenge's leagues that football-data.co.uk has, to the names of its files."""

PUBLISHED: Final = MappingProxyType(
    {
        "bookmakers (out of competition)": 0.2063,
        "first place": 0.2095,
        "second place": 0.2096,
        "third place": 0.2125,
        "best statistical baseline": 0.2199,
    }
)
"""RPS on the organisers' list of results of 3 May 2023, task 2: 714 matches of all leagues."""

LEAST_ALIKE: Final = 1.0
"""What the likenesses of both names, each at most 1, must add up to."""
DAYS_MOVED: Final = 2
"""By which a match may have been moved: within them no club plays at home twice."""


def find(fixtures: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """The fixtures that are among our matches.

    Parameters
    ----------
    fixtures
        (n) `league` (the challenge's), `date` (ISO), `home`, `away`; further columns are kept.
    matches
        (m) `division` (as `LEAGUES` has it), `date`, `home`, `away`; further columns are kept.

    Returns
    -------
    DataFrame
        (k ≤ n) the fixtures' columns, their own day and names of clubs as `challenge_date`, `challenge_home` and
        `challenge_away`, and the columns of the match that each is. No match is two fixtures.
    """
    found = []
    for league, theirs in fixtures.groupby("league", sort=True):
        ours = matches[matches["division"] == LEAGUES.get(str(league))]
        if ours.empty:
            continue
        days = [pd.to_datetime(each["date"]).to_numpy("datetime64[D]").astype(np.int64) for each in (theirs, ours)]
        alike = _likeness(theirs["home"], ours["home"]) + _likeness(theirs["away"], ours["away"])
        alike[np.abs(days[0][:, None] - days[1]) > DAYS_MOVED] = 0.0
        rows, columns = linear_sum_assignment(alike, maximize=True)
        is_sure = alike[rows, columns] >= LEAST_ALIKE
        pair = theirs.iloc[rows[is_sure]].rename(columns={side: f"challenge_{side}" for side in ("date", "home", "away")})
        found.append(pair.reset_index(drop=True).join(ours.iloc[columns[is_sure]].reset_index(drop=True)))
    return pd.concat(found, ignore_index=True) if found else fixtures.iloc[:0].reindex(columns=[*fixtures, *matches])


def _likeness(theirs: "pd.Series[str]", ours: "pd.Series[str]") -> Array:
    """(n, m) how much names look alike, from 0 to 1."""
    return np.array([[_alike(each.casefold(), other.casefold()) for other in ours] for each in theirs])


@cache
def _alike(name: str, other: str) -> float:
    # One source's "Belgrano Cordoba" is the other's "Belgrano": the longest word they share tells as much as the whole.
    words = max((len(word) for word in set(name.split()) & set(other.split())), default=0)
    return max(SequenceMatcher(None, name, other).ratio(), min(1.0, words / 6.0))


def judge(said: Mapping[str, Array], outcomes: Outcomes, days: npt.ArrayLike) -> pd.DataFrame:
    """Every forecaster's scores on the same matches.

    Parameters
    ----------
    said
        Forecaster to (n, 3) probabilities; differences are to the first of them.
    outcomes
        (n,) 0, 1, 2 for home, draw, away.
    days
        (n,) match-days.

    Returns
    -------
    DataFrame
        One row for each forecaster and one for always saying these matches' own frequencies, columns `n`, `rps`, `log_loss`, and
        of both `above_rps` and `above_log_loss`, the mean difference to the first forecaster, with `_low` and `_high` (95 %, by
        match-day). The days are few: the intervals are rather too narrow than too wide.
    """
    said = {**said, "frequencies": np.tile(base_rate(outcomes), (len(outcomes), 1))}
    scores = {"rps": ranked_probability_score, "log_loss": log_loss}
    first = next(iter(said.values()))
    rows = {}
    for name, probabilities in said.items():
        row: dict[str, float] = {"n": float(len(outcomes))}
        for score, of in scores.items():
            own = of(probabilities, outcomes)
            above = paired_bootstrap(own - of(first, outcomes), days)
            row |= {score: float(own.mean()), f"above_{score}": above.mean}
            row |= {f"above_{score}_low": above.low, f"above_{score}_high": above.high}
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")
