"""A linear-Gaussian state-space model of clubs and divisions, filtered with its full covariance.

Belongs here: the dynamics of strengths, the order of learning and asking, the arithmetic of the Kalman filter. Does not
belong here: what is observed of a match (`memory`).

A match is observed as y = s_home ± s_away + u_home + f_home ± f_away + h_division + ε. Every club has a strength s, a
transient f that reverts to zero (injuries, form) and a home advantage u of its own, every division a level h. One filter
holds all divisions of a country, so that what is learnt of one club moves all those it was compared with. The covariance
does not depend on what is observed, only on which matches are: several series of the same matches that differ in their
control (`observe`) share it.

As in `replay`, an observation counts for a match iff its `known_at` is strictly before the match's `as_of`. What became
known between two questions is learnt at once, jointly: no order among simultaneous matches can matter.

The recursion is that of R. E. Kalman, "A new approach to linear filtering and prediction problems", Journal of Basic
Engineering 82(1), 1960, with the update through the Cholesky factor of the innovations' covariance.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.forecast.replay import Timeline

Array = npt.NDArray[np.float64]

N_THREADS: Final = 2
"""Countries are independent, and the compiled filter lets other threads run."""


class Dynamics(NamedTuple):
    """How states begin and move. Variances are in units of y², per day or per summer; a variance of 0 removes the state."""

    noise: float
    """Variance of ε of an ordinary observation."""
    sign: float = -1.0
    """−1 if the away club lowers y (a difference of strengths), +1 if it raises it (goals in all)."""
    strength: float = 0.5
    """Variance of a new club's strength."""
    strength_day: float = 0.0
    strength_summer: float = 0.0
    shrink: float = 1.0
    """What is left, after a summer, of a club's distance from the mean of the clubs of its tier."""
    promotion: float = 0.0
    """What a club gains by each tier that it rises."""
    tier_step: float = 0.0
    """A new club's strength, for each tier below the first."""
    form: float = 0.0
    """Stationary variance of f."""
    form_days: float = 30.0
    """Days after which 1/e of f is left; a summer counts as sixty."""
    advantage: float = 0.0
    """Variance of a new club's u."""
    advantage_day: float = 0.0
    level: float = 0.0
    """Where a division's h begins."""
    level_variance: float = 0.05
    level_day: float = 0.0
    level_summer: float = 0.0
    control_strength: float = 0.0
    """Share of the control that moves both strengths, in opposite directions if `sign` is −1."""
    control_form: float = 0.0


LONGEST_BREAK: Final = 20.0
"""Days between two match days that count at most: breaks within a season are not time in which clubs change."""
SUMMER_DAYS: Final = 60.0
FORGOTTEN: Final = 2
"""A club missing for so many seasons from all divisions of its country that are known begins anew when it returns."""


@dataclass(frozen=True)
class Series:
    """What is observed of each match of a `Timeline`, in its order."""

    dynamics: Dynamics
    observed: Array
    """(n,) y; NaN where there is none."""
    noise_factor: Array
    """(n,) by how much the noise of this observation exceeds the ordinary, as a multiple of its variance."""
    control: Array
    """(n, c) surprise of the result, by which the states are steered after the update; one column for each of c
    variants of the memory. 0 where there is none."""


def recall(timeline: Timeline, series: Sequence[Series]) -> list[tuple[Array, Array]]:
    """Filter several series over the same matches, each country by itself.

    Returns
    -------
    list
        For each series the (n, c) expectation of y and the (n,) variance of its expectation (without ε), at each
        match's `as_of`, in the order of the timeline.
    """
    run = _compiled()
    answers = [(np.full(one.control.shape, np.nan), np.full(len(one.observed), np.nan)) for one in series]
    countries = [np.flatnonzero(timeline.matches["country"] == country) for country in range(timeline.n_countries)]
    # The largest first: the last to be begun should be short.
    countries.sort(key=len, reverse=True)
    learnt = np.full(len(timeline.matches), -1)
    learnt[timeline.results] = np.arange(len(timeline.results))

    def work(rows: npt.NDArray[np.int64], one: Series, answer: tuple[Array, Array]) -> None:
        known = rows[(learnt[rows] >= 0) & ~np.isnan(one.observed[rows])]
        known = known[np.argsort(learnt[known])]
        matches = timeline.matches[rows]
        clubs, sides = np.unique(np.concatenate([matches["home"], matches["away"]]), return_inverse=True)
        divisions, division = np.unique(matches["competition"], return_inverse=True)
        expected, variance = run(
            one.dynamics,
            sides[: len(rows)],
            sides[len(rows) :],
            division,
            len(clubs),
            len(divisions),
            np.ascontiguousarray(matches["season"]),
            np.ascontiguousarray(matches["tier"]),
            timeline.as_of[rows],
            timeline.known_at[rows],
            np.searchsorted(rows, known),
            one.observed[rows],
            one.noise_factor[rows],
            one.control[rows],
        )
        answer[0][rows], answer[1][rows] = expected, variance

    with ThreadPoolExecutor(N_THREADS) as pool:
        jobs = [pool.submit(work, rows, one, answer) for rows in countries for one, answer in zip(series, answers, strict=True)]
        for job in jobs:
            job.result()
    return answers


@cache
def _compiled() -> Any:
    import numba

    return numba.njit(cache=True, nogil=True)(_filter)


# The covariance is kept in the lower triangle of a square; divisions come first, then the clubs, `width` states each.


def _filter(  # noqa: PLR0912, PLR0915 - one compiled loop; numba's cache does not see changes of what it would call
    dynamics: Any,
    home: Any,
    away: Any,
    division: Any,
    n_clubs: int,
    n_divisions: int,
    season: Any,
    tier: Any,
    as_of: Any,
    known_at: Any,
    results: Any,
    observed: Any,
    noise_factor: Any,
    control: Any,
) -> Any:
    """Go through the time of one country once. Matches are in the order of `as_of`, `results` in that of `known_at`."""
    n_matches, n_variants = control.shape
    has_form, has_advantage = dynamics.form > 0.0, dynamics.advantage > 0.0
    width = 1 + has_form + has_advantage
    size = n_divisions + width * n_clubs
    covariance = np.zeros((size, size))
    mean = np.zeros((n_variants, size))
    for d in range(n_divisions):
        mean[:, d] = dynamics.level
        covariance[d, d] = dynamics.level_variance
    division_season = np.full(n_divisions, -1)
    slot = np.full(n_clubs, -1)  # a club's place among those remembered
    owner = np.full(n_clubs, -1)  # its inverse
    club_season = np.zeros(n_clubs, dtype=np.int64)
    club_tier = np.zeros(n_clubs)
    n_slots = 0
    newest = -1
    expected = np.full((n_matches, n_variants), np.nan)
    variance = np.full(n_matches, np.nan)
    states = np.zeros(6, dtype=np.int64)  # of the match at hand, with their weights
    weights = np.zeros(6)
    row = np.zeros(size)
    column = np.zeros(size)

    def locate(match: int) -> int:
        """Write where the states of a match are, and their weights; say how many."""
        states[0], weights[0] = division[match], 1.0
        states[1], weights[1] = n_divisions + width * slot[home[match]], 1.0
        states[2], weights[2] = n_divisions + width * slot[away[match]], dynamics.sign
        count = 3
        if has_form:
            states[3], weights[3] = states[1] + 1, 1.0
            states[4], weights[4] = states[2] + 1, dynamics.sign
            count = 5
        if has_advantage:
            states[count], weights[count] = states[1] + width - 1, 1.0
            count += 1
        return count

    day_length = 86_400_000_000
    today = np.int64(0)
    learnt = 0
    i = 0
    while i < n_matches:
        # What became known before this question, jointly.
        until = learnt
        while until < len(results) and known_at[results[until]] < as_of[i]:
            until += 1
        n_new = until - learnt
        n = n_divisions + width * n_slots
        if n_new > 0:
            gain = np.zeros((n_new, n))
            surprise = np.zeros((n_new, n_variants))
            factor = np.zeros((n_new, n_new))
            for k in range(n_new):
                match = results[learnt + k]
                n_states = locate(match)
                for a in range(n_states):
                    at = states[a]
                    for j in range(at):
                        gain[k, j] += weights[a] * covariance[at, j]
                    for j in range(at, n):
                        gain[k, j] += weights[a] * covariance[j, at]
                for v in range(n_variants):
                    surprise[k, v] = observed[match]
                    for a in range(n_states):
                        surprise[k, v] -= weights[a] * mean[v, states[a]]
                for q in range(k + 1):
                    for a in range(n_states):
                        factor[k, q] += weights[a] * gain[q, states[a]]
                factor[k, k] += dynamics.noise * noise_factor[match]
            # factor becomes its own Cholesky factor L, gain becomes L⁻¹·gain, surprise L⁻¹·surprise.
            for k in range(n_new):
                for q in range(k):
                    for r in range(q):
                        factor[k, q] -= factor[k, r] * factor[q, r]
                    factor[k, q] /= factor[q, q]
                    factor[k, k] -= factor[k, q] ** 2
                    for j in range(n):
                        gain[k, j] -= factor[k, q] * gain[q, j]
                    for v in range(n_variants):
                        surprise[k, v] -= factor[k, q] * surprise[q, v]
                factor[k, k] = np.sqrt(factor[k, k])
                for j in range(n):
                    gain[k, j] /= factor[k, k]
                for v in range(n_variants):
                    surprise[k, v] /= factor[k, k]
                    for j in range(n):
                        mean[v, j] += surprise[k, v] * gain[k, j]
            # Four at a time: a row of the covariance is then read and written a quarter as often.
            k = 0
            while k + 4 <= n_new:
                for j in range(n):
                    a0, a1, a2, a3 = gain[k, j], gain[k + 1, j], gain[k + 2, j], gain[k + 3, j]
                    for q in range(j + 1):
                        covariance[j, q] -= a0 * gain[k, q] + a1 * gain[k + 1, q] + a2 * gain[k + 2, q] + a3 * gain[k + 3, q]
                k += 4
            while k < n_new:
                for j in range(n):
                    a0 = gain[k, j]
                    for q in range(j + 1):
                        covariance[j, q] -= a0 * gain[k, q]
                k += 1
            for k in range(n_new):
                match = results[learnt + k]
                for side in range(2):
                    at = n_divisions + width * slot[home[match] if side == 0 else away[match]]
                    sign = 1.0 if side == 0 else dynamics.sign
                    for v in range(n_variants):
                        mean[v, at] += sign * dynamics.control_strength * control[match, v]
                        if has_form:
                            mean[v, at + 1] += sign * dynamics.control_form * control[match, v]
            learnt = until

        # Time passes.
        day = as_of[i] // day_length
        if day > today:
            days = min(float(day - today), LONGEST_BREAK)
            today = day
            for d in range(n_divisions):
                covariance[d, d] += dynamics.level_day * days
            kept = np.exp(-days / dynamics.form_days)
            for c in range(n_slots):
                at = n_divisions + width * c
                covariance[at, at] += dynamics.strength_day * days
                if has_form:
                    at += 1
                    for j in range(at):
                        covariance[at, j] *= kept
                    for j in range(at, n):
                        covariance[j, at] *= kept
                    covariance[at, at] = kept * covariance[at, at] + dynamics.form * (1.0 - kept**2)
                    mean[:, at] *= kept
                if has_advantage:
                    covariance[at + 1, at + 1] += dynamics.advantage_day * days

        # Divisions and clubs arrive at the matches that are asked together; then all of these are answered.
        end = i
        while end < n_matches and as_of[end] == as_of[i]:
            if division_season[division[end]] < season[end]:
                if division_season[division[end]] >= 0:
                    covariance[division[end], division[end]] += dynamics.level_summer
                division_season[division[end]] = season[end]
            if season[end] > newest:
                newest = season[end]
                c = 0
                while c < n_slots:
                    if club_season[owner[c]] >= newest - FORGOTTEN:
                        c += 1
                        continue
                    # The last one takes the place of the forgotten.
                    n_slots -= 1
                    slot[owner[c]] = -1
                    n = n_divisions + width * n_slots
                    if c < n_slots:
                        owner[c] = owner[n_slots]
                        slot[owner[c]] = c
                        at = n_divisions + width * c
                        for w in range(width):
                            mean[:, at + w] = mean[:, n + w]
                            for j in range(at):
                                covariance[at + w, j] = covariance[n + w, j]
                            for j in range(at + width, n):
                                covariance[j, at + w] = covariance[n + w, j]
                            for j in range(w + 1):
                                covariance[at + w, at + j] = covariance[n + w, n + j]
            for side in range(2):
                club = home[end] if side == 0 else away[end]
                n = n_divisions + width * n_slots
                if slot[club] < 0:
                    slot[club], owner[n_slots] = n_slots, club
                    covariance[n : n + width, : n + width] = 0.0
                    mean[:, n : n + width] = 0.0
                    mean[:, n] = dynamics.tier_step * (tier[end] - 1.0)
                    covariance[n, n] = dynamics.strength
                    if has_form:
                        covariance[n + 1, n + 1] = dynamics.form
                    if has_advantage:
                        covariance[n + width - 1, n + width - 1] = dynamics.advantage
                    n_slots += 1
                elif season[end] > club_season[club]:
                    # s moves towards the mean of its tier: row and column become the weighted sum of those of the tier.
                    at = n_divisions + width * slot[club]
                    summers = season[end] - club_season[club]
                    left = dynamics.shrink**summers
                    n_peers = 0
                    for c in range(n_slots):
                        n_peers += club_tier[owner[c]] == club_tier[club]
                    row[:n] = 0.0
                    column[:n] = 0.0
                    for c in range(n_slots):
                        if club_tier[owner[c]] == club_tier[club]:
                            column[n_divisions + width * c] = (1.0 - left) / n_peers
                    column[at] += left
                    for peer in range(n_divisions, n, width):
                        if column[peer] == 0.0:
                            continue
                        for j in range(peer):
                            row[j] += column[peer] * covariance[peer, j]
                        for j in range(peer, n):
                            row[j] += column[peer] * covariance[j, peer]
                    for v in range(n_variants):
                        moved = 0.0
                        for j in range(n):
                            moved += column[j] * mean[v, j]
                        mean[v, at] = moved + dynamics.promotion * (club_tier[club] - tier[end])
                    own = dynamics.strength_summer * summers
                    for j in range(n):
                        own += column[j] * row[j]
                    for j in range(at):
                        covariance[at, j] = row[j]
                    for j in range(at + 1, n):
                        covariance[j, at] = row[j]
                    covariance[at, at] = own
                    if has_form:
                        at += 1
                        kept = np.exp(-SUMMER_DAYS / dynamics.form_days)
                        for j in range(at):
                            covariance[at, j] *= kept
                        for j in range(at, n):
                            covariance[j, at] *= kept
                        covariance[at, at] = kept * covariance[at, at] + dynamics.form * (1.0 - kept**2)
                        mean[:, at] *= kept
                else:
                    continue
                club_season[club] = season[end]
                club_tier[club] = tier[end]
            end += 1
        for match in range(i, end):
            n_states = locate(match)
            total = 0.0
            for a in range(n_states):
                for b in range(n_states):
                    low, high = min(states[a], states[b]), max(states[a], states[b])
                    total += weights[a] * weights[b] * covariance[high, low]
            variance[match] = total
            for v in range(n_variants):
                said = 0.0
                for a in range(n_states):
                    said += weights[a] * mean[v, states[a]]
                expected[match, v] = said
        i = end
    return expected, variance
