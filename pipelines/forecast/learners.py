"""Learners: the parts of which models are made.

Belongs here: estimators that know columns and targets, and the one way in which a stage forecasts what a later stage
learns from. Does not belong here: which columns, which targets and which stages make a model (`models`).

What is learnt is written as text, never pickled: JSON for coefficients, LightGBM's own format for trees. The same frame
gives the same bytes.
"""

import hashlib
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.utils.validation import check_is_fitted

from pipelines.forecast.contract import OUTCOMES

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grown:
    """What a walk forward meets again and again: the same stage of the same seasons, asked about the same matches."""

    trees: MutableMapping[str, lightgbm.Booster] = field(default_factory=dict)
    """By a digest of all they were grown from."""
    added: dict[str, Array] = field(default_factory=dict)
    """What trees said, by a digest of theirs and of the matches: numbers alone, some tens of megabytes for the whole corpus."""


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

    def middle(self, name: str) -> float:
        """The value of a column at which it adds nothing."""
        return float(self.centre_[list(self.columns).index(name)])

    def contributions(self, features: pd.DataFrame) -> Array:
        """(n, 1 + k, 3) what each column adds to the scores of the outcomes; first those where all are at their middle."""
        check_is_fitted(self)
        design, k = self._design(features), len(self.columns)
        weighted = design[:, :, None] * self.coefficients_.T
        base = np.tile(self.intercepts_, (len(design), 1, 1))
        return np.concatenate([base, weighted[:, :k] + weighted[:, k:]], axis=1)

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


@dataclass(frozen=True)
class Growth:
    """How trees are grown, in LightGBM's terms: `num_iterations`, `learning_rate`, `num_leaves`, `min_data_in_leaf`,
    `bagging_fraction`, `feature_fraction`, `lambda_l2`, `seed`."""

    n_trees: int
    learning_rate: float
    n_leaves: int
    least_leaf: int
    """Matches a leaf must hold; on small data a `LEAVES`-th of the matches, but `SMALL_LEAF` at least."""
    row_share: float
    column_share: float
    ridge: float
    seed: int = 1


MAX_BIN: Final = 63
"""Values of a column that trees tell apart."""
SMALL_LEAF: Final = 20
LEAVES: Final = 200
"""Of `Growth.least_leaf`."""


class Trees:
    """Gradient-boosted trees that add to what is already known of each match.

    Of one target they learn what is left of it, by least squares; of outcomes, what is to be added to the logarithms of
    given probabilities.

    Parameters
    ----------
    columns
        Names of the features used.
    growth
        Settings.

    Attributes
    ----------
    booster_ : lightgbm.Booster
    digest_ : str
        Of all that the trees were grown from; trees that were read from a file have none.
    """

    def __init__(self, columns: Sequence[str], growth: Growth) -> None:
        self.columns = columns
        self.growth = growth

    def fit(
        self, features: pd.DataFrame, target: npt.NDArray[Any], grown: Grown, *, start: Array, weight: Array | None = None
    ) -> Self:
        """Learn from (n, k) features what lacks from `start` to the target.

        Parameters
        ----------
        target
            (n,) numbers, or (n,) outcomes if `start` has a column for each.
        grown
            What was grown before; looked up, and added to.
        start
            (n,) or (n, 3), what is known: a forecast of the target, or logarithms of probabilities.
        weight
            (n,) of each match, 1 if None.
        """
        values = np.ascontiguousarray(features[list(self.columns)].to_numpy(dtype=np.float64))
        is_outcome = start.ndim == 2  # a column for each outcome
        settings: dict[str, Any] = {
            **({"objective": "multiclass", "num_class": len(OUTCOMES)} if is_outcome else {"objective": "regression"}),
            "num_iterations": self.growth.n_trees,
            "learning_rate": self.growth.learning_rate,
            "num_leaves": self.growth.n_leaves,
            "max_bin": MAX_BIN,
            "min_data_in_leaf": min(self.growth.least_leaf, max(SMALL_LEAF, len(features) // LEAVES)),
            "bagging_fraction": self.growth.row_share,
            "bagging_freq": 1,
            "feature_fraction": self.growth.column_share,
            "lambda_l2": self.growth.ridge,
            "seed": self.growth.seed,
            # The same bytes whenever the same frame comes again: no choice of algorithm by timing, no race of sums.
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }
        made_of = repr((lightgbm.__version__, tuple(self.columns), settings))
        self.digest_ = _digest(made_of, values, target, start, weight if weight is not None else np.ones(0))
        settings["num_threads"] = _threads(len(features))  # which changes no tree, and so is no part of what they are made of
        try:
            self.booster_ = grown.trees[self.digest_]  # one question: between two another process may have tidied up
        except KeyError:
            data = lightgbm.Dataset(
                values,
                target if is_outcome else target - start,
                weight=weight,
                init_score=start.ravel(order="F") if is_outcome else None,
                feature_name=list(self.columns),
                params=settings,
            )
            self.booster_ = grown.trees[self.digest_] = lightgbm.train(settings, data)
        return self

    def predict(self, features: pd.DataFrame, start: Array, grown: Grown | None = None) -> Array:
        """What the target is forecast to be: (n,) numbers, or (n, 3) probabilities, from `start` as in `fit`.

        With `grown`, what the same trees said of the same matches before is looked up there, and added.
        """
        values = np.ascontiguousarray(features[list(self.columns)].to_numpy(dtype=np.float64))
        key = _digest(self.digest_, values) if grown is not None else ""
        added = grown.added.get(key) if grown is not None else None
        if added is None:
            said = self.booster_.predict(values, raw_score=True, num_threads=_threads(len(features)))
            added = np.asarray(said, dtype=np.float64)
            if grown is not None:
                grown.added[key] = added
        if start.ndim == 1:
            return np.asarray(start + added)
        weights = np.exp(start + added - (start + added).max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def contributions(self, features: pd.DataFrame) -> Array:
        """What each column adds to the start: (n, 1 + k), or (n, 1 + k, 3) to the logarithms of the outcomes' probabilities.

        SHAP values as the trees themselves define them, by the matches that each node was grown on (Lundberg et al., "From
        local explanations to global understanding with explainable AI for trees", Nature Machine Intelligence 2, 2020); first
        what is added on average.
        """
        values = features[list(self.columns)].to_numpy(dtype=np.float64)
        n_outputs = self.booster_.num_model_per_iteration()
        # Tens of times the work of a forecast: a second thread pays for a day's matches already.
        flat = np.asarray(self.booster_.predict(values, pred_contrib=True, num_threads=2), dtype=np.float64)
        # LightGBM puts an output's average behind the columns.
        each = np.roll(flat.reshape(len(values), n_outputs, len(self.columns) + 1), 1, axis=2)
        return each[:, 0] if n_outputs == 1 else each.transpose(0, 2, 1)

    def to_file(self, path: Path) -> None:
        """Write the trees as text."""
        path.write_text(self.booster_.model_to_string(), encoding="utf-8")

    @classmethod
    def from_file(cls, path: Path, growth: Growth) -> Self:
        """Read what `to_file` wrote."""
        booster = lightgbm.Booster(model_str=path.read_text(encoding="utf-8"))
        trees = cls(booster.feature_name(), growth)
        trees.booster_ = booster
        return trees


def _threads(n_matches: int) -> int:
    """How many threads LightGBM is given, which changes no tree.

    On small data a second thread waits longer for the first than it works, by far if others use the machine too.
    """
    return 2 if n_matches > 20_000 else 1


def _digest(text: str, *arrays: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256(text.encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


N_WARM: Final = 2
"""Years that a stage learns from before its first forecast for a later stage."""
N_BLOCK: Final = 3
"""Years that such a forecast reaches: a stage hardly ages in three years, and each refit costs as much as the last."""


def foresee(asked_at: Array, known_at: Array, labelled: Mask, forecast: Callable[[Mask, Mask], Array], n_columns: int) -> Array:
    """What a stage would have said of each match from what was known long before: what a later stage may learn from.

    A stage's own fit to the matches it has learnt from is closer to their labels than its forecasts will ever be. Blocks
    begin on a first of July, whatever the season of a match: where others play from spring to autumn, a season of the
    same name begins while the last one of their neighbours goes on.

    Parameters
    ----------
    asked_at, known_at
        (n,) days since 1970: the match's `as_of`, and when its labels were known.
    labelled
        (n,) which matches the stage can learn from.
    forecast
        From masks of the matches to learn from and of those to forecast to the (m, `n_columns`) forecasts.

    Returns
    -------
    (n, n_columns), NaN for the first years that have labels and all before.
    """
    said = np.full((len(asked_at), n_columns), np.nan)
    if not labelled.any():
        return said
    julys = (np.arange("1970-07", "2200-07", 12, dtype="datetime64[M]")).astype("datetime64[D]").astype(np.float64)
    first = int(np.searchsorted(julys, asked_at[labelled].min(), side="right")) - 1 + N_WARM
    for year in range(first, int(np.searchsorted(julys, asked_at.max(), side="right")), N_BLOCK):
        learn = labelled & (known_at < julys[year])
        asked = (asked_at >= julys[year]) & (asked_at < julys[year + N_BLOCK])
        if learn.sum() >= LEAST and asked.any():
            said[asked] = forecast(learn, asked)
    return said


def is_told(said: Array) -> Mask:
    """(n,) of which matches `foresee` says something."""
    return np.asarray(~np.isnan(said).any(axis=1), dtype=np.bool_)


LEAST: Final = 500
"""Matches below which nothing is grown: a stage is then left out, and what it would have added is not said."""

RATE_COLUMNS: Final = ("goals_log_rate_home", "goals_log_rate_away", "shots_log_rate_home", "shots_log_rate_away")
"""What tells of the number of goals."""

GOALS_RIDGE: Final = 1e-3
"""Ridge penalty of the regressions of goals: enough that they have one answer."""


class ExpectedGoals(BaseEstimator):  # type: ignore[misc]
    """Expected goals of both sides that agree with a 1X2 forecast: two Poisson regressions.

    The log-odds of home against away carry the difference of the sides, those of the draw and the ratings' log rates
    the number of goals; what is not known of the rates counts as average.

    Parameters
    ----------
    columns
        Names of the features that tell of the number of goals.

    Attributes
    ----------
    centre_ : (k,) mean of each input
    coefficients_ : (2, k), intercepts_ : (2,)
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns

    def fit(self, features: pd.DataFrame, probabilities: Array, goals: pd.DataFrame) -> Self:
        """Learn from (n, k) features, (n, 3) forecasts and the columns `home_goals`, `away_goals`."""
        inputs = self._inputs(features, probabilities)
        known = ~np.isnan(inputs).all(axis=0)
        self.centre_ = np.zeros(inputs.shape[1])
        self.centre_[known] = np.nanmean(inputs[:, known], axis=0)
        design = np.nan_to_num(inputs - self.centre_, nan=0.0)
        sides = [
            PoissonRegressor(alpha=GOALS_RIDGE, solver="newton-cholesky").fit(design, goals[name].to_numpy(dtype=np.float64))
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

    @property
    def usual(self) -> tuple[float, float]:
        """The mean log-odds, side and draw, of the forecasts that were learnt from."""
        return float(self.centre_[0]), float(self.centre_[1])

    def to_dict(self) -> dict[str, Any]:
        """What was learnt, as JSON can hold it exactly."""
        learnt = {name: getattr(self, name).tolist() for name in ("centre_", "coefficients_", "intercepts_")}
        return {"columns": list(self.columns), **learnt}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        model = cls(content["columns"])
        for name in ("centre_", "coefficients_", "intercepts_"):
            setattr(model, name, np.array(content[name]))
        return model

    def _inputs(self, features: pd.DataFrame, probabilities: Array) -> Array:
        home, draw, away = np.log(probabilities).T
        rates = features[list(self.columns)].to_numpy(dtype=np.float64)
        return np.column_stack([home - away, draw - (home + away) / 2.0, rates])
