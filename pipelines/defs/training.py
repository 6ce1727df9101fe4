"""Training: for each information set a challenger fitted, compared walk-forward with the champion's recipe, promoted or not.

Belongs here: putting the steps together and keeping their evidence. How models learn, are judged and are promoted is
`pipelines.forecast`; where they are kept is `pipelines.store.registry`.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd
from pydantic import Field

from pipelines.defs.champions import RECIPE_DIGEST, legible, read
from pipelines.defs.failures import under_policy
from pipelines.defs.quality import require_accepted
from pipelines.defs.rivals import Champion, Known, keep, rival, unopposed
from pipelines.forecast import contract
from pipelines.forecast.splits import is_played, judged_seasons
from pipelines.settings import Settings
from pipelines.store import gold
from pipelines.store.registry import ModelVersion, Registry
from pipelines.store.revision import git_revision
from pipelines.store.trees import TreesOnDisk
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    from pipelines.forecast.learners import Grown
    from pipelines.forecast.models import Recipe
    from pipelines.forecast.promotion import Decision, Rival

N_EVIDENCE_SEASONS = 2
"""Seasons on which recipes are compared, each forecast by models that have seen only earlier ones; see `judged_seasons`."""

MODELS_OF = {
    "results": dg.AssetKey(["forecast", "results_model"]),
    "history": dg.AssetKey(["forecast", "history_model"]),
    "market": dg.AssetKey(["forecast", "market_model"]),
}
"""Information set to the asset that stands for its registered model."""

_KNOWS = {
    "results": "scores and statistics of earlier matches, no odds",
    "history": "that, and the prices of earlier matches",
    "market": "that, and quotes of the match before it",
}

_MADE_OF = [["forecast", "match_rating"], ["gold", "fct_match"], ["gold", "feat_match"]]
_PRICES = [["gold", "feat_market"], ["gold", "fct_odds"]]
"""What `matrix` reads for each model, and what besides for those that know prices: what clubs are remembered by, and quotes."""

_RATING_COLUMNS = [name for names in contract.RATINGS.values() for name in names]


class TrainingConfig(dg.Config):
    """What a person may ask of one training."""

    recipe: str = Field("", description="Train this recipe for its information set; by default the one that is served.")
    unopposed: list[str] = Field(
        [],
        description="Information sets whose new model need not meet the champion: skill, calibration and the leak alarm decide.",
    )


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            key,
            deps=_MADE_OF if name == "results" else [*_MADE_OF, *_PRICES],
            description=f"The registered model that knows {_KNOWS[name]}: its scores beside the market's, and why it is served.",
            kinds={"python", "lightgbm", "mlflow"},
            owners=["team:forecasting"],
        )
        for name, key in MODELS_OF.items()
    ],
    name="training",
    group_name="forecast",
    can_subset=True,
)
@under_policy
def training(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    registry: dg.ResourceParam[Registry],
    turn: dg.ResourceParam[None],
) -> Iterator[dg.MaterializeResult[None]]:
    """Fit each set's recipe on everything known, compare it with the champion's on the same matches, decide."""
    from pipelines.forecast.learners import Grown

    require_accepted(warehouse)
    champions = {
        name: Champion.of(registry.champion(settings.model_name(name)))
        for name, key in MODELS_OF.items()
        if key in context.selected_asset_keys
    }
    recipes = {name: _recipes(name, champion, config.recipe) for name, champion in champions.items()}
    n_played = gold.n_played(warehouse)
    seasons = {name: judged_seasons(n_played, _n_evidence(champion)) for name, champion in champions.items()}
    first = min((judged[0] for judged in seasons.values() if judged), default=0)
    compared = [champion.recipe for champion in champions.values() if champion and champion.recipe]
    data = Data(*matrix(warehouse, [*(recipe for each in recipes.values() for recipe in each), *compared], first))
    trees = TreesOnDisk(settings.trees_dir)
    grown = Grown(trees)
    for name, champion in champions.items():
        attempts: list[Attempt] = []
        for recipe in recipes[name]:
            context.log.info(f"{name}: {recipe.name}, compared walk-forward over {', '.join(map(str, seasons[name]))}")
            met = rival if name not in config.unopposed else unopposed
            attempts.append(_attempt(settings, warehouse, registry, recipe, champion, seasons[name], data, grown, met))
            context.log.info(f"{name}: {recipe.name} {'promoted' if attempts[-1].decision.promote else 'not promoted'}")
            if attempts[-1].decision.promote:
                break
        yield dg.MaterializeResult(asset_key=MODELS_OF[name], metadata=_metadata(attempts))
    if len(champions) == len(MODELS_OF):
        trees.forget_unused()


@dataclass(frozen=True)
class Data:
    """What `matrix` returns."""

    matches: pd.DataFrame
    features: pd.DataFrame
    quotes: pd.DataFrame


@dataclass(frozen=True)
class Attempt:
    """A challenger and what was decided of it."""

    recipe: "Recipe"
    version: ModelVersion
    decision: "Decision"
    scores: pd.DataFrame
    plots: dict[str, bytes]


def _recipes(information_set: str, champion: Champion | None, wanted: str) -> "list[Recipe]":
    """What is tried for a set, in this order, until one is promoted: what is served, anew, unless somebody says otherwise.

    In place of the quick recipe its set's first; where that is not shown to be better the quick one stays, on fresher data.
    Without a champion the quick one: the first forecasts should be there within the minute.
    """
    from pipelines.forecast.models import MODELS, QUICK

    if wanted and MODELS[wanted].information_set == information_set:
        return [MODELS[wanted]]
    usual = next(recipe for recipe in MODELS.values() if recipe.information_set == information_set)
    quick = MODELS[QUICK]
    if champion is None:
        return [quick if quick.information_set == information_set else usual]
    if champion.recipe is quick:
        return [usual, quick]
    return [champion.recipe or usual]


def _n_evidence(champion: Champion | None) -> int:
    """Without a rival one season shows that a model has skill and leaks nothing; a comparison needs more matches than that."""
    return N_EVIDENCE_SEASONS if champion else 1


def _attempt(
    settings: Settings,
    warehouse: Warehouse,
    registry: Registry,
    recipe: "Recipe",
    champion: Champion | None,
    seasons: list[int],
    data: Data,
    grown: "Grown",
    met: "Callable[[Champion | None, Recipe, Known], Rival]",
) -> Attempt:
    """Fit, compare with what is `met`, register and, if it deserves it, promote."""
    from pipelines.forecast.backtest import backtest, summarise
    from pipelines.forecast.features import label
    from pipelines.forecast.plots import distance_by_league, distance_to_market, reliability_diagram
    from pipelines.forecast.promotion import decide

    matches, quotes, columns = data.matches, data.quotes, list(contract.FEATURES[recipe.information_set])
    played = is_played(matches)

    def walk_forward(recipe: "Recipe") -> pd.DataFrame:
        return backtest(matches, data.features, quotes, recipe, seasons, grown)

    challenger = walk_forward(recipe)
    known = Known(challenger, data.features[columns], walk_forward, partial(read, settings, registry), registry.evidence)
    decision = decide(challenger, met(champion, recipe, known), is_odds_free=recipe.information_set == "results")

    labels = label(matches, quotes).loc[data.features.index, list(contract.LABELS[recipe.information_set])]
    features = data.features[columns]
    model = recipe.make().fit(features[played], labels[played], grown)
    scores = summarise(challenger)
    plots = {
        "reliability": reliability_diagram(challenger),
        "distance_to_market": distance_to_market(challenger),
        "distance_by_league": distance_by_league(challenger),
    }
    with tempfile.TemporaryDirectory() as folder:
        files, evidence = Path(folder) / "model", Path(folder) / "evidence"
        model.to_files(files)
        evidence.mkdir()
        for name, png in plots.items():
            (evidence / f"{name}.png").write_bytes(png)
        scores.to_csv(evidence / "scores.csv")
        (evidence / "decision.md").write_text(decision.as_markdown(recipe.name))
        keep(evidence, challenger, recipe)
        (evidence / "decision.json").write_text(json.dumps(asdict(decision), indent=1, default=str))
        version = registry.log_challenger(
            name=settings.model_name(recipe.information_set),
            folder=files,
            features=features.tail(5),
            probabilities=pd.DataFrame(model.predict_proba(features.tail(5)), columns=list(contract.PROBABILITIES)),
            params={
                "recipe": recipe.name,
                "n_matches": int(played.sum()),
                "evidence_seasons": str(seasons),
                **_said(decision),
            },
            metrics={str(name): value for name, value in scores.iloc[0].dropna().items()},  # the first row is over all matches
            tags=_tags(recipe, features, matches) | {"learnt_until": matches.loc[played, "known_at"].max().isoformat()},
            evidence=evidence,
        )
    now = datetime.now(UTC)
    # The record first: a run that dies here is completed by the next prediction, which finds the alias missing.
    _keep(warehouse, version, decision, now)
    if decision.promote:
        registry.promote(version.name, version.version, now.isoformat())
    return Attempt(recipe, version, decision, scores, plots)


def _metadata(attempts: Sequence[Attempt]) -> dict[str, dg.MetadataValue]:
    """For a person: what came of it, why, and the last one's figures and plots."""
    last = attempts[-1]
    reasons = [attempt.decision.as_markdown(attempt.recipe.name) for attempt in attempts]
    return {
        "decision": dg.MetadataValue.text("promoted" if last.decision.promote else "champion kept"),
        **{name: dg.MetadataValue.text(value) for name, value in _said(last.decision).items()},
        "reasons": dg.MetadataValue.md("\n\n".join(reasons)),
        "model_version": dg.MetadataValue.int(last.version.version),
        "scores": _scores_table(last.scores),
        **{name: picture(name, png) for name, png in last.plots.items()},
    }


def _said(decision: "Decision") -> dict[str, str]:
    """What a challenger was judged as, and whose forecasts it was compared with."""
    return {"judged_as": decision.figures["kind"], "compared_with": decision.figures["compared_with"] or "nothing"}


def matrix(warehouse: Warehouse, recipes: "Sequence[Recipe]", first: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Matches (`contract.MATCH_COLUMNS` and the source's spelling), features and quotes, as far back as is learnt from.

    One row per match in the same order in all three; features and quotes have the index `match_id`. Where all recipes are of
    the set `results`, features are that set's, and quotes the average ones alone.

    Args:
        first: the first season that the recipes are to forecast.
    """
    from pipelines.forecast.features import assemble
    from pipelines.forecast.memory import remember
    from pipelines.forecast.replay import Timeline

    since = min(recipe.first_season(first) for recipe in recipes)
    rows = gold.training_rows(warehouse, since).set_index("match_id")
    if all(recipe.information_set == "results" for recipe in recipes):
        quotes = rows[list(contract.MARKET_COLUMNS)]
        features = assemble(rows.reset_index(), rows[_RATING_COLUMNS], rows)
    else:
        memories = remember(Timeline.of(gold.matches(warehouse)), gold.prices(warehouse))
        quotes = gold.quotes(warehouse).set_index("match_id")
        features = assemble(rows.reset_index(), rows[_RATING_COLUMNS].join(memories), rows, quotes)
    rows = rows.loc[features.index]
    names = [name for name in (*contract.MATCH_COLUMNS, *gold.SOURCE_COLUMNS) if name != "match_id"]
    return rows[names].reset_index(), features, quotes.loc[features.index]


def _tags(recipe: "Recipe", features: pd.DataFrame, matches: pd.DataFrame) -> dict[str, str]:
    """What makes a model reproducible: recipe and its settings, code, data and feature list."""
    from pipelines.forecast.identity import digest

    data = hashlib.sha256(pd.util.hash_pandas_object(features, index=True).to_numpy().tobytes())
    data.update(pd.util.hash_pandas_object(matches[["match_id", "home_goals", "away_goals"]], index=False).to_numpy().tobytes())
    return {
        "recipe": recipe.name,
        RECIPE_DIGEST: digest(recipe),
        "information_set": recipe.information_set,
        "git_revision": git_revision() or "unknown",
        "data_sha256": data.hexdigest(),
        **legible(recipe.information_set),
    }


def _keep(warehouse: Warehouse, version: ModelVersion, decision: "Decision", now: datetime) -> None:
    row = {
        "model_name": version.name,
        "model_version": version.version,
        "decided_at": now,
        "decision": "promoted" if decision.promote else "kept_champion",
        "reasons": [decision.reasons],
        "figures": [decision.figures],
    }
    warehouse.append("forecast.model_evidence", pd.DataFrame(row))


def _scores_table(scores: pd.DataFrame) -> dg.TableMetadataValue:
    from pipelines.defs.ingestion import table_metadata

    columns = ["n", "log_loss", "market_log_loss", "difference", "difference_low", "difference_high", "rps", "brier", "ece"]
    return table_metadata(scores[columns].round(4).reset_index())


def picture(name: str, png: bytes) -> dg.MarkdownMetadataValue:
    """A plot as the Dagster UI shows it."""
    import base64

    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")
