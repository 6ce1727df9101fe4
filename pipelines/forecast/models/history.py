"""The model of the information set `history`: the prices of earlier matches as well."""

from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pipelines.forecast.additive import TERMS, start, terms
from pipelines.forecast.contract import FEATURES
from pipelines.forecast.learners import LEAST, RATE_COLUMNS, ExpectedGoals, Grown, Growth, Trees, foresee, is_told
from pipelines.forecast.memory import probabilities_of
from pipelines.forecast.metrics import outcome_of
from pipelines.forecast.models import files

Array = npt.NDArray[np.float64]

PRICE_SIDE_GROWTH: Final = Growth(400, 0.04, 31, 200, 0.7, 0.25, 20.0)
PRICE_DRAW_GROWTH: Final = Growth(250, 0.04, 31, 200, 0.7, 0.25, 20.0)
PRICE_OUTCOME_GROWTH: Final = Growth(400, 0.01, 6, 800, 0.6, 0.2, 100.0)
"""Chosen on seasons up to 2018."""


class History(BaseEstimator):  # type: ignore[misc]
    """The model of the information set `history`: what the market is going to think, then what it overlooks.

    The first stage regresses the last price of the match, as log-odds of the sides and of the draw, on what the memories
    of earlier prices say and on all that is known besides. The second adds what outcomes teach. Of a club without any
    price the memories know how it played, and how unsure that is.

    Parameters
    ----------
    since
        First season learnt from; earlier prices only feed the memories.

    Attributes
    ----------
    trees_ : dict of Trees
    expected_goals_ : ExpectedGoals
    """

    def __init__(self, since: int = 2003) -> None:
        self.since = since

    def fit(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> Self:
        """Learn from (n, k) features and `contract.LABELS["history"]` of the same matches.

        Raises
        ------
        ValueError
            If there is no match to learn from.
        """
        recent = (labels["season"] >= self.since).to_numpy()
        features, labels = features[recent], labels[recent]
        if features.empty:
            raise ValueError("there is no match to learn from")
        said = self.foresee(features, labels, grown)
        priced = labels["price_side"].notna().to_numpy()
        self.trees_ = self._grow(features[priced], labels[priced], grown) if priced.sum() >= LEAST else {}
        told = is_told(said)
        if told.sum() >= LEAST:
            self.trees_["outcome"] = self._grow_outcome(features[told], labels[told], said[told], grown)
        probabilities = probabilities_of(*np.where(told, said.T, self._remembered(features).T))
        self.expected_goals_ = ExpectedGoals((*RATE_COLUMNS, "memory_total")).fit(features, probabilities, labels)
        return self

    def foresee(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> Array:
        """(n, 2) what the first stage would have said of the price, side and draw, long before."""
        priced = labels["price_side"].notna().to_numpy()

        def forecast(learn: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> Array:
            return self._forecast(self._grow(features[learn], labels[learn], grown), features[asked])

        return foresee(labels["asked_at"].to_numpy(), labels["known_at"].to_numpy(), priced, forecast, 2)

    def foresee_overlooked(self, features: pd.DataFrame, labels: pd.DataFrame, said: Array, grown: Grown) -> Array:
        """(n, 3) what `overlooked` would have been long before, given what `foresee` says; 0 where nothing can be told."""

        def forecast(learn: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> Array:
            trees = self._grow_outcome(features[learn], labels[learn], said[learn], grown)
            return _added(trees, features[asked], said[asked])

        told = is_told(said)
        # Nothing is learnt from, and nothing asked about, what the first stage says nothing of.
        overlooked = np.full((len(features), 3), np.nan)
        features, labels, said = features[told], labels[told], said[told]
        overlooked[told] = foresee(
            labels["asked_at"].to_numpy(), labels["known_at"].to_numpy(), np.ones(len(said), dtype=bool), forecast, 3
        )
        return np.asarray(np.nan_to_num(overlooked, nan=0.0))

    def overlooked(self, features: pd.DataFrame) -> Array:
        """(n, 3) what outcomes teach beyond prices: what the second stage adds to the logarithms of the probabilities."""
        if "outcome" not in self.trees_:
            return np.zeros((len(features), 3))
        return _added(self.trees_["outcome"], features, self.forecast_price(features))

    def forecast_price(self, features: pd.DataFrame) -> Array:
        """(n, 2) what the first stage says of the price: log-odds of the sides and of the draw."""
        return self._forecast(self.trees_, features)

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities."""
        check_is_fitted(self)
        probabilities = probabilities_of(*self.forecast_price(features).T)
        return self.trees_["outcome"].predict(features, np.log(probabilities)) if "outcome" in self.trees_ else probabilities

    def terms(self, features: pd.DataFrame) -> Array:
        """(n, 1 + T, 2) what each feature adds to the log-odds of `predict_proba`, see `additive`."""
        check_is_fitted(self)
        found = np.stack([self._price_terms(features, k) for k in range(2)], axis=2)
        return found + self.overlooked_terms(features)

    def overlooked_terms(self, features: pd.DataFrame) -> Array:
        """(n, 1 + T, 2) what each feature adds to the log-odds of `overlooked`, see `additive`."""
        if "outcome" not in self.trees_:
            return np.zeros((len(features), 1 + len(TERMS), 2))
        return terms(self.trees_["outcome"], features)

    def predict_goals(self, features: pd.DataFrame) -> Array:
        """(n, 2) expected goals of home and away."""
        return self.expected_goals_.predict(features, self.predict_proba(features))

    def to_files(self, folder: Path) -> None:
        """Write `model.json` and the trees of each stage."""
        check_is_fitted(self)
        files.write(folder, {"parameters": self.get_params(), "expected_goals": self.expected_goals_.to_dict()}, self.trees_)

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
        content, trees = files.read(folder)
        model = cls(**content["parameters"])
        model.trees_ = trees
        model.expected_goals_ = ExpectedGoals.from_dict(content["expected_goals"])
        return model

    def _grow(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> dict[str, Trees]:
        remembered = self._remembered(features)
        home, _, away = probabilities_of(*remembered.T).T
        return {
            "side": Trees(FEATURES["history"], PRICE_SIDE_GROWTH).fit(
                features,
                labels["price_side"].to_numpy(),
                grown,
                start=remembered[:, 0],
                # An error of the log-odds costs the less, the surer the outcome.
                weight=home + away - (home - away) ** 2,
            ),
            "draw": Trees(FEATURES["history"], PRICE_DRAW_GROWTH).fit(
                features, labels["price_draw"].to_numpy(), grown, start=remembered[:, 1]
            ),
        }

    def _grow_outcome(self, features: pd.DataFrame, labels: pd.DataFrame, said: Array, grown: Grown) -> Trees:
        outcomes = outcome_of(labels["home_goals"], labels["away_goals"])
        start = np.log(probabilities_of(*said.T))
        return Trees(FEATURES["history"], PRICE_OUTCOME_GROWTH).fit(features, outcomes, grown, start=start)

    def _forecast(self, trees: dict[str, Trees], features: pd.DataFrame) -> Array:
        """(n, 2) what the first stage of these trees says; the memory itself if there are none."""
        remembered = self._remembered(features)
        if "side" not in trees:
            return remembered
        return np.column_stack([trees[name].predict(features, remembered[:, k]) for k, name in enumerate(("side", "draw"))])

    def _price_terms(self, features: pd.DataFrame, k: int) -> Array:
        """(n, 1 + T) of the k-th column of `forecast_price`."""
        name = ("side", "draw")[k]
        found = start(f"memory_{name}", self._remembered(features)[:, k], self.expected_goals_.usual[k])
        return found + terms(self.trees_[name], features) if name in self.trees_ else found

    def _remembered(self, features: pd.DataFrame) -> Array:
        # A match that no memory was asked about counts as one between newcomers.
        return features[["memory_side", "memory_draw"]].fillna({"memory_side": 0.55, "memory_draw": -0.2}).to_numpy()


def _added(trees: Trees, features: pd.DataFrame, said: Array) -> Array:
    """(n, 3) what trees of outcomes add to the logarithms of the probabilities that prices mean."""
    start = np.log(probabilities_of(*said.T))
    return np.log(trees.predict(features, start)) - start
