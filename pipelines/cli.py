"""The commands of the pipelines.

Belongs here: launching Dagster jobs on the instance and following them with progress, and looking at what they made.
Never a second path beside the assets. Heavy imports happen inside the commands: `football --help` must be quick.
"""

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import dagster as dg


class RunFailed(click.ClickException):
    """A run ended without reaching its end; what was there before still stands."""


@click.command()
@click.option("--train/--no-train", default=None, help="Train a model. Default: only where there is none yet.")
def build(train: bool | None) -> None:
    """Run everything from raw files to publication, and show the coming fixtures."""
    from pipelines.settings import Settings
    from pipelines.store.gold import has_champion
    from pipelines.store.warehouse import Warehouse

    if train is None:
        train = not has_champion(Warehouse(Settings.read().model_url))
    run_job("build" if train else "day")
    show_predictions(limit=20)


@click.command()
@click.option("--limit", default=20, show_default=True, help="How many fixtures to show.")
def predictions(limit: int) -> None:
    """Show the coming fixtures with their probabilities."""
    show_predictions(limit)


@click.command()
def train() -> None:
    """Train, compare with the champion on the same matches, promote if better, and publish."""
    run_job("week")


@click.command()
@click.argument("action", type=click.Choice(["list", "rollback"]))
def models(action: str) -> None:
    """List the registered models, or give the alias `champion` back to the version before."""
    from rich.console import Console
    from rich.table import Table

    from pipelines.settings import Settings
    from pipelines.store.registry import MODEL_NAME, Registry

    registry = Registry(Settings.read().mlflow_tracking_uri)
    if action == "rollback":
        try:
            model = registry.rollback(MODEL_NAME)
        except LookupError as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"{model.name} version {model.version} is champion again; `football refresh` publishes its forecasts")
        return
    champion = registry.champion(MODEL_NAME)
    table = Table("model", "version", "recipe", "promoted", "champion", title="Registered models")
    for model in registry.versions(MODEL_NAME):
        is_champion = champion is not None and champion.version == model.version
        table.add_row(
            model.name, str(model.version), model.tags.get("recipe", ""), model.tags.get("promoted_at", ""), "yes" * is_champion
        )
    Console().print(table)


@click.command()
def refresh() -> None:
    """Do the day's work now: fetch what changed, forecast, publish. No training."""
    run_job("day")


@click.command()
def prepare() -> None:
    """Parse the dbt project if it changed, so that the code location can load."""
    from pipelines.defs.manifest import ensure_manifest

    ensure_manifest()


commands: list[click.Command] = [predictions, train, refresh, models]
internal_commands: list[click.Command] = [build, prepare]


def run_job(name: str) -> None:
    """Execute a job in this process, on the instance, with its progress on standard output.

    Raises:
        RunFailed: a step failed; the message names the first one and its cause.
    """
    import logging

    import dagster as dg

    from pipelines.defs.manifest import ensure_manifest

    ensure_manifest()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with dg.DagsterInstance.get() as instance:
        result = dg.execute_job(
            dg.build_reconstructable_job("pipelines.cli", "job_named", (name,)),
            instance=instance,
            run_config={"loggers": {"terminal": {}}},
            raise_on_error=False,
        )
        if not result.success:
            raise RunFailed(_why(result))


def job_named(name: str) -> "dg.JobDefinition":
    """A job of the code location, for Dagster to find again."""
    from pipelines.definitions import defs

    return defs().resolve_job_def(name)


def _why(result: "dg.JobExecutionResult") -> str:
    """The first failure as a sentence: the step, and the innermost cause."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            said = error.message.strip() if error is not None else "no message"
            return f"{(event.step_key or '').replace('__', '.')} failed: {said}\nWhat was published before still stands."
    return "the run ended early; see the Dagster UI for its log"


def show_predictions(limit: int) -> None:
    """Print the publication in force as a table: its coming fixtures, and what a reader must know."""
    from rich.console import Console
    from rich.table import Table

    from pipelines.settings import Settings
    from pipelines.store.publication import latest
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    publication, fixtures = latest(Warehouse(settings.model_url))
    console = Console(width=None if sys.stdout.isatty() else 110)
    if publication is None:
        console.print("Nothing was published yet.")
        return
    simulated = " · SIMULATED, not real matches" if publication.is_simulated else ""
    table = Table(
        title=f"Coming fixtures{simulated}",
        caption=f"publication {publication.publication_id}, {publication.n_predictions} forecasts",
    )
    for column in ("kick-off (UTC)", "competition", "home", "away"):
        table.add_column(column)
    for column in ("home", "draw", "away", "goals"):
        table.add_column(column, justify="right")
    for row in fixtures.head(limit).itertuples():
        kickoff: datetime = row.kickoff_at
        table.add_row(
            f"{kickoff:%a %d %b %H:%M}" if row.is_time_known else f"{kickoff:%a %d %b}",
            str(row.competition),
            str(row.home_team),
            str(row.away_team),
            f"{row.p_home:.0%}",
            f"{row.p_draw:.0%}",
            f"{row.p_away:.0%}",
            f"{row.expected_home_goals:.1f}–{row.expected_away_goals:.1f}",
        )
    if publication.n_predictions:
        console.print(table)
        if publication.n_predictions > limit:
            console.print(f"… and {publication.n_predictions - limit} more")
    if publication.note:
        console.print(f"[yellow]{publication.note}[/]")
