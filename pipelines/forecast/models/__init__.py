"""Models: from the feature matrix to probabilities of home, draw and away and to expected goals.

Belongs here: what all models have in common and the registry `MODELS`, in which a new model is one entry; a module for each
information set beside it has its model, in the manner of scikit-learn (`__init__` only stores parameters, what is learnt
ends in `_`). Does not belong here: where the features come from, the learners that models are made of (`learners`), how a model
is judged, or where it is kept.

Models learn in two stages. The first regresses a quantity that says more of a match than its outcome does: what the market
thought of it at last, or how well its clubs played. The second lets a few small, strongly regularised trees see outcomes,
starting from what the first stage forecast *walk-forward*: outcomes alone teach trees noise, the first stage's fit to its
own matches would teach them trust.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.forecast.learners import Grown
from pipelines.forecast.models.files import UnknownFormat
from pipelines.forecast.models.history import History
from pipelines.forecast.models.market import Market
from pipelines.forecast.models.results import Results

Array = npt.NDArray[np.float64]

__all__ = ["MODELS", "QUICK", "History", "Market", "Model", "Recipe", "Results", "UnknownFormat"]


class Model(Protocol):
    """What training, backtest and prediction need of a model."""

    def fit(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> Self:
        """Learn from (n, k) features and the `contract.LABELS` of the same matches, ordered in time.

        `grown` holds trees that were grown before, from whatever, and what they said; those of this fit are looked up, and added.
        """

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities in the order of `contract.OUTCOMES`, each above 0, rows summing to one."""

    def terms(self, features: pd.DataFrame) -> Array:
        """(n, 1 + T, 2) the log-odds of `predict_proba` as sums, see `additive`: a base, and what each feature adds to it."""

    def predict_goals(self, features: pd.DataFrame) -> Array:
        """(n, 2) expected goals of home and away, each above 0."""

    def disagreement(self, features: pd.DataFrame) -> Array:
        """(n,) by how much its members differ in ln(p_home/p_away); NaN where that says nothing of how good a forecast is."""

    def to_files(self, folder: Path) -> None:
        """Write the fitted model into an existing or new folder."""

    @classmethod
    def from_files(cls, folder: Path) -> Self:
        """Read what `to_files` wrote."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a model is made: compared as a whole, walk-forward, before it may be served."""

    name: str
    information_set: str
    """Which `contract.FEATURES` and `contract.LABELS` the model is given: it cannot look at others."""
    make: Callable[[], Model]
    """A new, unfitted model."""
    read: Callable[[Path], Model]
    """A fitted model from its files."""
    description: str
    since: int
    """The first season that is learnt from: earlier ones need not be read."""
    n_seasons: int | None = None
    """How many seasons before the forecast one are learnt from at most."""

    def first_season(self, forecast: int) -> int:
        """The first season that a forecast of the given one learns from."""
        return self.since if self.n_seasons is None else max(self.since, forecast - self.n_seasons)


MODELS: Final[dict[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="results",
            information_set="results",
            make=Results,
            read=Results.from_files,
            description="Mean of trees that start from a logit on ratings and of trees that start from a forecast of play.",
            since=2000,
        ),
        Recipe(
            name="results-logit",
            information_set="results",
            make=lambda: Results(use_trees=False, n_seasons=12),
            read=Results.from_files,
            description="The multinomial logit alone: there within seconds, and the challenger that trees must beat.",
            since=2000,
            # On 2015 to 2018 twelve seasons are as good as all (log loss 1.0093 against 1.0094), and take half the time.
            n_seasons=12,
        ),
        Recipe(
            name="history",
            information_set="history",
            make=History,
            read=History.from_files,
            description="Trees that forecast the closing price from memories of earlier prices, corrected by outcomes.",
            since=2003,
        ),
        Recipe(
            name="market",
            information_set="market",
            make=Market,
            read=Market.from_files,
            description="Trees that forecast the closing price from the quotes before the match and from history.",
            since=2003,
        ),
    )
}
"""Every recipe that can be trained and compared, the default first. Adding one is one entry."""

QUICK: Final = "results-logit"
"""What a new installation is served by until the first training of the default."""
