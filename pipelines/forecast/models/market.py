"""The model of the information set `market`: quotes of the match before it as well."""

from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pipelines.forecast.additive import HISTORY_LEADS, start, terms
from pipelines.forecast.contract import FEATURES, MOVE_FEATURES, RESTLESS_FEATURES
from pipelines.forecast.learners import LEAST, Grown, Growth, Trees, foresee, is_told
from pipelines.forecast.memory import probabilities_of
from pipelines.forecast.metrics import outcome_of
from pipelines.forecast.models import files
from pipelines.forecast.models.history import History, pooled
from pipelines.forecast.models.members import PRICES

Array = npt.NDArray[np.float64]

_MOVE_COLUMNS: Final = (*(name for name in FEATURES["market"] if name not in RESTLESS_FEATURES), *HISTORY_LEADS)
_OUTCOME_COLUMNS: Final = tuple(name for name in _MOVE_COLUMNS if name not in MOVE_FEATURES)

MOVE_GROWTH: Final = Growth(200, 0.04, 12, 300, 0.7, 0.25, 50.0)
"""Chosen on seasons up to 2018, as all settings here."""
OUTCOME_GROWTHS: Final = tuple(Growth(80, 0.02, 4, 1000, 0.6, 0.2, 200.0, seed) for seed in (1, 2, 3, 4))
"""Draws of the second stage: of so few columns a tree, single ones differ by more than most changes of a model gain."""
_STAGES: Final = {*PRICES, *(f"outcome_{growth.seed}" for growth in OUTCOME_GROWTHS)}


class Market(BaseEstimator):  # type: ignore[misc]
    """The model of the information set `market`: where the price is going to move, then what it overlooks.

    The first stage regresses the closing price on the average one before the match, from where single bookmakers and the
    model `History` stand apart from it, and how the prices of its clubs' earlier matches moved: prices move towards what earlier
    prices and results said. The second adds what outcomes teach: here, as the mean of what several draws of its trees add, and
    among the many more matches of `History`. A match without quotes before it gets the forecast of `History`.

    Parameters
    ----------
    since
        First season learnt from: the first with closing prices.
    history_share
        Weight of `History` in the logarithm of the forecast.
    overlooked_share
        Share of what outcomes taught `History` beyond prices that also holds of the price forecast here. Quotes before the
        match tell some of it, and `History` has learnt from three times as many matches.

    Attributes
    ----------
    history_ : History
    trees_ : dict of Trees
    """

    def __init__(self, since: int = 2012, history_share: float = 0.1, overlooked_share: float = 0.5) -> None:
        self.since = since
        self.history_share = history_share
        self.overlooked_share = overlooked_share

    def fit(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> Self:
        """Learn from (n, k) features and `contract.LABELS["market"]` of the same matches; raises as `History.fit`."""
        self.history_ = History()
        features, labels = self.history_.recent(features, labels)
        foreseen = self.history_.foresee(features, labels, grown)
        self.history_.fit_after(foreseen, features, labels, grown)
        expected = foreseen.mean(axis=1)
        usable = (labels["season"] >= self.since) & labels["closing_side"].notna() & _has_quotes(features)
        usable &= is_told(expected)
        overlooked = self.history_.foresee_overlooked(features, labels, foreseen, grown)
        features, labels = features[usable], labels[usable]
        expected, overlooked = expected[usable.to_numpy()], overlooked[usable.to_numpy()]
        self.trees_: dict[str, Trees] = {}
        if len(features) < LEAST:
            return self
        features = _beside_quotes(features, expected)

        def forecast(learn: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> Array:
            return self._forecast(self._grow(features[learn], labels[learn], grown), features[asked], grown)

        everything = np.ones(len(features), dtype=bool)
        said = foresee(labels["asked_at"].to_numpy(), labels["known_at"].to_numpy(), everything, forecast, 2)
        self.trees_ = self._grow(features, labels, grown)
        told = is_told(said)
        if told.sum() >= LEAST:
            outcomes = outcome_of(labels["home_goals"], labels["away_goals"])[told]
            start = self._start(said[told], overlooked[told])
            for growth in OUTCOME_GROWTHS:
                trees = Trees(_OUTCOME_COLUMNS, growth).fit(features[told], outcomes, grown, start=start)
                self.trees_[f"outcome_{growth.seed}"] = trees
        return self

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities."""
        check_is_fitted(self)
        price, overlooked = self.history_.forecast_parts(features)
        probabilities = pooled(price, overlooked)
        quoted = _has_quotes(features).to_numpy()
        if self.trees_ and quoted.any():
            beside = _beside_quotes(features[quoted], price[quoted])
            start = self._start(self._forecast(self.trees_, beside), overlooked[quoted])
            drawn = [np.log(trees.predict(beside, start)) for trees in self._of_outcomes()]
            priced = np.exp(np.mean(drawn, axis=0) if drawn else start)
            shared = priced ** (1.0 - self.history_share) * probabilities[quoted] ** self.history_share
            probabilities[quoted] = shared / shared.sum(axis=1, keepdims=True)
        return probabilities

    def terms(self, features: pd.DataFrame) -> Array:
        """(n, 1 + T, 2) what each feature adds to the log-odds of `predict_proba`, see `additive`."""
        check_is_fitted(self)
        found = self.history_.terms(features)
        quoted = _has_quotes(features).to_numpy()
        if self.trees_ and quoted.any():
            beside = _beside_quotes(features[quoted], self.history_.forecast_parts(features[quoted])[0])
            priced = np.stack([self._price_terms(beside, k) for k in range(2)], axis=2)
            priced += self.overlooked_share * self.history_.overlooked_terms(features[quoted])
            drawn = [terms(trees, beside) for trees in self._of_outcomes()]
            priced += np.mean(drawn, axis=0) if drawn else 0.0
            found[quoted] = (1.0 - self.history_share) * priced + self.history_share * found[quoted]
        return found

    def predict_goals(self, features: pd.DataFrame) -> Array:
        """(n, 2) expected goals of home and away."""
        return self.history_.expected_goals_.predict(features, self.predict_proba(features))

    def disagreement(self, features: pd.DataFrame) -> Array:
        """(n,) that of `History` for a match without quotes before it, else NaN."""
        return np.where(_has_quotes(features), np.nan, self.history_.disagreement(features))

    def to_files(self, folder: Path) -> None:
        """Write `model.json`, the trees of each stage, and the model `History` into a folder of its own."""
        check_is_fitted(self)
        files.write(folder, {"parameters": self.get_params()}, self.trees_)
        self.history_.to_files(folder / "history")

    @classmethod
    def from_files(cls, folder: Path) -> Self:
        """Read what `to_files` wrote; raises as `History.from_files`, `UnknownFormat` also for stages that it does not have."""
        content, trees = files.read(folder)
        if unknown := sorted(trees.keys() - _STAGES):
            raise files.UnknownFormat(f"a model `market` of another version of this code: it has {', '.join(unknown)}")
        model = cls(**content["parameters"])
        model.trees_ = trees
        model.history_ = History.from_files(folder / "history")
        return model

    def _grow(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> dict[str, Trees]:
        home, _, away = probabilities_of(features["pre_match_side"].to_numpy(), features["pre_match_draw"].to_numpy()).T
        return {
            name: Trees(_MOVE_COLUMNS, MOVE_GROWTH).fit(
                features,
                labels[f"closing_{name}"].to_numpy(),
                grown,
                start=features[f"pre_match_{name}"].to_numpy(),
                # As in `History`: an error of the log-odds costs the less, the surer the outcome.
                weight=home + away - (home - away) ** 2,
            )
            for name in PRICES
        }

    def _of_outcomes(self) -> list[Trees]:
        """The draws of the second stage, none if there was too little to learn from."""
        return [trees for name, trees in self.trees_.items() if name.startswith("outcome_")]

    def _start(self, said: Array, overlooked: Array) -> Array:
        """(n, 3) logarithms of probabilities: what the price forecast means, and what prices overlook."""
        scores = np.log(probabilities_of(*said.T)) + self.overlooked_share * overlooked
        return np.asarray(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))

    def _forecast(self, trees: dict[str, Trees], features: pd.DataFrame, grown: Grown | None = None) -> Array:
        """(n, 2) what the first stage of these trees says of the closing price."""
        sides = [trees[name].predict(features, features[f"pre_match_{name}"].to_numpy(), grown) for name in PRICES]
        return np.column_stack(sides)

    def _price_terms(self, features: pd.DataFrame, k: int) -> Array:
        """(n, 1 + T) of the k-th column of what the first stage says of the closing price."""
        name = f"pre_match_{PRICES[k]}"
        quoted = start(name, features[name].to_numpy(), self.history_.expected_goals_.usual[k])
        return quoted + terms(self.trees_[PRICES[k]], features)


def _has_quotes(features: pd.DataFrame) -> "pd.Series[bool]":
    return features["pre_match_side"].notna()


def _beside_quotes(features: pd.DataFrame, expected: Array) -> pd.DataFrame:
    """With by how much the price that `History` expects exceeds the average quote."""
    leads = expected - features[["pre_match_side", "pre_match_draw"]].to_numpy()
    return features.assign(**dict(zip(HISTORY_LEADS, leads.T, strict=True)))
