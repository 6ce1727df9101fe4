"""Beside others who forecast: the same matches, by whatever names they call the clubs.

Belongs here: finding a peer's matches among ours, and both scored. Does not belong here: reading files, or making forecasts.

Clubs are recognised by when they play, at home and away: no two have the same calendar, and no list of spellings has to be kept.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array

from pipelines.forecast.contract import PROBABILITIES
from pipelines.forecast.metrics import log_loss, outcome_of, paired_bootstrap, ranked_probability_score

PEER_COLUMNS: Final = ("date", "league", "home", "away", *PROBABILITIES, "home_goals", "away_goals")
"""Of a peer's forecasts of played matches: the day, its names of league and clubs, its probabilities and the score."""

LEAST_MATCHES: Final = 5
LEAST_SHARE: Final = 0.8
"""Of a peer's matches of a club, while ours has any, that must be on days, and at home or away, on which ours plays too."""
LEAST_LEAD: Final = 1.25
"""How many times as many as any other club's: two that play on the same days by chance are both left out."""


def same_matches(forecasts: pd.DataFrame, peer: pd.DataFrame) -> pd.DataFrame:
    """A peer's forecasts beside ours of the same matches.

    Parameters
    ----------
    forecasts
        (n) `source_division, match_date, source_home, source_away` and `contract.PROBABILITIES`, one row for each match.
    peer
        (m) `PEER_COLUMNS`; rows without a score are left out.

    Returns
    -------
    DataFrame
        (k ≤ m) our columns, and the peer's as `peer_p_home` and so on, with `outcome`.
    """
    peer = peer.dropna(subset=["home_goals", "away_goals", *PROBABILITIES])
    # A club has a calendar in each league: one that also plays in cups would not be recognised by all its days.
    peer = peer.assign(**{side: peer["league"] + "\x1f" + peer[side] for side in ("home", "away")})
    ours = forecasts.rename(columns={"match_date": "date", "source_home": "home", "source_away": "away"})
    ours = ours.assign(**{side: ours["source_division"] + "\x1f" + ours[side] for side in ("home", "away")})
    names = _recognise(peer, ours)
    both = peer.assign(home=peer["home"].map(names), away=peer["away"].map(names)).dropna(subset=["home", "away"])
    both = both.rename(columns={name: f"peer_{name}" for name in PROBABILITIES})
    both = both.merge(ours, on=["date", "home", "away"], validate="one_to_one")
    return both.assign(outcome=outcome_of(both["home_goals"], both["away_goals"]))


def compare(both: pd.DataFrame) -> dict[str, float]:
    """Both scored on what `same_matches` returns.

    Returns
    -------
    dict
        `n`, `log_loss`, `rps`, `peer_log_loss`, `peer_rps`, and `difference` in log loss, ours less the peer's, with
        `difference_low` and `difference_high` (95 %, by match-day). A forecast that called impossible what happened counts as
        one of a millionth.
    """
    outcomes = both["outcome"].to_numpy(dtype=np.int64)
    ours, theirs = (
        np.clip(both[[f"{prefix}{name}" for name in PROBABILITIES]].to_numpy(dtype=np.float64), 1e-6, 1.0)
        for prefix in ("", "peer_")
    )
    losses = log_loss(ours, outcomes), log_loss(theirs, outcomes)
    difference = paired_bootstrap(losses[0] - losses[1], both["date"])
    return {
        "n": float(len(both)),
        "log_loss": float(losses[0].mean()),
        "rps": float(ranked_probability_score(ours, outcomes).mean()),
        "peer_log_loss": float(losses[1].mean()),
        "peer_rps": float(ranked_probability_score(theirs, outcomes).mean()),
        "difference": difference.mean,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }


def _recognise(peer: pd.DataFrame, ours: pd.DataFrame) -> dict[str, str]:
    """The peer's name of a club to ours, of those whose calendars agree."""
    days = pd.Index(pd.concat([peer["date"], ours["date"]]).unique()).sort_values()
    theirs, their_calendars = _calendars(peer, days)
    known, our_calendars = _calendars(ours, days)
    if not len(theirs) or len(known) < 2:
        return {}
    shared = (their_calendars @ our_calendars.T).toarray()
    each = np.arange(len(theirs))
    best = shared.argmax(axis=1)
    most, second = shared[each, best], np.partition(shared, -2, axis=1)[:, -2]
    # Of the peer's matches those between our club's first and last: seasons that only one of them has tell nothing.
    first, last = _span(our_calendars, len(days))
    played = np.pad(_by_day(their_calendars, len(days)).cumsum(axis=1), ((0, 0), (1, 0)))
    n = played[each, last[best] + 1] - played[each, first[best]]
    is_sure = (n >= LEAST_MATCHES) & (most >= LEAST_SHARE * n) & (most >= LEAST_LEAD * second)
    # Of several that look like one of ours, as in leagues that play on the same days, at most one is it.
    is_sure &= shared.argmax(axis=0)[best] == each
    return {theirs[i]: known[best[i]] for i in np.flatnonzero(is_sure)}


def _by_day(calendars: csr_array, n_days: int) -> npt.NDArray[np.float64]:
    """(clubs, days) matches, wherever they are played."""
    dense = calendars.toarray()
    return np.asarray(dense[:, :n_days] + dense[:, n_days:])


def _span(calendars: csr_array, n_days: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(clubs,) positions of the first and of the last day on which each plays."""
    plays = _by_day(calendars, n_days) > 0
    return plays.argmax(axis=1), n_days - 1 - plays[:, ::-1].argmax(axis=1)


def _calendars(matches: pd.DataFrame, days: pd.Index) -> tuple[list[str], csr_array]:
    """Clubs, and (clubs, 2 · days) ones where a club plays at home, then away."""
    both = pd.concat([matches["home"], matches["away"]])
    codes, clubs = pd.factorize(both, sort=True)
    day = days.get_indexer(pd.Index(matches["date"]))
    at = np.concatenate([day, day + len(days)])
    ones = np.ones(len(codes))
    calendars = csr_array((ones, (codes, at)), shape=(len(clubs), 2 * len(days)))
    calendars.data = np.minimum(calendars.data, 1.0)
    return list(clubs), calendars
