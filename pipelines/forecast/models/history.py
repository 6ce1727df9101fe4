"""The model of the information set `history`: the prices of earlier matches as well."""

from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pipelines.forecast.learners import LEAST, RATE_COLUMNS, ExpectedGoals, Grown, Trees, foresee, is_told
from pipelines.forecast.memory import probabilities_of
from pipelines.forecast.models import files
from pipelines.forecast.models.members import MEMBERS, Member

Array = npt.NDArray[np.float64]


class History(BaseEstimator):  # type: ignore[misc]
    """The model of the information set `history`: what the market is going to think, then what it overlooks.

    The first stage regresses the last price of the match, as log-odds of the sides and of the draw, on what the memories
    of earlier prices say and on all that is known besides. The second adds what outcomes teach. Of a club without any
    price the memories know how it played, and how unsure that is. There are two members of these two stages; the forecast is
    the geometric mean of theirs, that is, the mean of their log-odds.

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
        features, labels = self.recent(features, labels)
        return self.fit_after(self.foresee(features, labels, grown), features, labels, grown)

    def recent(self, features: pd.DataFrame, labels: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The features and labels of the seasons that it learns from; raises as `fit`."""
        recent = (labels["season"] >= self.since).to_numpy()
        if not recent.any():
            raise ValueError("there is no match to learn from")
        return features[recent], labels[recent]

    def fit_after(self, said: Array, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> Self:
        """As `fit`, of what `recent` gives, after `foresee` has said this of it."""
        priced = labels["price_side"].notna().to_numpy()
        told = is_told(said.mean(axis=1))
        self.trees_: dict[str, Trees] = {}
        for k, member in enumerate(MEMBERS):
            if priced.sum() >= LEAST:
                self.trees_ |= member.grow(features[priced], labels[priced], grown)
            self.trees_ |= member.grow_outcome(features[told], labels[told], said[told, k], grown)
        remembered = np.mean([member.remembered(features) for member in MEMBERS], axis=0)
        probabilities = probabilities_of(*np.where(told, said.mean(axis=1).T, remembered.T))
        self.expected_goals_ = ExpectedGoals((*RATE_COLUMNS, "memory_total")).fit(features, probabilities, labels)
        return self

    def foresee(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> Array:
        """(n, 2 members, 2) what the first stages would have said of the price, side and draw, long before."""
        priced = labels["price_side"].notna().to_numpy()

        def said(member: Member) -> Array:
            def forecast(learn: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> Array:
                return member.forecast(member.grow(features[learn], labels[learn], grown), features[asked], grown)

            return foresee(labels["asked_at"].to_numpy(), labels["known_at"].to_numpy(), priced, forecast, 2)

        return np.stack([said(member) for member in MEMBERS], axis=1)

    def foresee_overlooked(self, features: pd.DataFrame, labels: pd.DataFrame, said: Array, grown: Grown) -> Array:
        """(n, 3) what the price would have overlooked long before, given what `foresee` says; 0 where nothing can be told."""
        told = is_told(said.mean(axis=1))
        # Nothing is learnt from, and nothing asked about, what the first stages say nothing of.
        overlooked = np.full((len(features), 3), np.nan)
        features, labels, said = features[told], labels[told], said[told]

        def forecast(learn: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> Array:
            added = []
            for k, member in enumerate(MEMBERS):
                trees = member.grow_outcome(features[learn], labels[learn], said[learn, k], grown)
                added.append(member.overlooked(trees, features[asked], said[asked, k], grown))
            return np.asarray(np.mean(added, axis=0))

        overlooked[told] = foresee(
            labels["asked_at"].to_numpy(), labels["known_at"].to_numpy(), np.ones(len(said), dtype=bool), forecast, 3
        )
        return np.asarray(np.nan_to_num(overlooked, nan=0.0))

    def forecast_parts(self, features: pd.DataFrame) -> tuple[Array, Array]:
        """(n, 2) the price that the first stages expect, log-odds of the sides and of the draw; (n, 3) what it overlooks.

        That is what outcomes teach beyond prices, added to the logarithms of the probabilities that the price means, up to a
        number that the three have in common and that normalising takes away.
        """
        check_is_fitted(self)
        said = [member.forecast(self.trees_, features) for member in MEMBERS]
        overlooked = [member.overlooked(self.trees_, features, each) for member, each in zip(MEMBERS, said, strict=True)]
        return np.mean(said, axis=0), np.mean(overlooked, axis=0)

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities."""
        return pooled(*self.forecast_parts(features))

    def terms(self, features: pd.DataFrame) -> Array:
        """(n, 1 + T, 2) what each feature adds to the log-odds of `predict_proba`, see `additive`."""
        check_is_fitted(self)
        usual = self.expected_goals_.usual
        found = np.mean([member.price_terms(self.trees_, features, usual) for member in MEMBERS], axis=0)
        return np.asarray(found + self.overlooked_terms(features))

    def overlooked_terms(self, features: pd.DataFrame) -> Array:
        """(n, 1 + T, 2) what each feature adds to the log-odds of `overlooked`, see `additive`."""
        return np.asarray(np.mean([member.overlooked_terms(self.trees_, features) for member in MEMBERS], axis=0))

    def predict_goals(self, features: pd.DataFrame) -> Array:
        """(n, 2) expected goals of home and away."""
        return self.expected_goals_.predict(features, self.predict_proba(features))

    def disagreement(self, features: pd.DataFrame) -> Array:
        """(n,) by how much the prices differ that its members expect, see `firmness`."""
        return np.asarray(np.ptp([member.forecast(self.trees_, features)[:, 0] for member in MEMBERS], axis=0))

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


def pooled(price: Array, overlooked: Array) -> Array:
    """(n, 3) the probabilities that the two `History.forecast_parts` mean together."""
    scores = np.log(probabilities_of(*price.T)) + overlooked
    return np.asarray(np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)))
