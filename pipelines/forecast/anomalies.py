"""Seasons that are not like the ones before: too few or too many matches, other results, other prices, or a long silence.

Belongs here: the rule. Does not belong here: reading sums from the warehouse (`pipelines.store.season_days`), or telling people
(`pipelines.defs.anomalies`).

A season is compared with the last `EARLIER` ones of its league, if there are `AT_LEAST` of them. *Measures* of its results and
prices may differ from the median of those by `LIMIT` standard deviations: of the chance in so many matches (binomial, Poisson,
or what the prices themselves say of their log loss), and of seasons from one another, robustly (1.4826 times the median
absolute deviation) and never below a floor, for a league whose last ten seasons happened to agree will not always. Its *matches
so far* lie between `FEWEST` of what the lower quarter of them had a week before that day of the season and `MOST` of what the
upper quarter had a week later. A season under way is *silent* where its last result is older than the longest pause of those
seasons and a week. One that may have ended is *not followed* where none began within the second longest break between those
seasons and `LATE` days: the longest may be the pandemic's, which would hide for ten years that a league's file stands still.

What the rule says of thirty seasons in which nothing was wrong stands in CONTRIBUTING.md, decision 40.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from typing import Final, Self, cast

import numpy as np
import pandas as pd

SUMS: Final = (
    "n_matches",
    "n_home_wins",
    "n_decided",
    "n_goals",
    "n_priced_before",
    "n_priced_at_closing",
    "n_priced",
    "margin",
    "log_loss",
    "entropy",
    "variance",
)
"""What is summed up of each day: matches played, home wins, matches that were not drawn, goals; matches with a price before the
match, at closing, and with either; of the latter, the price before the match being meant if there is one: its margin, its log
loss without the margin (in nats), and what it expects of that itself, mean and variance."""

EARLIER: Final = 10
AT_LEAST: Final = 3
LIMIT: Final = 4.0
ENOUGH: Final = 40
"""Matches below which a measure says nothing yet, and matches that are expected by a day before too few can be missed."""

COMPLETE: Final = 0.8
"""A season with so many matches of what the lower quarter of earlier ones had may have ended: leagues get smaller."""

FEWEST: Final = 0.65
MOST: Final = 1.5
WEEK: Final = 7
SHORT_PAUSE: Final = 21
"""Days between two results of a season that are nothing unusual in any league."""

LATE: Final = 35
"""Days that a season may begin later than nearly all before it: calendars move."""


@dataclass(frozen=True)
class Measure:
    """A mean over matches: `of` by `among`, two of `SUMS` (or their difference), and how it varies."""

    name: str
    value: Callable[[dict[str, float]], float]
    among: str
    chance: Callable[[float, dict[str, float]], float]
    """The variance that chance alone gives it, from what is expected and the season's sums."""
    floor: float
    """The least standard deviation of seasons from one another."""
    earlier: int = EARLIER
    is_one_sided: bool = False
    """More of it is no harm."""


def _binomial(among: str) -> Callable[[float, dict[str, float]], float]:
    return lambda share, sums: share * (1 - share) / sums[among]


MEASURES: Final = (
    Measure("home wins among decided", lambda s: s["n_home_wins"] / s["n_decided"], "n_decided", _binomial("n_decided"), 0.02),
    Measure("goals a match", lambda s: s["n_goals"] / s["n_matches"], "n_matches", lambda mean, s: mean / s["n_matches"], 0.13),
    Measure(
        "share with prices before the match",
        lambda s: s["n_priced_before"] / s["n_matches"],
        "n_matches",
        _binomial("n_matches"),
        0.03,
        is_one_sided=True,
    ),
    Measure(
        "share with closing prices",
        lambda s: s["n_priced_at_closing"] / s["n_matches"],
        "n_matches",
        _binomial("n_matches"),
        0.03,
        is_one_sided=True,
    ),
    # Margins shrank by a third of a point a year for two decades: ten years ago is another time.
    Measure("margin of the prices", lambda s: s["margin"] / s["n_priced"], "n_priced", lambda *_: 0.0, 0.008, earlier=5),
    Measure(
        "log loss beyond what the prices expect",
        lambda s: (s["log_loss"] - s["entropy"]) / s["n_priced"],
        "n_priced",
        lambda _, s: s["variance"] / s["n_priced"] ** 2,
        0.005,
    ),
)

MATCHES: Final = "matches so far"
SILENCE: Final = "days since the last result"
NOT_FOLLOWED: Final = "days since the season ended"


@dataclass(frozen=True)
class Judgement:
    """One thing that was looked at of a league's season, and the limits that earlier ones set to it."""

    competition_id: str
    season: int
    what: str
    found: float
    low: float
    high: float
    n_matches: int
    n_earlier: int

    @property
    def is_anomaly(self) -> bool:
        return not self.low <= self.found <= self.high

    def __str__(self) -> str:
        limit = f"at least {self.low:.4g}" if self.found < self.low else f"at most {self.high:.4g}"
        return f"{self.competition_id} {self.season}: {self.what} {self.found:.4g}, expected {limit}"


@dataclass(frozen=True)
class _Season:
    """The days of a season, as numbers from its first match on, and their sums."""

    begin: np.datetime64
    day: np.ndarray
    n_matches: np.ndarray
    sums: dict[str, float]

    @classmethod
    def read(cls, matches_on: np.ndarray, values: np.ndarray) -> Self:
        """Of days in order and the `SUMS` of each."""
        day = (matches_on - matches_on[0]).astype(int)
        return cls(matches_on[0], day, values[:, 0], dict(zip(SUMS, values.sum(axis=0).tolist(), strict=True)))

    def by(self, day: int) -> int:
        """How many matches were played up to this day."""
        return int(self.n_matches[: np.searchsorted(self.day, day, side="right")].sum())

    @property
    def end(self) -> np.datetime64:
        """The day of its last result."""
        return cast("np.datetime64", self.begin + self.day[-1])

    @property
    def longest_pause(self) -> int:
        return int(np.diff(self.day).max(initial=0))


def judge(days: pd.DataFrame, seasons: Collection[tuple[str, int]], today: date) -> list[Judgement]:
    """Compare seasons with those before them.

    Args:
        days: a row for each day on which a league played, in order: `competition_id`, `season`, `match_on` (datetime64) and
            `SUMS`; of the seasons to be judged and the `EARLIER` before each.
        seasons: those to be judged, by competition and start year.
        today: later days of the seasons to be judged are not looked at; earlier seasons are, to their ends.

    Returns what could be judged, in order of competition, season and `MEASURES`.
    """
    matches_on = days["match_on"].to_numpy().astype("datetime64[D]")
    values = days[list(SUMS)].to_numpy(dtype=float)
    is_past = matches_on <= np.datetime64(today)
    grouped = days.groupby(["competition_id", "season"]).indices
    places = {(str(key[0]), int(key[1])): rows for key, rows in cast("dict[tuple[str, int], np.ndarray]", grouped).items()}
    whole = {key: _Season.read(matches_on[rows], values[rows]) for key, rows in places.items()}
    begun = {(name, season) for (name, season), each in whole.items() if each.begin <= np.datetime64(today)}
    found: list[Judgement] = []
    for competition_id, season in sorted(begun.intersection(seasons)):
        numbers = sorted(number for name, number in whole if name == competition_id and number < season)[-EARLIER:]
        if len(numbers) < AT_LEAST:
            continue
        rows = places[competition_id, season]
        now = _Season.read(matches_on[rows][is_past[rows]], values[rows][is_past[rows]])
        is_newest = not any(name == competition_id and number > season for name, number in begun)
        earlier = [whole[competition_id, number] for number in numbers]
        breaks = [
            (whole[competition_id, number + 1].begin - whole[competition_id, number].end).astype(int)
            for number in numbers
            if (competition_id, number + 1) in whole
        ]
        elapsed = (np.datetime64(today) - now.begin).astype(int)
        found += _judge(competition_id, season, now, earlier, elapsed, breaks if is_newest else None)
    return found


def _judge(
    competition_id: str, season: int, now: _Season, earlier: list[_Season], elapsed: int, breaks: list[int] | None
) -> list[Judgement]:
    """`breaks` are the days between one season and the next; None where this one was followed."""
    limits: list[tuple[str, float, tuple[float, float], int]] = []
    fewest, most = (
        float(np.quantile([before.by(day) for before in earlier], quarter))
        for day, quarter in ((elapsed - WEEK, 0.25), (elapsed + WEEK, 0.75))
    )
    if most >= ENOUGH:
        low = FEWEST * fewest if fewest >= ENOUGH else 0.0
        limits.append((MATCHES, now.sums["n_matches"], (low, MOST * most), len(earlier)))
    silent = elapsed - int(now.day[-1])
    is_complete = now.sums["n_matches"] >= COMPLETE * np.quantile([before.sums["n_matches"] for before in earlier], 0.25)
    if breaks is not None and not is_complete:
        longest = max(SHORT_PAUSE, *(before.longest_pause for before in earlier))
        limits.append((SILENCE, silent, (0, longest + WEEK), len(earlier)))
    if breaks is not None and is_complete and len(breaks) >= AT_LEAST:
        limits.append((NOT_FOLLOWED, silent, (0, sorted(breaks)[-2] + LATE), len(breaks)))
    for measure in MEASURES:
        known = [measure.value(before.sums) for before in earlier[-measure.earlier :] if before.sums[measure.among] >= ENOUGH]
        if len(known) < AT_LEAST or now.sums[measure.among] < ENOUGH:
            continue
        limits.append((measure.name, measure.value(now.sums), _limits(measure, now, np.array(known)), len(known)))
    n_matches = int(now.sums["n_matches"])
    return [Judgement(competition_id, season, what, found, *ends, n_matches, n) for what, found, ends, n in limits]


def _limits(measure: Measure, now: _Season, known: np.ndarray) -> tuple[float, float]:
    expected = float(np.median(known))
    between = max(measure.floor, 1.4826 * float(np.median(np.abs(known - expected))))
    margin = LIMIT * float(np.sqrt(measure.chance(expected, now.sums) + between**2))
    return expected - margin, np.inf if measure.is_one_sided else expected + margin
