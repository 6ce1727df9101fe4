"""The members of `History`: what each starts from and looks at, and how its trees grow.

Belongs here: the two stages of one member. Does not belong here: which matches are learnt from, and how the members' forecasts
become one (`history`).

Two members that were settled independently of each other err apart, and the mean of both is better than either. `SETTLED` has
the dynamics and the trees that were chosen for this project. `RESTLESS` has a memory in which clubs change faster, the errors of
that memory, ratings only in the second stage, and fewer trees of outcomes; its settings were taken over as they were found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.forecast.additive import TERMS, start, terms
from pipelines.forecast.contract import FEATURES, RESTLESS_FEATURES
from pipelines.forecast.learners import LEAST, Grown, Growth, Trees
from pipelines.forecast.memory import probabilities_of
from pipelines.forecast.metrics import outcome_of

Array = npt.NDArray[np.float64]

PRICES: Final = ("side", "draw")
"""The log-odds that the first stage regresses, `price_side` and `price_draw` of the labels."""


@dataclass(frozen=True)
class Member:
    """Two stages: trees that start from a memory and regress the last price, then trees that add what outcomes teach.

    It keeps nothing. What it grows is named after it and the stage: `{name}_side`, `{name}_draw`, `{name}_outcome`.
    """

    name: str
    memory: str
    """The column that remembers the sides."""
    price_columns: tuple[str, ...]
    outcome_columns: tuple[str, ...]
    side_growth: Growth
    draw_growth: Growth
    outcome_growth: Growth
    outcomes_since: int = 0
    """The first season whose outcomes are learnt from."""

    def grow(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> dict[str, Trees]:
        """The first stage, from matches that have a price."""
        remembered = self.remembered(features)
        home, _, away = probabilities_of(*remembered.T).T
        return {
            f"{self.name}_side": Trees(self.price_columns, self.side_growth).fit(
                features,
                labels["price_side"].to_numpy(),
                grown,
                start=remembered[:, 0],
                # An error of the log-odds costs the less, the surer the outcome.
                weight=home + away - (home - away) ** 2,
            ),
            f"{self.name}_draw": Trees(self.price_columns, self.draw_growth).fit(
                features, labels["price_draw"].to_numpy(), grown, start=remembered[:, 1]
            ),
        }

    def grow_outcome(self, features: pd.DataFrame, labels: pd.DataFrame, said: Array, grown: Grown) -> dict[str, Trees]:
        """The second stage, from what the first had said of (n, 2) prices before; none of too few matches."""
        recent = (labels["season"] >= self.outcomes_since).to_numpy()
        if recent.sum() < LEAST:
            return {}
        features, labels, said = features[recent], labels[recent], said[recent]
        outcomes = outcome_of(labels["home_goals"], labels["away_goals"])
        trees = Trees(self.outcome_columns, self.outcome_growth)
        return {f"{self.name}_outcome": trees.fit(features, outcomes, grown, start=np.log(probabilities_of(*said.T)))}

    def forecast(self, trees: Mapping[str, Trees], features: pd.DataFrame, grown: Grown | None = None) -> Array:
        """(n, 2) what the first stage says of the price: log-odds of the sides and of the draw; the memory if it has no trees.

        `grown` as of `Trees.predict`.
        """
        remembered = self.remembered(features)
        if f"{self.name}_side" not in trees:
            return remembered
        return np.column_stack(
            [trees[f"{self.name}_{name}"].predict(features, remembered[:, k], grown) for k, name in enumerate(PRICES)]
        )

    def overlooked(self, trees: Mapping[str, Trees], features: pd.DataFrame, said: Array, grown: Grown | None = None) -> Array:
        """(n, 3) what the second stage adds to the logarithms of the probabilities that (n, 2) prices mean; 0 without trees.

        `grown` as of `Trees.predict`.
        """
        if f"{self.name}_outcome" not in trees:
            return np.zeros((len(features), 3))
        start = np.log(probabilities_of(*said.T))
        return np.asarray(np.log(trees[f"{self.name}_outcome"].predict(features, start, grown)) - start)

    def price_terms(self, trees: Mapping[str, Trees], features: pd.DataFrame, usual: tuple[float, float]) -> Array:
        """(n, 1 + T, 2) of `forecast`, see `additive`; `usual` is what the memory counts from."""
        remembered = self.remembered(features)
        found = [start(name, remembered[:, k], usual[k]) for k, name in enumerate((self.memory, "memory_draw"))]
        if f"{self.name}_side" in trees:
            found = [each + terms(trees[f"{self.name}_{name}"], features) for each, name in zip(found, PRICES, strict=True)]
        return np.stack(found, axis=2)

    def overlooked_terms(self, trees: Mapping[str, Trees], features: pd.DataFrame) -> Array:
        """(n, 1 + T, 2) of what the second stage adds to the log-odds."""
        outcome = trees.get(f"{self.name}_outcome")
        return np.zeros((len(features), 1 + len(TERMS), 2)) if outcome is None else terms(outcome, features)

    def remembered(self, features: pd.DataFrame) -> Array:
        """(n, 2) where the trees of the first stage start."""
        # A match that no memory was asked about counts as one between newcomers.
        return features[[self.memory, "memory_draw"]].fillna({self.memory: 0.55, "memory_draw": -0.2}).to_numpy()


_SETTLED_MEMORY: Final = (
    *("memory_side", "memory_side_unsteered", "memory_side_variance"),
    *("memory_side_slow_lead", "memory_side_fast_lead", "memory_side_unsteered_lead", "play_lead"),
)
_SETTLED_COLUMNS: Final = tuple(name for name in FEATURES["history"] if name not in RESTLESS_FEATURES)
_RESTLESS_COLUMNS: Final = tuple(name for name in FEATURES["history"] if name not in _SETTLED_MEMORY)
_RATED: Final = ("elo_", "pi_", "goals_", "shots_", "n_played_", "home_form_", "away_form_")

SETTLED: Final = Member(
    name="settled",
    memory="memory_side",
    price_columns=_SETTLED_COLUMNS,
    outcome_columns=_SETTLED_COLUMNS,
    side_growth=Growth(400, 0.04, 31, 200, 0.7, 0.25, 20.0),
    draw_growth=Growth(250, 0.04, 31, 200, 0.7, 0.25, 20.0),
    outcome_growth=Growth(400, 0.01, 6, 800, 0.6, 0.2, 100.0),
)
"""Chosen on seasons up to 2018."""

RESTLESS: Final = Member(
    name="restless",
    memory="memory_side_restless",
    price_columns=tuple(name for name in _RESTLESS_COLUMNS if not name.startswith(_RATED)),
    outcome_columns=_RESTLESS_COLUMNS,
    side_growth=Growth(500, 0.03, 31, 200, 0.7, 0.25, 20.0),
    draw_growth=Growth(300, 0.03, 31, 200, 0.7, 0.25, 20.0),
    outcome_growth=Growth(120, 0.02, 6, 800, 0.6, 0.2, 100.0),
    outcomes_since=2008,
)
"""Fixed beforehand, from seasons up to 2018 too; nothing of it was searched here."""

MEMBERS: Final = (SETTLED, RESTLESS)
