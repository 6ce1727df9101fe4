"""Publication: what the service may serve, replaced in one transaction.

Belongs here: putting together what a publication says. A failure anywhere before leaves the last good one in place.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import dagster as dg
import pandas as pd

from pipelines.announcement import announce
from pipelines.defs.champions import served_champions
from pipelines.defs.conditions import FOLLOWS
from pipelines.defs.failures import under_policy
from pipelines.defs.freshness import FRESHNESS
from pipelines.defs.manifest import models_behind, project_digest, read_manifest
from pipelines.defs.predictions import HORIZON
from pipelines.defs.quality import require_accepted
from pipelines.forecast import contract
from pipelines.settings import Settings
from pipelines.store import file_versions, gold, ledger, read_model
from pipelines.store.publication import Content, publish
from pipelines.store.registry import ModelVersion, Registry
from pipelines.store.revision import git_revision
from pipelines.store.silver import Silver
from pipelines.store.tables import published_prediction
from pipelines.store.warehouse import Warehouse

_NAMES = ["match_id", "competition_id", "competition", "country", "season", "is_time_known",
          "home_team_id", "home_team", "away_team_id", "away_team"]  # fmt: skip


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            ["published", name],
            deps=[["forecast", "prediction"], ["gold", "fct_match"], ["gold", "dim_competition"]],
            description=text,
            kinds={"python", "postgres"},
            owners=["team:api"],
            freshness_policy=FRESHNESS,
            automation_condition=FOLLOWS,
        )
        for name, text in (
            ("publication", "One row per publication: what it rests on, what a reader must know."),
            ("prediction", "The forecasts of a publication with names, for the service."),
            ("competition", "The competitions of a publication, with how many matches are known and forecast."),
            ("match", "Every match with its result, once, whatever was published."),
            ("team", "Every club that a match is known of."),
            ("issued_prediction", "The ledger, for the service."),
            ("model", "The models that are and were served, and what was decided of each."),
        )
    ],
    name="publication",
    group_name="published",
)
@under_policy
def publication(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    registry: dg.ResourceParam[Registry],
    turn: dg.ResourceParam[None],
) -> Iterator[dg.MaterializeResult[None]]:
    """Publish the forecasts in force, or confirm the last publication where nothing changed."""
    through = require_accepted(warehouse)
    now = settings.now()
    champions = served_champions(settings, registry)
    with ThreadPoolExecutor(1) as beside:
        # PostgreSQL has nothing else to do while the markets are computed here.
        matches = beside.submit(read_model.refresh_matches, warehouse)
        content = _content(settings, warehouse, champions, now, through)
        n_matches = matches.result()
    n_issued = read_model.refresh_issued(warehouse)
    read_model.refresh_models(warehouse, champions.values())
    told_of = settings.edition if settings.kafka_bootstrap_servers else None
    done = publish(warehouse, content, now=now, data_cutoff=now, told_of=told_of)
    read_model.refresh_checks(warehouse, done.publication_id, _checks(context))
    # Else nobody knows any more what made the tables; of what is confirmed that was kept when it was first said.
    if done.is_new and Silver(warehouse.url).made_by() == (digest := project_digest()):
        read_model.keep_transformation(warehouse, done.publication_id, digest, models_behind(read_manifest()))
    if done.is_new:
        announce(settings.redis_url, settings.edition, done.publication_id)
    if content.note:
        context.log.warning(content.note)
    for name, n in (
        ("publication", 1),
        ("prediction", len(content.predictions)),
        ("competition", len(content.competitions)),
    ):
        yield dg.MaterializeResult(
            asset_key=["published", name],
            metadata={"dagster/row_count": n, "publication_id": done.publication_id, "is_new": done.is_new},
        )
    for name, n in (("match", n_matches), ("issued_prediction", n_issued)):
        yield dg.MaterializeResult(asset_key=["published", name], metadata={"n_changed": n})
    for name in ("team", "model"):
        yield dg.MaterializeResult(asset_key=["published", name])


def _checks(context: dg.AssetExecutionContext) -> list[read_model.CheckResult]:
    """What this run's checks said up to here; of one that was evaluated twice the last word."""
    found = {}
    for record in context.instance.get_records_for_run(
        context.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            said = event.asset_check_evaluation_data
            found[said.asset_check_key] = read_model.CheckResult(
                said.asset_key.to_user_string(),
                said.check_name,
                said.passed,
                said.severity is dg.AssetCheckSeverity.ERROR,
                said.description,
                datetime.fromtimestamp(record.timestamp, UTC),
            )
    return list(found.values())


def _content(
    settings: Settings, warehouse: Warehouse, champions: Mapping[str, ModelVersion], now: datetime, through: int
) -> Content:
    """What is to be published: the forecasts in force of the coming matches, and the competitions."""
    from pipelines.forecast.book import books, grids
    from pipelines.forecast.explain import explanations
    from pipelines.forecast.markets import expected_goals

    coming = gold.coming_rows(warehouse, after=now, before=now + HORIZON)
    in_force = ledger.in_force(warehouse, now, list(champions))
    forecasts = in_force.drop(columns="kickoff_at").merge(coming[[*_NAMES, "kickoff_at"]], on="match_id")
    forecasts["is_best_informed"] = _is_best_informed(forecasts)
    grid = grids(forecasts)
    forecasts["book"] = pd.Series(books(grid), index=forecasts.index, dtype=object)
    # The ledger has the goals that the grid was made with; once tilted it is the grid that all else is read off.
    forecasts[["expected_home_goals", "expected_away_goals"]] = expected_goals(grid)
    explained = ledger.explained(warehouse, list(forecasts["prediction_id"]))
    forecasts["explanation"] = forecasts["prediction_id"].map(explanations(explained))
    forecasts = forecasts.merge(explained[["prediction_id", "strength_deviation", "firmness"]], on="prediction_id")
    predictions = forecasts[[column.name for column in published_prediction.columns if column.name != "publication_id"]]
    competitions = gold.competitions(warehouse)
    counts = predictions[predictions["is_best_informed"]].groupby("competition_id").size()
    competitions["n_predictions"] = competitions["competition_id"].map(counts).fillna(0).astype("int64")
    return Content(
        predictions=predictions,
        competitions=competitions,
        is_simulated=settings.is_simulated,
        note=_note(settings, len(predictions)),
        manifest=file_versions.manifest(warehouse, through),
        git_revision=git_revision(),
    )


def _is_best_informed(forecasts: pd.DataFrame) -> "pd.Series[bool]":
    """Of each match the forecast of the set that may know most: what a reader gets who asks for none."""
    knows = forecasts["information_set"].map({name: k for k, name in enumerate(contract.FEATURES)})
    return knows == knows.groupby(forecasts["match_id"]).transform("max")


def _note(settings: Settings, n_predictions: int) -> str | None:
    parts = []
    if settings.is_simulated:
        parts.append("Simulated data: these clubs and matches do not exist.")
    if settings.data_cutoff is not None:
        parts.append(f"A rehearsal of {settings.data_cutoff:%Y-%m-%d %H:%M} UTC: later facts are hidden.")
    if n_predictions == 0:
        parts.append("No coming match is known: the sources list no fixtures, or none within ten days.")
    return " ".join(parts) or None
