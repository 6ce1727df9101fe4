"""The model of the information set `results`: scores and statistics of earlier matches, no odds."""

from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pipelines.forecast.additive import averaged, composed, start, terms
from pipelines.forecast.contract import FEATURES, RATINGS
from pipelines.forecast.learners import LEAST, RATE_COLUMNS, ExpectedGoals, Grown, Growth, Logit, Trees, foresee, is_told
from pipelines.forecast.metrics import outcome_of
from pipelines.forecast.models import files

Array = npt.NDArray[np.float64]

RATING_COLUMNS: Final = (
    "elo_difference",
    "pi_expected_goal_difference",
    "goals_log_rate_difference",
    "goals_log_rate_home",
    "goals_log_rate_away",
    *RATINGS["play"],
)
SHOT_COLUMNS: Final = ("shots_log_rate_difference", "shots_log_rate_home", "shots_log_rate_away")
CONTEXT_COLUMNS: Final = tuple(
    name
    for name in FEATURES["results"]
    if name.startswith(("home_form", "away_form", "home_season", "away_season", "home_rest", "away_rest"))
    or name in ("tier", "at_stake_difference", "has_stake_difference")
)
PLAY_COLUMNS: Final = ("play_forecast", "goal_difference_forecast", "play_expected", "goals_log_rate_home", "goals_log_rate_away")

PERFORMANCE_GROWTH: Final = Growth(200, 0.03, 15, 300, 0.7, 0.25, 20.0)
GOAL_DIFFERENCE_GROWTH: Final = Growth(200, 0.04, 15, 300, 0.7, 0.25, 20.0)
PLAY_OUTCOME_GROWTH: Final = Growth(120, 0.03, 6, 800, 0.6, 0.2, 100.0)
RATING_OUTCOME_GROWTH: Final = Growth(300, 0.02, 8, 600, 0.6, 0.2, 50.0)
"""Chosen on seasons up to 2018."""


class Results(BaseEstimator):  # type: ignore[misc]
    """The model of the information set `results`: what ratings say of outcomes, and what they say of play.

    One half is a logit on ratings, from which trees start. The other forecasts the match's performance and its goal
    difference, targets with less noise than the outcome, turns both into probabilities, and starts trees from these. Where
    there are too few matches to forecast play walk-forward, the first half speaks alone.

    Where a competition has no shots, a logit that never knew them speaks: the weights of the other ratings are then
    larger, which no filled-in value can bring about.

    Parameters
    ----------
    use_trees
        Whether more than the logit speaks.
    least_played
        Matches both clubs must have behind them for a match to be learnt from.
    since
        First season learnt from: the one from which shots are counted in the source's files.
    n_seasons
        How many of the latest seasons are learnt from, all if None.

    Attributes
    ----------
    logit_, logit_without_shots_ : Logit
    trees_ : dict of Trees
    play_logit_ : Logit or None
    expected_goals_ : ExpectedGoals
    """

    def __init__(self, use_trees: bool = True, least_played: int = 5, since: int = 2000, n_seasons: int | None = None) -> None:
        self.use_trees = use_trees
        self.least_played = least_played
        self.since = since
        self.n_seasons = n_seasons

    def fit(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> Self:
        """Learn from (n, k) features and `contract.LABELS["results"]` of the same matches.

        Raises
        ------
        ValueError
            If an outcome never occurs among the matches, which is so for an empty frame.
        """
        since = self.since if self.n_seasons is None else max(self.since, labels["season"].max() - self.n_seasons + 1)
        warm = (features[["n_played_home", "n_played_away"]].min(axis=1) >= self.least_played) & (labels["season"] >= since)
        features, labels = features[warm], labels[warm]
        outcomes = outcome_of(labels["home_goals"], labels["away_goals"])
        self.logit_without_shots_ = Logit(RATING_COLUMNS + CONTEXT_COLUMNS).fit(features, outcomes)
        counted = _has_shots(features)
        # Below this a logit of sixty weights is noise; the one without shots speaks for all.
        enough = counted.sum() >= 1000
        self.logit_ = (
            Logit(RATING_COLUMNS + SHOT_COLUMNS + CONTEXT_COLUMNS).fit(features[counted], outcomes[counted]) if enough else None
        )
        self.trees_: dict[str, Trees] = {}
        self.play_logit_: Logit | None = None
        rated = self._logit(features)
        if self.use_trees:
            self.trees_["rating_outcome"] = Trees(FEATURES["results"], RATING_OUTCOME_GROWTH).fit(
                features, outcomes, grown, start=np.log(rated)
            )
            self._fit_play(features, labels, outcomes, grown)
        self.expected_goals_ = ExpectedGoals(RATE_COLUMNS).fit(features, rated, labels)
        return self

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities."""
        check_is_fitted(self)
        rated = self._logit(features)
        if not self.trees_:
            return rated
        members = [self.trees_["rating_outcome"].predict(features, np.log(rated))]
        if self.play_logit_ is not None:
            played = features.assign(**_named(self._forecast_play(self.trees_, features)))
            start = np.log(self.play_logit_.predict_proba(played))
            members.append(self.trees_["play_outcome"].predict(features, start))
        mean = np.mean(members, axis=0)
        return np.asarray(mean / mean.sum(axis=1, keepdims=True))

    def terms(self, features: pd.DataFrame) -> Array:
        """(n, 1 + T, 2) what each feature adds to the log-odds of `predict_proba`, see `additive`."""
        check_is_fitted(self)
        rated = self._logit_terms(features)
        if not self.trees_:
            return rated
        members = [rated + terms(self.trees_["rating_outcome"], features)]
        if self.play_logit_ is not None:
            members.append(self._play_terms(features, self.play_logit_) + terms(self.trees_["play_outcome"], features))
        return averaged(members)

    def predict_goals(self, features: pd.DataFrame) -> Array:
        """(n, 2) expected goals of home and away."""
        check_is_fitted(self)
        return self.expected_goals_.predict(features, self._logit(features))

    def disagreement(self, features: pd.DataFrame) -> Array:
        """(n,) NaN: where its members differ, forecasts were no worse."""
        return np.full(len(features), np.nan)

    def to_files(self, folder: Path) -> None:
        """Write `model.json` and the trees of each stage."""
        check_is_fitted(self)
        content = {
            "parameters": self.get_params(),
            "logit": self.logit_.to_dict() if self.logit_ is not None else None,
            "logit_without_shots": self.logit_without_shots_.to_dict(),
            "play_logit": self.play_logit_.to_dict() if self.play_logit_ is not None else None,
            "expected_goals": self.expected_goals_.to_dict(),
        }
        files.write(folder, content, self.trees_)

    @classmethod
    def from_files(cls, folder: Path) -> Self:
        """Read what `to_files` wrote; raises as `History.from_files`."""
        content, trees = files.read(folder)
        model = cls(**content["parameters"])
        model.logit_ = Logit.from_dict(content["logit"]) if content["logit"] is not None else None
        model.logit_without_shots_ = Logit.from_dict(content["logit_without_shots"])
        model.play_logit_ = Logit.from_dict(content["play_logit"]) if content["play_logit"] is not None else None
        model.expected_goals_ = ExpectedGoals.from_dict(content["expected_goals"])
        model.trees_ = trees
        return model

    def _logit(self, features: pd.DataFrame) -> Array:
        probabilities = self.logit_without_shots_.predict_proba(features)
        counted = _has_shots(features)
        if self.logit_ is not None and counted.any():
            probabilities[counted] = self.logit_.predict_proba(features[counted])
        return probabilities

    def _logit_terms(self, features: pd.DataFrame) -> Array:
        found = terms(self.logit_without_shots_, features)
        counted = _has_shots(features)
        if self.logit_ is not None and counted.any():
            found[counted] = terms(self.logit_, features[counted])
        return found

    def _play_terms(self, features: pd.DataFrame, play_logit: Logit) -> Array:
        expected = start("play_expected", _expected_play(features), self.logit_without_shots_.middle("play_expected"))
        play = {
            "play_forecast": expected + terms(self.trees_["performance"], features),
            "goal_difference_forecast": terms(self.trees_["goal_difference"], features),
        }
        return composed(play_logit, features, play)

    def _fit_play(self, features: pd.DataFrame, labels: pd.DataFrame, outcomes: npt.NDArray[np.int64], grown: Grown) -> None:
        def grow(rows: npt.NDArray[np.bool_]) -> dict[str, Trees]:
            learn, play = features[rows], labels[rows]
            goal_difference = (play["home_goals"] - play["away_goals"]).to_numpy()
            return {
                "performance": Trees(FEATURES["results"], PERFORMANCE_GROWTH).fit(
                    learn,
                    play["performance"].to_numpy(),
                    grown,
                    start=_expected_play(learn),
                    weight=play["performance_weight"].to_numpy(),
                ),
                "goal_difference": Trees(FEATURES["results"], GOAL_DIFFERENCE_GROWTH).fit(
                    learn, goal_difference, grown, start=np.zeros(len(learn))
                ),
            }

        def forecast(learn: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> Array:
            return self._forecast_play(grow(learn), features[asked], grown)

        everything = np.ones(len(features), dtype=bool)
        said = foresee(labels["asked_at"].to_numpy(), labels["known_at"].to_numpy(), everything, forecast, 2)
        told = is_told(said)
        if told.sum() < LEAST:
            return
        played = features[told].assign(**_named(said[told]))
        self.play_logit_ = Logit(PLAY_COLUMNS).fit(played, outcomes[told])
        start = np.log(self.play_logit_.predict_proba(played))
        self.trees_ |= grow(everything)
        self.trees_["play_outcome"] = Trees(FEATURES["results"], PLAY_OUTCOME_GROWTH).fit(
            features[told], outcomes[told], grown, start=start
        )

    def _forecast_play(self, trees: dict[str, Trees], features: pd.DataFrame, grown: Grown | None = None) -> Array:
        """(n, 2) performance and goal difference."""
        return np.column_stack(
            [
                trees["performance"].predict(features, _expected_play(features), grown),
                trees["goal_difference"].predict(features, np.zeros(len(features)), grown),
            ]
        )


def _has_shots(features: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return features["shots_log_rate_difference"].notna().to_numpy()


def _expected_play(features: pd.DataFrame) -> Array:
    # A match that no memory was asked about counts as one between newcomers.
    return features["play_expected"].fillna(0.55).to_numpy()


def _named(play: Array) -> dict[str, Array]:
    return {"play_forecast": play[:, 0], "goal_difference_forecast": play[:, 1]}
