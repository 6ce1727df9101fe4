"""Models: from the feature matrix to probabilities of home, draw and away and to expected goals.

Belongs here: models in the manner of scikit-learn (`__init__` only stores parameters, what is learnt ends in `_`) and the
registry `MODELS`, in which a new model is one entry. Does not belong here: where the features come from, the learners that
models are made of (`learners`), how a model is judged, or where it is kept.

Models learn in two stages. The first regresses a quantity that says more of a match than its outcome does: what the market
thought of it at last, or how well its clubs played. The second lets a few small, strongly regularised trees see outcomes,
starting from what the first stage forecast *walk-forward*: outcomes alone teach trees noise, the first stage's fit to its
own matches would teach them trust.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pipelines.forecast.contract import FEATURES, RATINGS
from pipelines.forecast.learners import LEAST, ExpectedGoals, Grown, Growth, Logit, Trees, foresee, is_told
from pipelines.forecast.memory import probabilities_of
from pipelines.forecast.metrics import outcome_of

Array = npt.NDArray[np.float64]


class Model(Protocol):
    """What training, backtest and prediction need of a model."""

    def fit(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> Self:
        """Learn from (n, k) features and the `contract.LABELS` of the same matches, ordered in time.

        `grown` holds trees that were grown before, from whatever; those of this fit are looked up there, and added.
        """

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities in the order of `contract.OUTCOMES`, each above 0, rows summing to one."""

    def predict_goals(self, features: pd.DataFrame) -> Array:
        """(n, 2) expected goals of home and away, each above 0."""

    def to_files(self, folder: Path) -> None:
        """Write the fitted model into an existing or new folder."""

    @classmethod
    def from_files(cls, folder: Path) -> Self:
        """Read what `to_files` wrote."""


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
    if name.startswith(("home_form", "away_form", "home_season", "away_season", "home_rest", "away_rest")) or name == "tier"
)
PLAY_COLUMNS: Final = ("play_forecast", "goal_difference_forecast", "play_expected", "goals_log_rate_home", "goals_log_rate_away")

PERFORMANCE_GROWTH: Final = Growth(200, 0.03, 15, 300, 0.7, 0.25, 20.0)
GOAL_DIFFERENCE_GROWTH: Final = Growth(200, 0.04, 15, 300, 0.7, 0.25, 20.0)
PLAY_OUTCOME_GROWTH: Final = Growth(120, 0.03, 6, 800, 0.6, 0.2, 100.0)
RATING_OUTCOME_GROWTH: Final = Growth(300, 0.04, 8, 600, 0.6, 0.2, 50.0)
PRICE_SIDE_GROWTH: Final = Growth(250, 0.06, 31, 200, 0.7, 0.25, 20.0)
PRICE_DRAW_GROWTH: Final = Growth(150, 0.06, 31, 200, 0.7, 0.25, 20.0)
PRICE_OUTCOME_GROWTH: Final = Growth(200, 0.02, 6, 800, 0.6, 0.2, 100.0)
MOVE_GROWTH: Final = Growth(200, 0.04, 12, 300, 0.7, 0.25, 50.0)
MOVE_OUTCOME_GROWTH: Final = Growth(80, 0.02, 4, 1000, 0.6, 0.2, 200.0)
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

    Attributes
    ----------
    logit_, logit_without_shots_ : Logit
    trees_ : dict of Trees
    play_logit_ : Logit or None
    expected_goals_ : ExpectedGoals
    """

    def __init__(self, use_trees: bool = True, least_played: int = 5, since: int = 2000) -> None:
        self.use_trees = use_trees
        self.least_played = least_played
        self.since = since

    def fit(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> Self:
        """Learn from (n, k) features and `contract.LABELS["results"]` of the same matches.

        Raises
        ------
        ValueError
            If an outcome never occurs among the matches, which is so for an empty frame.
        """
        warm = (features[["n_played_home", "n_played_away"]].min(axis=1) >= self.least_played) & (labels["season"] >= self.since)
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
        self.expected_goals_ = ExpectedGoals(_RATE_COLUMNS).fit(features, rated, labels)
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

    def predict_goals(self, features: pd.DataFrame) -> Array:
        """(n, 2) expected goals of home and away."""
        check_is_fitted(self)
        return self.expected_goals_.predict(features, self._logit(features))

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
        _write(folder, content, self.trees_)

    @classmethod
    def from_files(cls, folder: Path) -> Self:
        """Read what `to_files` wrote; raises as `History.from_files`."""
        content, trees = _read(folder)
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

        season = labels["season"].to_numpy(dtype=np.int64)
        everything = np.ones(len(features), dtype=bool)
        said = foresee(season, everything, lambda learn, asked: self._forecast_play(grow(learn), features[asked]), 2)
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

    def _forecast_play(self, trees: dict[str, Trees], features: pd.DataFrame) -> Array:
        """(n, 2) performance and goal difference."""
        return np.column_stack(
            [
                trees["performance"].predict(features, _expected_play(features)),
                trees["goal_difference"].predict(features, np.zeros(len(features))),
            ]
        )


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
        probabilities = probabilities_of(*np.where(told, said.T, self._remembered(features).T))
        if told.sum() >= LEAST:
            outcomes = outcome_of(labels["home_goals"], labels["away_goals"])
            self.trees_["outcome"] = Trees(FEATURES["history"], PRICE_OUTCOME_GROWTH).fit(
                features[told], outcomes[told], grown, start=np.log(probabilities[told])
            )
        self.expected_goals_ = ExpectedGoals((*_RATE_COLUMNS, "memory_total")).fit(features, probabilities, labels)
        return self

    def foresee(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> Array:
        """(n, 2) what the first stage would have said of the price, side and draw, of each season from earlier ones."""
        priced = labels["price_side"].notna().to_numpy()

        def forecast(learn: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> Array:
            return self._forecast(self._grow(features[learn], labels[learn], grown), features[asked])

        return foresee(labels["season"].to_numpy(dtype=np.int64), priced, forecast, 2)

    def forecast_price(self, features: pd.DataFrame) -> Array:
        """(n, 2) what the first stage says of the price: log-odds of the sides and of the draw."""
        return self._forecast(self.trees_, features)

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities."""
        check_is_fitted(self)
        probabilities = probabilities_of(*self.forecast_price(features).T)
        return self.trees_["outcome"].predict(features, np.log(probabilities)) if "outcome" in self.trees_ else probabilities

    def predict_goals(self, features: pd.DataFrame) -> Array:
        """(n, 2) expected goals of home and away."""
        return self.expected_goals_.predict(features, self.predict_proba(features))

    def to_files(self, folder: Path) -> None:
        """Write `model.json` and the trees of each stage."""
        check_is_fitted(self)
        _write(folder, {"parameters": self.get_params(), "expected_goals": self.expected_goals_.to_dict()}, self.trees_)

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
        content, trees = _read(folder)
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

    def _forecast(self, trees: dict[str, Trees], features: pd.DataFrame) -> Array:
        """(n, 2) what the first stage of these trees says; the memory itself if there are none."""
        remembered = self._remembered(features)
        if "side" not in trees:
            return remembered
        return np.column_stack([trees[name].predict(features, remembered[:, k]) for k, name in enumerate(("side", "draw"))])

    def _remembered(self, features: pd.DataFrame) -> Array:
        # A match that no memory was asked about counts as one between newcomers.
        return features[["memory_side", "memory_draw"]].fillna({"memory_side": 0.55, "memory_draw": -0.2}).to_numpy()


class Market(BaseEstimator):  # type: ignore[misc]
    """The model of the information set `market`: where the price is going to move, then what it overlooks.

    The first stage regresses the closing price on the average one before the match, from where single bookmakers and the
    model `History` stand apart from it: prices move towards what earlier prices and results said. The second adds what
    outcomes teach. A match without quotes before it gets the forecast of `History`.

    Parameters
    ----------
    since
        First season learnt from: the first with closing prices.
    history_share
        Weight of `History` in the logarithm of the forecast.

    Attributes
    ----------
    history_ : History
    trees_ : dict of Trees
    """

    def __init__(self, since: int = 2012, history_share: float = 0.1) -> None:
        self.since = since
        self.history_share = history_share

    def fit(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> Self:
        """Learn from (n, k) features and `contract.LABELS["market"]` of the same matches; raises as `History.fit`."""
        self.history_ = History().fit(features, labels, grown)
        remembered = (labels["season"] >= self.history_.since).to_numpy()
        features, labels = features[remembered], labels[remembered]
        expected = self.history_.foresee(features, labels, grown)
        usable = (labels["season"] >= self.since) & labels["closing_side"].notna() & _has_quotes(features)
        usable &= is_told(expected)
        features, labels, expected = features[usable], labels[usable], expected[usable.to_numpy()]
        self.trees_: dict[str, Trees] = {}
        if len(features) < LEAST:
            return self
        features = _beside_quotes(features, expected)

        def forecast(learn: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> Array:
            return self._forecast(self._grow(features[learn], labels[learn], grown), features[asked])

        season = labels["season"].to_numpy(dtype=np.int64)
        said = foresee(season, np.ones(len(season), dtype=bool), forecast, 2)
        self.trees_ = self._grow(features, labels, grown)
        told = is_told(said)
        if told.sum() >= LEAST:
            outcomes = outcome_of(labels["home_goals"], labels["away_goals"])[told]
            start = np.log(probabilities_of(*said[told].T))
            self.trees_["outcome"] = Trees(_MARKET_COLUMNS, MOVE_OUTCOME_GROWTH).fit(features[told], outcomes, grown, start=start)
        return self

    def predict_proba(self, features: pd.DataFrame) -> Array:
        """(n, 3) probabilities."""
        check_is_fitted(self)
        probabilities = self.history_.predict_proba(features)
        quoted = _has_quotes(features).to_numpy()
        if self.trees_ and quoted.any():
            beside = _beside_quotes(features[quoted], self.history_.forecast_price(features[quoted]))
            priced = probabilities_of(*self._forecast(self.trees_, beside).T)
            if "outcome" in self.trees_:
                priced = self.trees_["outcome"].predict(beside, np.log(priced))
            pooled = priced ** (1.0 - self.history_share) * probabilities[quoted] ** self.history_share
            probabilities[quoted] = pooled / pooled.sum(axis=1, keepdims=True)
        return probabilities

    def predict_goals(self, features: pd.DataFrame) -> Array:
        """(n, 2) expected goals of home and away."""
        return self.history_.expected_goals_.predict(features, self.predict_proba(features))

    def to_files(self, folder: Path) -> None:
        """Write `model.json`, the trees of each stage, and the model `History` into a folder of its own."""
        check_is_fitted(self)
        _write(folder, {"parameters": self.get_params()}, self.trees_)
        self.history_.to_files(folder / "history")

    @classmethod
    def from_files(cls, folder: Path) -> Self:
        """Read what `to_files` wrote; raises as `History.from_files`."""
        content, trees = _read(folder)
        model = cls(**content["parameters"])
        model.trees_ = trees
        model.history_ = History.from_files(folder / "history")
        return model

    def _grow(self, features: pd.DataFrame, labels: pd.DataFrame, grown: Grown) -> dict[str, Trees]:
        home, _, away = probabilities_of(features["pre_match_side"].to_numpy(), features["pre_match_draw"].to_numpy()).T
        return {
            name: Trees(_MARKET_COLUMNS, MOVE_GROWTH).fit(
                features,
                labels[f"closing_{name}"].to_numpy(),
                grown,
                start=features[f"pre_match_{name}"].to_numpy(),
                # As in `History`: an error of the log-odds costs the less, the surer the outcome.
                weight=home + away - (home - away) ** 2,
            )
            for name in ("side", "draw")
        }

    def _forecast(self, trees: dict[str, Trees], features: pd.DataFrame) -> Array:
        """(n, 2) what the first stage of these trees says of the closing price."""
        sides = [trees[name].predict(features, features[f"pre_match_{name}"].to_numpy()) for name in ("side", "draw")]
        return np.column_stack(sides)


_MARKET_COLUMNS: Final = (*FEATURES["market"], "history_side_lead", "history_draw_lead")


def _has_quotes(features: pd.DataFrame) -> "pd.Series[bool]":
    return features["pre_match_side"].notna()


def _beside_quotes(features: pd.DataFrame, expected: Array) -> pd.DataFrame:
    """With by how much the price that `History` expects exceeds the average quote."""
    leads = expected - features[["pre_match_side", "pre_match_draw"]].to_numpy()
    return features.assign(history_side_lead=leads[:, 0], history_draw_lead=leads[:, 1])


_RATE_COLUMNS: Final = ("goals_log_rate_home", "goals_log_rate_away", "shots_log_rate_home", "shots_log_rate_away")

FORMAT: Final = 2
"""Of the files; a model of another format is refused."""


class UnknownFormat(ValueError):
    """The files of a model were written by another version of this code."""


def _write(folder: Path, content: dict[str, Any], trees: dict[str, Trees]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"format": FORMAT, **content, "trees": {}}
    for name, one in trees.items():
        one.to_file(folder / f"{name}.txt")
        content["trees"][name] = asdict(one.growth)
    (folder / "model.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Trees]]:
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if content["format"] != FORMAT:
        raise UnknownFormat(f"model format {content['format']} is not known, {FORMAT} is")
    trees = {name: Trees.from_file(folder / f"{name}.txt", Growth(**growth)) for name, growth in content["trees"].items()}
    return content, trees


def _has_shots(features: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return features["shots_log_rate_difference"].notna().to_numpy()


def _expected_play(features: pd.DataFrame) -> Array:
    # A match that no memory was asked about counts as one between newcomers.
    return features["play_expected"].fillna(0.55).to_numpy()


def _named(play: Array) -> dict[str, Array]:
    return {"play_forecast": play[:, 0], "goal_difference_forecast": play[:, 1]}


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
            make=lambda: Results(use_trees=False, since=2008),
            read=Results.from_files,
            description="The multinomial logit alone: there within seconds, and the challenger that trees must beat.",
            since=2008,
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
