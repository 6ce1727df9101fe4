"""Matches of national teams: rated in a pool of their own, forecast by a small logit, judged walk-forward.

Belongs here: their features, their model and their backtest. Does not belong here: what the ratings believe
(`ratings.national`), or clubs, who share nothing with them.
"""

from collections.abc import Iterable
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pipelines.forecast.contract import MATCH_COLUMNS, NATIONAL_RATINGS, PROBABILITIES
from pipelines.forecast.learners import Logit
from pipelines.forecast.metrics import (
    Array,
    Outcomes,
    calibration_error,
    log_loss,
    outcome_of,
    paired_bootstrap,
    ranked_probability_score,
)
from pipelines.forecast.ratings.national import NationalElo, NationalGoals
from pipelines.forecast.replay import Rating, Timeline, replay
from pipelines.forecast.splits import walk_forward

RATINGS: Final[tuple[type[Rating], ...]] = (NationalElo, NationalGoals)

FEATURES: Final = (
    "national_elo_difference",
    "national_goals_log_rate_difference",
    *NATIONAL_RATINGS["national_goals"],
    "is_home_ground",
)

FREQUENCIES: Final = ("base_p_home", "base_p_draw", "base_p_away")

FRIENDLY: Final = "national-friendly"
"""The competition of matches that belong to none."""

SINCE: Final = 1975
"""Year from which matches are learnt from by the logit; ratings begin with the first match there is."""


def rate(matches: pd.DataFrame) -> pd.DataFrame:
    """Both ratings, and what follows from them, of all matches, each as it stood at the match's `as_of`.

    Parameters
    ----------
    matches
        `contract.NATIONAL_MATCH_COLUMNS`, in any row order.

    Returns
    -------
    DataFrame
        (n matches, `FEATURES`) of float64, index `match_id`, ordered by `as_of`, then `match_id`.
    """
    # One country: its state is the home advantage of all. What a club's match has and this one lacks is not known.
    timeline = Timeline.of(matches.assign(country="world").reindex(columns=[*MATCH_COLUMNS, "is_neutral"]))
    said = pd.concat([replay(timeline, rating) for rating in RATINGS], axis=1)
    is_neutral = pd.Series(timeline.matches["is_neutral"], index=timeline.match_id)
    return said.assign(
        national_elo_difference=said["national_elo_home"] - said["national_elo_away"],
        national_goals_log_rate_difference=said["national_goals_log_rate_home"] - said["national_goals_log_rate_away"],
        is_home_ground=1.0 - is_neutral,
    )[list(FEATURES)]


class NationalLogit(BaseEstimator):  # type: ignore[misc]
    """A multinomial logit on both ratings that does not care, on neutral ground, which side is called home.

    There it learns from each match both ways round, and says the mean of what it says of both.

    Attributes
    ----------
    logit_ : Logit
    """

    def fit(self, features: pd.DataFrame, outcomes: Outcomes) -> Self:
        """Learn from (n, `FEATURES`) and (n,) outcomes; each of the three outcomes must occur."""
        is_neutral = (features["is_home_ground"] == 0.0).to_numpy()
        both_ways = pd.concat([features, mirrored(features[is_neutral])])
        self.logit_ = Logit(FEATURES).fit(both_ways, np.concatenate([outcomes, 2 - outcomes[is_neutral]]))
        return self

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities in the order of `contract.OUTCOMES`."""
        check_is_fitted(self)
        said = self.logit_.predict_proba(features)
        is_neutral = (features["is_home_ground"] == 0.0).to_numpy()
        other_way = self.logit_.predict_proba(mirrored(features[is_neutral]))[:, ::-1]
        said[is_neutral] = (said[is_neutral] + other_way) / 2.0
        return said


def mirrored(features: pd.DataFrame) -> pd.DataFrame:
    """The features of matches on neutral ground with their sides changed."""
    home, away = NATIONAL_RATINGS["national_goals"]
    return features.assign(
        **{name: -features[name] for name in ("national_elo_difference", "national_goals_log_rate_difference")},
        **{home: features[away], away: features[home]},
    )


def backtest(matches: pd.DataFrame, years: Iterable[int]) -> pd.DataFrame:
    """Forecast every played match of the years by models that have seen only earlier years.

    Parameters
    ----------
    matches
        `contract.NATIONAL_MATCH_COLUMNS`, in any row order.
    years
        Calendar years.

    Returns
    -------
    DataFrame
        Index `match_id`; columns `season`, `competition_id`, `kickoff_at`, `is_neutral`, `outcome`, `contract.PROBABILITIES`, and
        `FREQUENCIES`: those of the years learnt from on grounds of the same kind, where neutral ones have no home side.

    Raises
    ------
    ValueError
        If none of the years has a match, and earlier ones to learn from.
    """
    features = rate(matches)
    rows = matches.set_index("match_id").loc[features.index]
    # Of a match without a score this is a draw that nobody looks at.
    outcomes = outcome_of(rows["home_goals"].fillna(0).astype("float64"), rows["away_goals"].fillna(0).astype("float64"))
    neutral = rows["is_neutral"].to_numpy(dtype=bool)
    learnable = (rows["season"] >= SINCE).to_numpy()
    parts = []
    for split in walk_forward(rows, years):
        learn = split.train & learnable
        if not learn.any():
            continue
        model = NationalLogit().fit(features[learn], outcomes[learn])
        part = rows.loc[split.test, ["season", "competition_id", "kickoff_at", "is_neutral"]].copy()
        part["outcome"] = outcomes[split.test]
        part[list(PROBABILITIES)] = model.predict_proba(features[split.test])
        part[list(FREQUENCIES)] = _frequencies(neutral, outcomes, learn, split.test)
        parts.append(part)
    if not parts:
        raise ValueError("none of the years has a played match and earlier ones to learn from")
    return pd.concat(parts)


def summarise(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Scores over everything, by ground, and of friendlies apart from what is played for.

    Returns
    -------
    DataFrame
        One row each, index `all`, `home ground`, `neutral ground`, `friendlies`, `competitive`, columns `n`, `log_loss`, `rps`,
        `ece`, `base_log_loss` and `base_rps` of the frequencies, and the paired `difference` in log loss to them with
        `difference_low` and `difference_high` (95 %, by match-day); groups without a match are left out.
    """
    is_friendly = forecasts["competition_id"] == FRIENDLY
    groups = {
        "all": forecasts,
        "home ground": forecasts[~forecasts["is_neutral"].astype(bool)],
        "neutral ground": forecasts[forecasts["is_neutral"].astype(bool)],
        "friendlies": forecasts[is_friendly],
        "competitive": forecasts[~is_friendly],
    }
    return pd.DataFrame.from_dict({name: _score(part) for name, part in groups.items() if len(part)}, orient="index")


def _score(forecasts: pd.DataFrame) -> dict[str, float]:
    outcomes = forecasts["outcome"].to_numpy(dtype=np.int64)
    said, base = (forecasts[list(names)].to_numpy(dtype=np.float64) for names in (PROBABILITIES, FREQUENCIES))
    difference = paired_bootstrap(log_loss(said, outcomes) - log_loss(base, outcomes), forecasts["kickoff_at"])
    return {
        "n": float(len(forecasts)),
        "log_loss": float(log_loss(said, outcomes).mean()),
        "rps": float(ranked_probability_score(said, outcomes).mean()),
        "ece": calibration_error(said, outcomes),
        "base_log_loss": float(log_loss(base, outcomes).mean()),
        "base_rps": float(ranked_probability_score(base, outcomes).mean()),
        "difference": difference.mean,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }


def _frequencies(
    neutral: npt.NDArray[np.bool_], outcomes: Outcomes, learn: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]
) -> Array:
    """(n asked, 3) frequencies of the outcomes among what was learnt, on the same kind of ground."""
    said = np.empty((int(asked.sum()), 3))
    for kind in (False, True):
        counts = np.bincount(outcomes[learn & (neutral == kind)], minlength=3).astype(np.float64)
        if kind:
            counts = (counts + counts[::-1]) / 2.0
        said[neutral[asked] == kind] = counts / max(counts.sum(), 1.0)
    return said
