"""By how much the prices of earlier matches differed from what had been expected of them: decayed means.

Belongs here: what is kept of these differences for clubs, competitions, countries and pairs of clubs. Does not belong here: what
was expected. That is either the memory (`statespace`), whose differences are a Kalman filter's innovations, or the average quote
before the match, from which its price moved to the closing one; see `memory`.

A filter whose dynamics were right would leave nothing in its innovations, and a quote that knew everything nothing in the moves.
As in `replay`, a match counts iff its `known_at` is strictly before the `as_of` of the match that is asked about.
"""

from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipelines.forecast.replay import Timeline

Array = npt.NDArray[np.float64]

CLUB: Final = (0.6, 0.85, 0.95)
"""What a club keeps of each of its three means when a match is added."""
COMPETITION: Final = (0.98, 0.9)
COUNTRY: Final = (0.998, 0.99)
PAIR: Final = 0.7


def decayed(timeline: Timeline, innovations: Array) -> Array:
    """Decayed means of what was not expected, as they stood before each match.

    Parameters
    ----------
    timeline
        The matches.
    innovations
        (n,) by how much ln(p_home/p_away) of the price exceeded what was expected, NaN where there was no price.

    Returns
    -------
    (n, 12): three means of home and three of away, each in favour of the club; two of the competition and two of the country, in
    favour of whoever plays at home; that of the pair in favour of home, and of how many of its matches.
    """
    home, away = (np.ascontiguousarray(timeline.matches[side]) for side in ("home", "away"))
    pairs = np.minimum(home, away) * timeline.n_clubs + np.maximum(home, away)
    pair = np.unique(pairs, return_inverse=True)[1]
    told: Array = _compiled()(
        home,
        away,
        np.ascontiguousarray(timeline.matches["competition"]),
        np.ascontiguousarray(timeline.matches["country"]),
        pair,
        timeline.n_clubs,
        timeline.n_competitions,
        timeline.n_countries,
        timeline.as_of,
        timeline.known_at,
        timeline.results,
        innovations,
        np.array(CLUB),
        np.array(COMPETITION),
        np.array(COUNTRY),
        PAIR,
    )
    return told


@cache
def _compiled() -> Any:
    import numba

    return numba.njit(cache=True, nogil=True)(_run)


def _run(
    home: Any,
    away: Any,
    competition: Any,
    country: Any,
    pair: Any,
    n_clubs: int,
    n_competitions: int,
    n_countries: int,
    as_of: Any,
    known_at: Any,
    results: Any,
    innovations: Any,
    of_club: Any,
    of_competition: Any,
    of_country: Any,
    of_pair: float,
) -> Any:
    """Go through time once. Matches are in the order of `as_of`, `results` in that of `known_at`."""
    clubs, competitions = np.zeros((n_clubs, 3)), np.zeros((n_competitions, 2))
    countries, pairs, n_met = np.zeros((n_countries, 2)), np.zeros(len(home)), np.zeros(len(home))
    told = np.zeros((len(home), 12))
    learnt = 0
    for i in range(len(home)):
        while learnt < len(results) and known_at[results[learnt]] < as_of[i]:
            match = results[learnt]
            learnt += 1
            found = innovations[match]
            if np.isnan(found):
                continue
            clubs[home[match]] += (1.0 - of_club) * (found - clubs[home[match]])
            clubs[away[match]] += (1.0 - of_club) * (-found - clubs[away[match]])
            competitions[competition[match]] += (1.0 - of_competition) * (found - competitions[competition[match]])
            countries[country[match]] += (1.0 - of_country) * (found - countries[country[match]])
            # Of a pair it is kept in favour of the club with the lower number.
            in_favour = found if home[match] < away[match] else -found
            pairs[pair[match]] += (1.0 - of_pair) * (in_favour - pairs[pair[match]])
            n_met[pair[match]] += 1.0
        told[i, 0:3], told[i, 3:6] = clubs[home[i]], clubs[away[i]]
        told[i, 6:8], told[i, 8:10] = competitions[competition[i]], countries[country[i]]
        told[i, 10] = pairs[pair[i]] if home[i] < away[i] else -pairs[pair[i]]
        told[i, 11] = n_met[pair[i]]
    return told
