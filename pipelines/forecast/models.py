"""Models: from the feature matrix to probabilities of home, draw and away and to expected goals.

Belongs here: estimators in the manner of scikit-learn (`__init__` only stores parameters, what is learnt ends in `_`)
and the registry `MODELS`, in which a new model is one entry. Does not belong here: where the features come from, how
a model is judged, or where it is kept.

A fitted model is written as text, never pickled: JSON for coefficients, LightGBM's own format for trees. The same
frame gives the same bytes.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.utils.validation import check_is_fitted

from pipelines.forecast.contract import FEATURES, OUTCOMES
from pipelines.forecast.metrics import outcome_of

Array = npt.NDArray[np.float64]


class Model(Protocol):
    """What training, backtest and prediction need of a model."""

    def fit(self, features: pd.DataFrame, goals: pd.DataFrame) -> Self:
        """Learn from (n, k) features and the columns `home_goals`, `away_goals` of the same matches."""

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities in the order of `contract.OUTCOMES`, each above 0, rows summing to one."""

    def predict_goals(self, features: pd.DataFrame) -> Array:
        """(n, 2) expected goals of home and away, each above 0."""

    def to_files(self, folder: Path) -> None:
        """Write the fitted model into an existing or new folder."""

    @classmethod
    def from_files(cls, folder: Path) -> Self:
        """Read what `to_files` wrote."""


class Logit(BaseEstimator):  # type: ignore[misc]
    """Multinomial logit on standardised features and their squares.

    Values are cut at `cut` standard deviations, so that a long break or a record win does not run away in the
    square; what is not known counts as average.

    Parameters
    ----------
    columns
        Names of the features used.
    strength
        Inverse of the ridge penalty, scikit-learn's C. On a hundred thousand matches it does not matter; on a few
        thousand a large one lets noise in.
    cut
        Largest distance from the middle, in standard deviations.

    Attributes
    ----------
    centre_, scale_ : (k,) median and standard deviation of each feature
    coefficients_ : (3, 2k)
    intercepts_ : (3,)
    """

    def __init__(self, columns: Sequence[str], strength: float = 0.02, cut: float = 4.0) -> None:
        self.columns = columns
        self.strength = strength
        self.cut = cut

    def fit(self, features: pd.DataFrame, outcomes: npt.NDArray[np.int64]) -> Self:
        """Learn from (n, k) features and (n,) outcomes; each of the three outcomes must occur."""
        values = features[list(self.columns)].to_numpy(dtype=np.float64)
        known = ~np.isnan(values).all(axis=0)
        self.centre_ = np.zeros(values.shape[1])
        self.scale_ = np.ones(values.shape[1])
        self.centre_[known] = np.nanmedian(values[:, known], axis=0)
        deviation = np.nanstd(values[:, known], axis=0)
        self.scale_[known] = np.where(deviation > 0.0, deviation, 1.0)
        if set(np.unique(outcomes)) != {0, 1, 2}:
            raise ValueError("every outcome must occur among the matches that a model is fitted on")
        fitted = LogisticRegression(C=self.strength, solver="newton-cholesky", max_iter=100).fit(self._design(features), outcomes)
        self.coefficients_: Array = fitted.coef_
        self.intercepts_: Array = fitted.intercept_
        return self

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities."""
        check_is_fitted(self)
        scores = self._design(features) @ self.coefficients_.T + self.intercepts_
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def to_dict(self) -> dict[str, Any]:
        """Parameters and what was learnt, as JSON can hold it exactly."""
        learnt = {name: getattr(self, name).tolist() for name in ("centre_", "scale_", "coefficients_", "intercepts_")}
        return {"columns": list(self.columns), "strength": self.strength, "cut": self.cut, **learnt}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        model = cls(content["columns"], content["strength"], content["cut"])
        for name in ("centre_", "scale_", "coefficients_", "intercepts_"):
            setattr(model, name, np.array(content[name]))
        return model

    def _design(self, features: pd.DataFrame) -> Array:
        values = (features[list(self.columns)].to_numpy(dtype=np.float64) - self.centre_) / self.scale_
        values = np.nan_to_num(np.clip(values, -self.cut, self.cut), nan=0.0)
        return np.hstack([values, values**2])


class Trees(BaseEstimator):  # type: ignore[misc]
    """Gradient-boosted trees on the whole feature matrix, shallow and strongly regularised, the mean of several seeds.

    One seed on 63 bins forecasts seasons 2016 and 2018 as well as two on 255 (log loss +0.00003);
    130 trees at .05 do as well as 260 at .025.

    Parameters
    ----------
    columns
        Names of the features used.
    n_trees, learning_rate, n_leaves, n_bins, row_share, column_share, ridge
        As LightGBM's num_iterations, learning_rate, num_leaves, max_bin, bagging_fraction, feature_fraction, lambda_l2.
    least_leaf
        Matches a leaf must hold; on small data a 200th of the matches, but 20 at least.
    seeds
        One member for each.

    Attributes
    ----------
    boosters_ : list of lightgbm.Booster
    """

    def __init__(
        self,
        columns: Sequence[str],
        *,
        n_trees: int = 130,
        learning_rate: float = 0.05,
        n_leaves: int = 12,
        n_bins: int = 63,
        least_leaf: int = 250,
        row_share: float = 0.7,
        column_share: float = 0.5,
        ridge: float = 20.0,
        seeds: Sequence[int] = (1,),
    ) -> None:
        self.columns = columns
        self.n_trees = n_trees
        self.learning_rate = learning_rate
        self.n_leaves = n_leaves
        self.n_bins = n_bins
        self.least_leaf = least_leaf
        self.row_share = row_share
        self.column_share = column_share
        self.ridge = ridge
        self.seeds = seeds

    def fit(self, features: pd.DataFrame, outcomes: npt.NDArray[np.int64]) -> Self:
        """Learn from (n, k) features and (n,) outcomes."""
        settings = {
            "objective": "multiclass",
            "num_class": len(OUTCOMES),
            "learning_rate": self.learning_rate,
            "num_leaves": self.n_leaves,
            "max_bin": self.n_bins,
            "min_data_in_leaf": min(self.least_leaf, max(20, len(features) // 200)),
            "bagging_fraction": self.row_share,
            "bagging_freq": 1,
            "feature_fraction": self.column_share,
            "lambda_l2": self.ridge,
            # The same bytes whenever the same frame comes again: no choice of algorithm by timing, no race of sums.
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": _threads(len(features)),
            "verbose": -1,
        }
        values = features[list(self.columns)].to_numpy(dtype=np.float64)
        data = lightgbm.Dataset(values, outcomes, feature_name=list(self.columns), params=settings, free_raw_data=False)
        self.boosters_ = [lightgbm.train({**settings, "seed": seed}, data, self.n_trees) for seed in self.seeds]
        return self

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities."""
        check_is_fitted(self)
        values = features[list(self.columns)].to_numpy(dtype=np.float64)
        members = [
            np.asarray(booster.predict(values, num_threads=_threads(len(features))), dtype=np.float64)
            for booster in self.boosters_
        ]
        return np.asarray(np.mean(members, axis=0))


def _threads(n_matches: int) -> int:
    """On small data a second thread waits longer for the first than it works, by far if others use the machine too."""
    return 2 if n_matches > 20_000 else 1


class ExpectedGoals(BaseEstimator):  # type: ignore[misc]
    """Expected goals of both sides that agree with a 1X2 forecast: two Poisson regressions.

    The log-odds of home against away carry the difference of the sides, those of the draw and the ratings' log rates
    the number of goals; what is not known of the rates counts as average.

    Attributes
    ----------
    centre_ : (k,) mean of each input
    coefficients_ : (2, k), intercepts_ : (2,)
    """

    columns: Final = ("goals_log_rate_home", "goals_log_rate_away", "shots_log_rate_home", "shots_log_rate_away")

    def fit(self, features: pd.DataFrame, probabilities: Array, goals: pd.DataFrame) -> Self:
        """Learn from (n, k) features, (n, 3) forecasts and the columns `home_goals`, `away_goals`."""
        inputs = self._inputs(features, probabilities)
        known = ~np.isnan(inputs).all(axis=0)
        self.centre_ = np.zeros(inputs.shape[1])
        self.centre_[known] = np.nanmean(inputs[:, known], axis=0)
        design = np.nan_to_num(inputs - self.centre_, nan=0.0)
        sides = [
            PoissonRegressor(alpha=1e-3, solver="newton-cholesky").fit(design, goals[name].to_numpy(dtype=np.float64))
            for name in ("home_goals", "away_goals")
        ]
        self.coefficients_ = np.array([side.coef_ for side in sides])
        self.intercepts_ = np.array([side.intercept_ for side in sides])
        return self

    def predict(self, features: pd.DataFrame, probabilities: Array) -> Array:
        """(n, 2) expected goals."""
        check_is_fitted(self)
        design = np.nan_to_num(self._inputs(features, probabilities) - self.centre_, nan=0.0)
        # Far outside of anything seen a log-linear rate would run away: nobody expects more than ten goals of a side.
        return np.asarray(np.clip(np.exp(np.minimum(design @ self.coefficients_.T + self.intercepts_, 10.0)), 0.05, 10.0))

    def to_dict(self) -> dict[str, Any]:
        """What was learnt, as JSON can hold it exactly."""
        return {name: getattr(self, name).tolist() for name in ("centre_", "coefficients_", "intercepts_")}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        model = cls()
        for name in ("centre_", "coefficients_", "intercepts_"):
            setattr(model, name, np.array(content[name]))
        return model

    def _inputs(self, features: pd.DataFrame, probabilities: Array) -> Array:
        home, draw, away = np.log(probabilities).T
        rates = features[list(self.columns)].to_numpy(dtype=np.float64)
        return np.column_stack([home - away, draw - (home + away) / 2.0, rates])


RATING_COLUMNS: Final = (
    "elo_difference",
    "pi_expected_goal_difference",
    "goals_log_rate_difference",
    "goals_log_rate_home",
    "goals_log_rate_away",
)
SHOT_COLUMNS: Final = ("shots_log_rate_difference", "shots_log_rate_home", "shots_log_rate_away")
CONTEXT_COLUMNS: Final = tuple(
    name
    for name in FEATURES
    if name.startswith(("home_form", "away_form", "home_season", "away_season", "home_rest", "away_rest")) or name == "tier"
)


class Results(BaseEstimator):  # type: ignore[misc]
    """The mean of a logit and of trees, with expected goals: the model of the information set `results`.

    Where a competition has no shots, a logit that never knew them speaks: the weights of the other ratings are then
    larger, which no filled-in value can bring about.

    Parameters
    ----------
    use_trees, use_logit
        Whether each takes part; at least one must.
    trees
        Settings of `Trees` other than its columns.
    least_played
        Matches both clubs must have behind them for a match to be learnt from.

    Attributes
    ----------
    logit_, logit_without_shots_ : Logit
    trees_ : Trees or None
    expected_goals_ : ExpectedGoals
    """

    def __init__(
        self, use_logit: bool = True, use_trees: bool = True, trees: dict[str, Any] | None = None, least_played: int = 5
    ) -> None:
        self.use_logit = use_logit
        self.use_trees = use_trees
        self.trees = trees
        self.least_played = least_played

    def fit(self, features: pd.DataFrame, goals: pd.DataFrame) -> Self:
        """Learn from (n, k) features and the columns `home_goals`, `away_goals` of the same matches.

        Raises
        ------
        ValueError
            If an outcome never occurs among the matches, which is so for an empty frame.
        """
        warm = (features[["n_played_home", "n_played_away"]].min(axis=1) >= self.least_played).to_numpy()
        features, goals = features[warm], goals[warm]
        outcomes = outcome_of(goals["home_goals"], goals["away_goals"])
        self.logit_without_shots_ = Logit(RATING_COLUMNS + CONTEXT_COLUMNS).fit(features, outcomes)
        counted = _has_shots(features)
        # Below this a logit of sixty weights is noise; the one without shots speaks for all.
        enough = counted.sum() >= 1000
        self.logit_ = (
            Logit(RATING_COLUMNS + SHOT_COLUMNS + CONTEXT_COLUMNS).fit(features[counted], outcomes[counted]) if enough else None
        )
        self.trees_ = Trees(FEATURES, **(self.trees or {})).fit(features, outcomes) if self.use_trees else None
        self.expected_goals_ = ExpectedGoals().fit(features, self._logit(features), goals)
        return self

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities."""
        check_is_fitted(self)
        members = [self._logit(features)] if self.use_logit else []
        if self.trees_ is not None:
            members.append(self.trees_.predict_proba(features))
        mean = np.mean(members, axis=0)
        return np.asarray(mean / mean.sum(axis=1, keepdims=True))

    def predict_goals(self, features: pd.DataFrame) -> Array:
        """(n, 2) expected goals of home and away."""
        check_is_fitted(self)
        return self.expected_goals_.predict(features, self._logit(features))

    def to_files(self, folder: Path) -> None:
        """Write `model.json` and one `trees_<seed>.txt` for each member."""
        check_is_fitted(self)
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "format": 1,
            "parameters": self.get_params(),
            "logit": self.logit_.to_dict() if self.logit_ is not None else None,
            "logit_without_shots": self.logit_without_shots_.to_dict(),
            "expected_goals": self.expected_goals_.to_dict(),
            "trees": list(self.trees_.seeds) if self.trees_ is not None else [],
        }
        (folder / "model.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        if self.trees_ is not None:
            for seed, booster in zip(self.trees_.seeds, self.trees_.boosters_, strict=True):
                (folder / f"trees_{seed}.txt").write_text(booster.model_to_string(), encoding="utf-8")

    @classmethod
    def from_files(cls, folder: Path) -> Self:
        """Read what `to_files` wrote.

        Raises
        ------
        FileNotFoundError
            If a file is missing.
        ValueError
            If the format is not known.
        """
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if content["format"] != 1:
            raise ValueError(f"model format {content['format']} is not known")
        model = cls(**content["parameters"])
        model.logit_ = Logit.from_dict(content["logit"]) if content["logit"] is not None else None
        model.logit_without_shots_ = Logit.from_dict(content["logit_without_shots"])
        model.expected_goals_ = ExpectedGoals.from_dict(content["expected_goals"])
        model.trees_ = None
        if content["trees"]:
            model.trees_ = Trees(FEATURES, **(model.trees or {}))
            texts = [(folder / f"trees_{seed}.txt").read_text(encoding="utf-8") for seed in content["trees"]]
            model.trees_.boosters_ = [lightgbm.Booster(model_str=text) for text in texts]
        return model

    def _logit(self, features: pd.DataFrame) -> Array:
        probabilities = self.logit_without_shots_.predict_proba(features)
        counted = _has_shots(features)
        if self.logit_ is not None and counted.any():
            probabilities[counted] = self.logit_.predict_proba(features[counted])
        return probabilities


def _has_shots(features: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return features["shots_log_rate_difference"].notna().to_numpy()


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a model is made: compared as a whole, walk-forward, before it may be served."""

    name: str
    information_set: str
    make: Callable[[], Model]
    """A new, unfitted model."""
    read: Callable[[Path], Model]
    """A fitted model from its files."""
    description: str
    n_seasons: int | None = None
    """How many seasons before the forecast one are learnt from; all of them if None."""


MODELS: Final[dict[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="results",
            information_set="results",
            make=Results,
            read=Results.from_files,
            description="Mean of a multinomial logit and of gradient-boosted trees on ratings, form, rest and table.",
            n_seasons=14,
        ),
        Recipe(
            name="results-logit",
            information_set="results",
            make=lambda: Results(use_trees=False),
            read=Results.from_files,
            description="The multinomial logit alone: the permanent challenger, which must be beaten to deserve trees.",
            n_seasons=14,
        ),
    )
}
"""Every model that is trained and compared, the default first. Adding one is one entry."""
