"""Training: a challenger fitted, compared walk-forward with the champion's recipe, and promoted or not.

Belongs here: putting the steps together and keeping their evidence. How models learn, are judged and are promoted is
`pipelines.forecast`; where they are kept is `pipelines.store.registry`.
"""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from pipelines.forecast import contract
from pipelines.settings import Settings
from pipelines.store import gold
from pipelines.store.registry import ModelVersion, Registry
from pipelines.store.revision import git_revision
from pipelines.store.silver import Silver
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    from pipelines.forecast.models import Model, Recipe
    from pipelines.forecast.promotion import Decision

N_EVIDENCE_SEASONS = 2
"""Seasons on which recipes are compared, each forecast by models that have seen only earlier ones."""

N_UNSEEN = 300
"""Matches that a served model must not have learnt from before its refit is compared with it: some two weeks of all leagues."""

_RATING_COLUMNS = [name for names in contract.RATINGS.values() for name in names]


class TrainingConfig(dg.Config):
    """Which recipe to train; by default the one that is served, see `_default`."""

    recipe: str = ""


@dg.asset(
    key=["forecast", "model_evidence"],
    deps=[["forecast", "match_rating"], ["gold", "feat_match"]],
    group_name="forecast",
    kinds={"python", "lightgbm", "mlflow"},
    owners=["team:forecasting"],
    description="Each trained model with its walk-forward scores beside the market's, and why it became champion or did not.",
)
def model_evidence(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    registry: dg.ResourceParam[Registry],
    turn: dg.ResourceParam[None],
) -> dg.MaterializeResult[None]:
    """Fit the recipe on everything known, compare it with the champion's on the same matches, decide."""
    from pipelines.forecast.backtest import backtest, summarise
    from pipelines.forecast.features import label
    from pipelines.forecast.learners import Grown
    from pipelines.forecast.models import MODELS, UnknownFormat
    from pipelines.forecast.plots import distance_to_market, reliability_diagram
    from pipelines.forecast.promotion import decide
    from pipelines.forecast.splits import is_played

    Silver(warehouse.url).require_whole()
    champion = registry.champion(settings.model_name)
    champion_recipe = MODELS.get(champion.tags.get("recipe", "")) if champion else None
    recipe = MODELS[config.recipe or _default(champion_recipe)]
    # Without a rival one season shows that it has skill and leaks nothing; a comparison needs more matches than that.
    n_evidence = N_EVIDENCE_SEASONS if champion else 1
    both = [recipe] if champion_recipe is None else [recipe, champion_recipe]
    matches, features, quotes = matrix(warehouse, both, gold.newest_season(warehouse) - n_evidence + 1)
    played = is_played(matches)
    seasons = sorted(matches.loc[played, "season"].unique())[-n_evidence:]
    columns = list(contract.FEATURES[recipe.information_set])
    context.log.info(f"walk-forward comparison of {recipe.name} over the seasons {seasons}")
    grown: Grown = {}
    challenger = backtest(matches, features, quotes, recipe, seasons, grown)
    rival = None
    if champion is not None and champion_recipe is recipe:
        try:
            served = recipe.read(registry.fetch(champion, settings.state_dir / "models"))
            rival = _unseen(challenger, features[columns], served, champion.tags.get("learnt_until"))
        except UnknownFormat as error:
            context.log.warning(f"the champion cannot be read any more and is no rival: {error}")
    elif champion_recipe is not None:
        rival = backtest(matches, features, quotes, champion_recipe, seasons, grown)
    decision = decide(challenger, rival, is_refit=champion_recipe is recipe, is_odds_free=recipe.information_set == "results")

    labels = label(matches, quotes).loc[features.index, list(contract.LABELS[recipe.information_set])]
    features = features[columns]
    model = recipe.make().fit(features[played], labels[played], grown)
    with tempfile.TemporaryDirectory() as folder:
        files, evidence = Path(folder) / "model", Path(folder) / "evidence"
        model.to_files(files)
        evidence.mkdir()
        plots = {"reliability": reliability_diagram(challenger), "distance_to_market": distance_to_market(challenger)}
        for name, png in plots.items():
            (evidence / f"{name}.png").write_bytes(png)
        scores = summarise(challenger)
        scores.to_csv(evidence / "scores.csv")
        (evidence / "decision.json").write_text(json.dumps(asdict(decision), indent=1, default=str))
        version = registry.log_challenger(
            name=settings.model_name,
            folder=files,
            features=features.tail(5),
            probabilities=pd.DataFrame(model.predict_proba(features.tail(5)), columns=list(contract.PROBABILITIES)),
            params={"recipe": recipe.name, "n_matches": int(played.sum()), "evidence_seasons": str([int(s) for s in seasons])},
            metrics={str(name): value for name, value in scores.iloc[0].dropna().items()},  # the first row is over all matches
            tags=_tags(recipe, features, matches) | {"learnt_until": matches.loc[played, "known_at"].max().isoformat()},
            evidence=evidence,
        )
    now = datetime.now(UTC)
    # The record first: a run that dies here is completed by the next prediction, which finds the alias missing.
    _keep(warehouse, version, decision, now)
    if decision.promote:
        registry.promote(settings.model_name, version.version, now.isoformat())
    context.log.info("promoted" if decision.promote else "the champion stays")
    return dg.MaterializeResult(
        metadata={
            "decision": "promoted" if decision.promote else "champion kept",
            "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in decision.reasons)),
            "model_version": version.version,
            "scores": _scores_table(scores),
            **{name: _picture(name, png) for name, png in plots.items()},
        }
    )


def _default(served: "Recipe | None") -> str:
    """What is trained unless somebody says otherwise: what is served, anew. In place of the quick recipe the first of all.

    Without a champion the quick one: the first forecasts should be there within the minute.
    """
    from pipelines.forecast.models import MODELS, QUICK

    if served is None:
        return QUICK
    return next(iter(MODELS)) if served.name == QUICK else served.name


def _unseen(challenger: pd.DataFrame, features: pd.DataFrame, served: "Model", learnt_until: str | None) -> pd.DataFrame | None:
    """The challenger's matches that the served model has not learnt from, with what that model says of them.

    None if there are fewer than `N_UNSEEN`: nothing could be shown.
    """
    if learnt_until is None:
        return None
    unseen = challenger[challenger["as_of"] >= pd.Timestamp(learnt_until)].copy()
    if len(unseen) < N_UNSEEN:
        return None
    unseen[list(contract.PROBABILITIES)] = served.predict_proba(features.loc[unseen.index])
    return unseen


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
    """What makes a model reproducible: recipe, code, data and feature list."""
    data = hashlib.sha256(pd.util.hash_pandas_object(features, index=True).to_numpy().tobytes())
    data.update(pd.util.hash_pandas_object(matches[["match_id", "home_goals", "away_goals"]], index=False).to_numpy().tobytes())
    return {
        "recipe": recipe.name,
        "information_set": recipe.information_set,
        "git_revision": git_revision() or "unknown",
        "data_sha256": data.hexdigest(),
        "features_sha256": hashlib.sha256("\n".join(features.columns).encode()).hexdigest(),
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


def _picture(name: str, png: bytes) -> dg.MarkdownMetadataValue:
    import base64

    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")
