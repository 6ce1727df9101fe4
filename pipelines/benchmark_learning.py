"""How long learning takes: ratings, memories, fits from nothing, a routine refit, and Dixon-Coles beside penaltyblog's.

Belongs here: timing functions of `pipelines.forecast` on the matches of a built edition, in this process. Does not belong here:
runs of the whole pipeline (`benchmark`).
"""

import importlib.util
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.store import gold
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.forecast.learners import Grown

Echo = Callable[[str], None]

COMPARED = ("E0", "D1", "I1", "SP1", "F1")
"""Divisions of which the last seasons are fitted by both Dixon-Coles."""
N_SEASONS = 4

BEFORE_THE_END = timedelta(days=120)
"""How long before the last result most seasons were under way."""

RATINGS_SECONDS = 15.0
REFIT_SECONDS = 60.0
TRAINING_SECONDS = 240.0
BACKTEST_SECONDS = 720.0


def seconds_of(work: Callable[[], Any]) -> float:
    """Wall seconds of a piece of work."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def measure_learning(warehouse: Warehouse, echo: Echo) -> dict[str, float]:
    """Seconds of each piece of learning on everything that the edition holds.

    `ratings_and_memories`; `dixon_coles_weekly`, refitted every week of all seasons; `outlooks`, 10,000 ends of each season that
    was under way `BEFORE_THE_END`; `training_<set>`, the usual recipe's fit with no tree grown before; `refit_<set>`, the same
    where a fit a week older has been. Fits alone are timed, not their comparison with the champion, nor the reading of matches.
    """
    from pipelines.defs.training import matrix
    from pipelines.forecast import dixon_coles
    from pipelines.forecast.contract import FEATURES
    from pipelines.forecast.features import rate
    from pipelines.forecast.learners import Grown
    from pipelines.forecast.memory import remember
    from pipelines.forecast.models import MODELS
    from pipelines.forecast.outlook import outlooks
    from pipelines.forecast.replay import Timeline

    matches, prices = gold.matches(warehouse), gold.prices(warehouse)
    rate(matches.head(1000))  # compiles what was not yet
    taken: dict[str, float] = {}

    def note(name: str, seconds: float) -> None:
        taken[name] = seconds
        echo(f"  {name:<28} {seconds:7.1f} s")

    def remember_all() -> None:
        rate(matches)
        remember(Timeline.of(matches), prices)

    note("ratings_and_memories", seconds_of(remember_all))
    note("dixon_coles_weekly", seconds_of(lambda: dixon_coles.rate(matches)))
    at = matches["known_at"].max() - BEFORE_THE_END
    note("outlooks", seconds_of(lambda: outlooks(matches, at)))
    recipes = [MODELS[name] for name in FEATURES]
    known = matrix(warehouse, recipes, max(gold.n_played(warehouse)))
    for recipe in recipes:
        fit = _fitter(known, recipe.name)
        note(f"training_{recipe.name}", seconds_of(lambda fit=fit: fit(Grown(), None)))  # type: ignore[misc]
    for name in ("history", "market"):
        grown = Grown()
        fit = _fitter(known, name)
        fit(grown, timedelta(days=7))
        # As in another week: the trees are on disk, what they said was forgotten with the process.
        note(f"refit_{name}", seconds_of(lambda fit=fit, grown=grown: fit(Grown(grown.trees), None)))  # type: ignore[misc]
    return taken


def _fitter(known: "tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]", recipe_name: str) -> Callable[..., None]:
    """A function of trees grown before and of how long before the last result the fit shall be."""
    from pipelines.forecast.contract import FEATURES, LABELS
    from pipelines.forecast.features import label
    from pipelines.forecast.models import MODELS
    from pipelines.forecast.splits import is_played

    recipe, (matches, features, quotes) = MODELS[recipe_name], known
    features = features[list(FEATURES[recipe.information_set])]
    labels = label(matches, quotes).loc[features.index, list(LABELS[recipe.information_set])]

    def fit(grown: "Grown", before: timedelta | None) -> None:
        rows = is_played(matches)
        if before is not None:
            rows = rows & (matches["known_at"] < matches["known_at"].max() - before).to_numpy(dtype=bool)
        recipe.make().fit(features[rows], labels[rows], grown)

    return fit


def compare_dixon_coles(warehouse: Warehouse, echo: Echo) -> dict[str, float] | None:
    """Seconds of one fit of each of `COMPARED`, its last `N_SEASONS` seasons: ours and penaltyblog's, with the same decay.

    None where penaltyblog is not installed. Ours holds strengths by a ridge and fits divisions of a country together, though here
    each is alone; both find a rho.
    """
    if importlib.util.find_spec("penaltyblog") is None:
        echo("  penaltyblog is not installed: `make bench-pipeline` brings it")
        return None
    import penaltyblog

    from pipelines.forecast import dixon_coles
    from pipelines.forecast.splits import is_played

    matches = gold.matches(warehouse)
    matches = matches[is_played(matches)]
    taken = {"ours": 0.0, "penaltyblog": 0.0, "n_matches": 0.0}
    for division in COMPARED:
        part = matches[matches["competition_id"] == division]
        part = part[part["season"] > part["season"].max() - N_SEASONS]
        if part.empty:
            continue
        at = part["known_at"].max() + timedelta(seconds=1)
        dixon_coles.fit(part.head(50), at)  # compiles what was not yet
        taken["ours"] += seconds_of(lambda part=part, at=at: dixon_coles.fit(part, at))  # type: ignore[misc]
        weights = np.exp(-dixon_coles.DECAY * (at - part["known_at"]).dt.total_seconds().to_numpy() / 86_400)
        model = penaltyblog.models.DixonColesGoalModel(
            part["home_goals"].to_numpy(dtype=np.int64),
            part["away_goals"].to_numpy(dtype=np.int64),
            part["home_team_id"].to_numpy(dtype=str),
            part["away_team_id"].to_numpy(dtype=str),
            weights,
        )
        taken["penaltyblog"] += seconds_of(model.fit)
        taken["n_matches"] += len(part)
    both = f"ours {taken['ours']:.2f} s, penaltyblog {taken['penaltyblog']:.2f} s"
    echo(f"  Dixon-Coles of {taken['n_matches']:,.0f} matches: {both}")
    return taken
