"""League tables before each match, and what is still at stake in them.

Belongs here: places, the distance in points to the places that matter, whether they can still be reached or lost. Does
not belong here: which places matter (`places`).

A table knows the results whose `known_at` is strictly before the match's `as_of`, and the clubs that had a match in the
division this season by then. How many matches a season has follows from how often clubs met
each other in the three seasons before; the most counts, as one may have been broken off. That a club can still be
caught is judged by the one rival next to the place: a club may be safe a little earlier, where its rivals meet each other.
"""

from functools import cache
from typing import Any, Final

import numpy as np
import pandas as pd

from pipelines.forecast.contract import RATINGS
from pipelines.forecast.places import rule
from pipelines.forecast.replay import Timeline

POINTS: Final = 3.0
"""For a win, so also what a rival can gain in a match."""
DECIDED: Final = 1.5
"""Where margins are cut: by how much a place is safe or lost does not matter any more."""
N_SEASONS: Final = 3
"""That tell how often clubs meet each other."""
YEARS: Final = 10_000
"""More than any season's year."""


def standings(matches: pd.DataFrame | Timeline) -> pd.DataFrame:
    """The table of the division at each match's `as_of`, from the two clubs' sides.

    Parameters
    ----------
    matches
        As for `replay`.

    Returns
    -------
    DataFrame
        (n matches, `contract.RATINGS["standing"]`) of float64, index `match_id`, in the order of the timeline. All but
        `rounds_left` is NaN while a club has no result in this season. All but places are NaN in a division's first season, and
        all that is about lines where the rules of the competition are not known, or have no such line.
    """
    timeline = matches if isinstance(matches, Timeline) else Timeline.of(matches)
    said = np.full((len(timeline.matches), len(RATINGS["standing"])), np.nan)
    m = timeline.matches
    # Pairs as single numbers: to find the distinct rows of a matrix takes four times as long.
    seasons, season = np.unique(m["competition"].astype(np.int64) * YEARS + m["season"], return_inverse=True)
    previous = np.full(len(seasons), -1)
    follows = np.diff(seasons // YEARS) == 0
    previous[1:][follows] = np.flatnonzero(follows)
    # A club's row in the table of each season it is in.
    sides_of = np.concatenate([m["home"], m["away"]])
    clubs, sides = np.unique(np.tile(season, 2) * timeline.n_clubs + sides_of, return_inverse=True)
    starts = np.searchsorted(clubs // timeline.n_clubs, np.arange(len(seasons) + 1))
    run = _compiled()
    run(
        season,
        previous,
        starts,
        sides[: len(m)],
        sides[len(m) :],
        m["home_goals"].copy(),
        m["away_goals"].copy(),
        timeline.as_of,
        timeline.known_at,
        timeline.results,
        np.array([rule(timeline.competition_ids[each // YEARS], each % YEARS) for each in seasons]),
        said,
    )
    return pd.DataFrame(said, index=timeline.match_id, columns=list(RATINGS["standing"]))


@cache
def _compiled() -> Any:
    import numba

    return numba.njit(cache=True, nogil=True)(_tables)


def _tables(  # noqa: PLR0912, PLR0915 - one compiled loop; numba's cache does not see changes of what it would call
    season: Any,
    previous: Any,
    starts: Any,
    home: Any,
    away: Any,
    home_goals: Any,
    away_goals: Any,
    as_of: Any,
    known_at: Any,
    results: Any,
    lines: Any,
    said: Any,
) -> None:
    """Go through time once; the clubs of one season's table stand in a row, from `starts[season]` on."""
    n_rows = starts[-1]
    points, difference, played = np.zeros(n_rows), np.zeros(n_rows), np.zeros(n_rows)
    present = np.zeros(n_rows, dtype=np.bool_)
    learnt = 0
    for i in range(len(season)):
        while learnt < len(results) and known_at[results[learnt]] < as_of[i]:
            match = results[learnt]
            lead = home_goals[match] - away_goals[match]
            for side in range(2):
                club = home[match] if side == 0 else away[match]
                own = lead if side == 0 else -lead
                points[club] += POINTS if own > 0.0 else (1.0 if own == 0.0 else 0.0)
                difference[club] += own
                played[club] += 1.0
            learnt += 1
        present[home[i]] = True
        present[away[i]] = True
        first, last = starts[season[i]], starts[season[i] + 1]
        n_present = present[first:last].sum()
        if min(played[home[i]], played[away[i]]) < 2.0:
            n_present = 0  # not all have come yet: as many as before are expected
        rounds, before = np.nan, previous[season[i]]
        for _ in range(N_SEASONS):
            if before < 0:
                break
            past = played[starts[before] : starts[before + 1]]
            # A season broken off, or of another number of clubs, must not be taken for the length of this one.
            rivals = len(past) - 1.0
            length = np.round(past.max() / rivals * ((n_present or len(past)) - 1.0))
            rounds = length if np.isnan(rounds) else max(rounds, length)
            before = previous[before]
        said[i, 0] = max(rounds - (played[home[i]] + played[away[i]]) / 2.0, 0.0)
        if played[home[i]] == 0.0 or played[away[i]] == 0.0:
            continue
        # Points and goal difference in one number that orders the table.
        order = np.empty(last - first)
        n_clubs = 0
        for club in range(first, last):
            if present[club]:
                order[n_clubs] = -(points[club] + difference[club] / 1000.0)
                n_clubs += 1
        table = -np.sort(order[:n_clubs])
        n_lines = lines.shape[1]
        for side in range(2):
            club = home[i] if side == 0 else away[i]
            own = points[club] + difference[club] / 1000.0
            place = 1
            while table[place - 1] > own:
                place += 1
            at = 1 + side * (n_lines + 4)
            said[i, at] = place / n_clubs
            to_win = POINTS * max(rounds - played[club], 0.0)
            if np.isnan(rounds) or not lines[season[i]].any():
                continue
            n_open, at_stake, nearest = 0.0, 0.0, np.nan
            for k in range(n_lines):
                line = lines[season[i], k]
                if line == 0:
                    continue
                last_above = min(max(line if line > 0 else n_clubs + line, 1), n_clubs - 1)
                # Above the line the lead over the first club below it counts, below it what lacks to the last above.
                rival = table[last_above] if place <= last_above else table[last_above - 1]
                gap = np.round(own - rival)
                # Half a point more: level on points with nothing left to play, goals have decided.
                margin = min(max(gap / (to_win + 0.5), -DECIDED), DECIDED)
                said[i, at + 1 + k] = margin
                if np.abs(gap) <= to_win:
                    n_open += 1.0
                    at_stake = max(at_stake, 1.0 - np.abs(margin))
                    nearest = np.abs(gap) if np.isnan(nearest) else min(nearest, np.abs(gap))
            said[i, at + 1 + n_lines] = n_open
            said[i, at + 2 + n_lines] = at_stake
            said[i, at + 3 + n_lines] = nearest
