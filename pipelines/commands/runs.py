"""Commands that do the platform's work now: each launches a job."""

import click

from pipelines.commands.fixtures import show_predictions
from pipelines.commands.launch import run_job


@click.command()
@click.option("--train/--no-train", default=None, help="Train a model. Default: only where there is none that can be read.")
def build(train: bool | None) -> None:
    """Run everything from raw files to publication, and show the coming fixtures."""
    from pipelines.defs.champions import sets_to_train
    from pipelines.settings import Settings
    from pipelines.store.registry import Registry
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    if train is None:
        wanted = sets_to_train(settings, Warehouse(settings.model_url), Registry(settings.mlflow_tracking_uri))
    else:
        wanted = ["results"] if train else []
    # A new installation has no more than the quick model of `results` at first; after an update any set may be concerned.
    run_job("day" if not wanted else "build" if wanted == ["results"] else "anew")
    show_predictions(limit=20)


@click.command()
@click.option(
    "--unopposed",
    multiple=True,
    type=click.Choice(["results", "history", "market"]),
    help="An information set whose new model need not meet the champion: where this code cannot read that, or you know better.",
)
def train(unopposed: tuple[str, ...]) -> None:
    """Train, compare with the champion on the same matches, promote if better, and publish."""
    run_job("week", {"ops": {"training": {"config": {"unopposed": list(unopposed)}}}} if unopposed else None)


@click.command()
def refresh() -> None:
    """Do the day's work now: fetch what changed, forecast, publish. No training."""
    run_job("day")


@click.command()
def docs() -> None:
    """Build the documentation site of the edition."""
    run_job("docs")


@click.command()
def prepare() -> None:
    """Parse the dbt project if it changed, so that the code location can load; have loops compiled, for the first run."""
    from pipelines.defs.manifest import ensure_manifest
    from pipelines.machine_code import make_beside

    make_beside()  # it goes on when this command has ended; a run that needs it earlier waits for it
    ensure_manifest()
