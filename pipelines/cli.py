"""The commands of the pipelines.

Belongs here: launching Dagster jobs on the instance and following them with progress, and looking at what they made.
Never a second path beside the assets. Heavy imports happen inside the commands: `football --help` must be quick.
"""

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import dagster as dg
    import pandas as pd


class RunFailed(click.ClickException):
    """A run ended without reaching its end; what was there before still stands."""


@click.command()
@click.option("--train/--no-train", default=None, help="Train a model. Default: only where there is none yet.")
def build(train: bool | None) -> None:
    """Run everything from raw files to publication, and show the coming fixtures."""
    from pipelines.settings import Settings
    from pipelines.store.gold import last_promoted
    from pipelines.store.warehouse import Warehouse

    if train is None:
        settings = Settings.read()
        train = last_promoted(Warehouse(settings.model_url), settings.model_name("results")) is None
    run_job("build" if train else "day")
    show_predictions(limit=20)


@click.command()
@click.option("--limit", default=20, show_default=True, help="How many fixtures to show.")
def predictions(limit: int) -> None:
    """Show the coming fixtures with their probabilities."""
    show_predictions(limit)


@click.command()
@click.argument("match")
@click.option("--set", "information_set", help="Whose forecast: results, history or market. Default: the best informed one.")
def explain(match: str, information_set: str | None) -> None:
    """Show why a coming MATCH is forecast as it is, and what changed since the forecast before.

    MATCH is the id of a match or of a prediction, or a part of a club's name; of several that fit, the first is explained.
    """
    from rich.console import Console

    from pipelines.explained import explanation_table
    from pipelines.settings import Settings
    from pipelines.store.publication import latest
    from pipelines.store.warehouse import Warehouse

    _, fixtures = latest(Warehouse(Settings.read().model_url), information_set)
    text = match.lower()
    is_named = fixtures["home_team"].str.lower().str.contains(text, regex=False)
    is_named |= fixtures["away_team"].str.lower().str.contains(text, regex=False)
    found = fixtures[is_named | (fixtures["prediction_id"] == match) | (fixtures["match_id"] == match)]
    if found.empty:
        raise click.ClickException(f"no coming fixture fits {match!r}; `football predictions` lists them")
    row = {str(name): value for name, value in found.iloc[0].items()}
    if not isinstance(row["explanation"], str):
        raise click.ClickException("it was forecast before there were explanations; the next forecast that differs has one")
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(explanation_table({**row, "explanation": json.loads(row["explanation"])}))
    if len(found) > 1:
        console.print(f"… and {len(found) - 1} more matches fit {match!r}")


@click.command()
def train() -> None:
    """Train, compare with the champion on the same matches, promote if better, and publish."""
    run_job("week")


@click.command()
@click.argument("action", type=click.Choice(["list", "rollback"]))
@click.argument("information_set", type=click.Choice(["results", "history", "market"]), required=False)
def models(action: str, information_set: str | None) -> None:
    """List the registered models, or give a set's alias `champion` back to the version before."""
    from rich.console import Console
    from rich.table import Table

    from pipelines.forecast.contract import FEATURES
    from pipelines.settings import Settings
    from pipelines.store.registry import Registry

    settings = Settings.read()
    registry = Registry(settings.mlflow_tracking_uri)
    if action == "rollback":
        if information_set is None:
            raise click.UsageError("say which information set: football models rollback results")
        try:
            model = registry.rollback(settings.model_name(information_set))
        except LookupError as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"{model.name} version {model.version} is champion again; `football refresh` publishes its forecasts")
        return
    table = Table("model", "version", "recipe", "promoted", "champion", title="Registered models")
    for name in map(settings.model_name, [information_set] if information_set else FEATURES):
        champion = registry.champion(name)
        for model in registry.versions(name):
            is_champion = champion is not None and champion.version == model.version
            told = (model.tags.get("recipe", ""), model.tags.get("promoted_at", ""), "yes" * is_champion)
            table.add_row(model.name, str(model.version), *told)
    Console().print(table)


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
    """Parse the dbt project if it changed, so that the code location can load."""
    from pipelines.defs.manifest import ensure_manifest

    ensure_manifest()


@click.command()
@click.option("--from", "first", envvar="FROM", default=2019, show_default=True, help="First season (start year).")
@click.option("--to", "last", envvar="TO", default=2023, show_default=True, help="Last season.")
@click.option("--recipe", envvar="SET", default="results", show_default=True, help="Which entry of MODELS.")
@click.option(
    "--out",
    envvar="OUT",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Also write every forecast to this CSV file.",
)
@click.option(
    "--at-most", envvar="AT_MOST", type=float, default=None, help="Fail if the main leagues' mean log loss is farther above."
)
def backtest(first: int, last: int, recipe: str, out: Path | None, at_most: float | None) -> None:
    """Forecast past seasons by models that saw only earlier ones, and compare with the closing odds.

    On the matches of the edition in service. FROM, TO, SET, OUT and AT_MOST in the environment stand for the options.
    """
    from rich.console import Console
    from rich.table import Table

    from pipelines.benchmark import write_evidence
    from pipelines.defs.training import matrix
    from pipelines.forecast.backtest import backtest as walk_forward
    from pipelines.forecast.backtest import summarise
    from pipelines.forecast.book import grids
    from pipelines.forecast.learners import Grown
    from pipelines.forecast.market_scores import market_scores
    from pipelines.forecast.models import MODELS
    from pipelines.settings import Settings
    from pipelines.store.gold import closing_odds
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    if recipe not in MODELS:
        raise click.ClickException(f"there is no recipe {recipe!r}; there are {', '.join(MODELS)}")
    warehouse = Warehouse(settings.model_url)
    matches, features, quotes = matrix(warehouse, [MODELS[recipe]], first)
    grown: Grown = {}
    seasons = []
    for season in range(first, last + 1):
        click.echo(f"  season {season} …", nl=False)
        seasons.append(walk_forward(matches, features, quotes, MODELS[recipe], [season], grown))
        click.echo(f" {len(seasons[-1]):,} matches")
    import pandas as pd

    forecasts = pd.concat(seasons)
    scores = summarise(forecasts)
    table = Table(title=f"{recipe}: log loss above the closing odds (power method), same matches")
    for column in ("", "matches", "log loss", "closing", "difference", "95 % interval", "RPS", "Brier"):
        table.add_column(column, justify="right" if column else "left")
    records = scores.reset_index().to_dict("records")
    for row in records:
        if math.isnan(row["difference"]):
            continue  # no closing odds, nothing to compare with
        numbers = (f"{row[name]:.4f}" for name in ("log_loss", "market_log_loss"))
        interval = f"{row['difference_low']:+.4f} … {row['difference_high']:+.4f}"
        table.add_row(
            row["name"],
            f"{row['n']:,.0f}",
            *numbers,
            f"{row['difference']:+.4f}",
            interval,
            f"{row['rps']:.4f}",
            f"{row['brier']:.4f}",
        )
    Console(width=None if sys.stdout.isatty() else 110).print(table)
    every_market = market_scores(grids(forecasts), forecasts.index, matches, closing_odds(warehouse))
    show_markets(every_market)
    figures = {
        "recipe": recipe,
        "seasons": [first, last],
        "scores": json.loads(scores.reset_index().to_json(orient="records")),
        "markets": json.loads(every_market.rename_axis("market").reset_index().to_json(orient="records")),
    }
    click.echo(f"figures: {write_evidence(settings, 'backtest', figures)}")
    if out:
        from pipelines.forecast.backtest import as_file

        as_file(forecasts, matches, MODELS[recipe]).to_csv(out, index=False)
        click.echo(f"forecasts: {out}")
    distance = next((row["difference"] for row in records if row["name"] == "main"), math.nan)
    if at_most is not None and not distance <= at_most:
        raise click.ClickException(f"missed: {distance:+.4f} above the closing odds, at most {at_most:+.4f} was allowed")


@click.command()
def bench() -> None:
    """Measure a first build and a day's refresh of this empty edition beside the floor."""
    import os
    import tempfile

    from pipelines.benchmark import N_CHANGED, change_files, measure_floor, measure_run, write_evidence
    from pipelines.settings import Settings
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    if not settings.football_data_url.startswith("file://"):
        raise click.ClickException("set FOOTBALL_DATA_URL=file://… to a mirror: a benchmark does not measure the network")
    click.echo("first build, one training included")
    build = measure_run("build", "--train", environment=os.environ, echo=click.echo)
    click.echo("floor")
    floor = measure_floor(settings, Warehouse(settings.model_url), click.echo)
    with tempfile.TemporaryDirectory() as folder:
        site = change_files(Path(settings.football_data_url.removeprefix("file://")), Path(folder) / "mirror")
        click.echo(f"a day's refresh, {N_CHANGED} changed files")
        refresh = measure_run("refresh", environment={**os.environ, "FOOTBALL_DATA_URL": site}, echo=click.echo)
    click.echo("the week's training: the default recipe from nothing, compared with what the first build trained")
    train = measure_run("train", environment=os.environ, echo=click.echo)
    ratio = build.seconds / sum(floor.values())
    figures = {
        "build_seconds": build.seconds, "build_stages": build.stages, "build_startup_seconds": build.startup_seconds,
        "build_peak_bytes": build.peak_bytes, "build_peaks": build.peaks, "floor": floor, "ratio": ratio,
        "refresh_seconds": refresh.seconds, "refresh_startup_seconds": refresh.startup_seconds, "refresh_stages": refresh.stages,
        "train_seconds": train.seconds, "train_stages": train.stages, "train_peak_bytes": train.peak_bytes,
    }  # fmt: skip
    evidence = write_evidence(settings, "bench-pipeline", figures)
    click.echo(
        f"build {build.seconds:.0f} s (start-up {build.startup_seconds:.0f} s) = {ratio:.1f} × the floor of "
        f"{sum(floor.values()):.0f} s; peak {build.peak_bytes / 2**30:.2f} GiB\n"
        f"refresh {refresh.seconds:.0f} s, of which start-up {refresh.startup_seconds:.0f} s\n"
        f"training of the default recipe {train.seconds:.0f} s = {train.seconds / sum(floor.values()):.1f} × the floor\n"
        f"{evidence}"
    )
    missed = [
        what
        for what, bad in (
            ("ratio ≤ 6", ratio > 6),
            ("peak ≤ 3 GB", build.peak_bytes > 3e9),
            ("refresh ≤ 20 s", refresh.seconds > 20),
        )
        if bad
    ]
    if missed:
        raise click.ClickException(f"missed: {', '.join(missed)}")


@click.command()
@click.argument("competition", required=False)
def outlook(competition: str | None) -> None:
    """Show how the seasons under way may end: of one COMPETITION (E0) all clubs, else each league's favourite.

    From ten thousand simulated ends of each season, made behind the last run.
    """
    from rich.console import Console
    from rich.table import Table

    from pipelines.settings import Settings
    from pipelines.store.gold import season_outlook
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    rows = season_outlook(Warehouse(settings.model_url))
    if competition is None:
        rows = rows.drop_duplicates("competition_id")
    else:
        rows = rows[rows["competition_id"].str.upper() == competition.upper()]
    if rows.empty:
        raise click.ClickException(
            "no such season was simulated; the reasons stand at the asset forecast/season_outlook in Dagster"
        )
    simulated = " · SIMULATED, not real matches" if settings.is_simulated else ""
    table = Table(title=f"How the seasons may end{simulated}")
    for column in ("competition", "club"):
        table.add_column(column)
    for column in ("points", "left", "at the end", "title", "top four", "relegated"):
        table.add_column(column, justify="right")
    for row in rows.to_dict("records"):
        table.add_row(
            *(row["competition"], row["team"], str(row["points"]), str(row["n_left"]), f"{row['expected_points']:.0f}"),
            *(f"{row[name]:.0%}" for name in ("p_title", "p_top_four", "p_relegated")),
        )
    Console(width=None if sys.stdout.isatty() else 110).print(table)


@click.group(name="ledger")
def ledger_group() -> None:
    """The record of everything that was forecast."""


@ledger_group.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def verify(as_json: bool) -> None:
    """Show whether every forecast stands as it was issued: none changed, added, moved or taken away since.

    Computes the links between the rows anew and compares their end with the one kept outside the database. Exits with 1 if
    something is wrong.
    """
    from dataclasses import asdict

    from pipelines.settings import Settings
    from pipelines.store import ledger
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    kept = ledger.Head.read(settings.ledger_head)
    found = ledger.verify(Warehouse(settings.model_url), kept)
    if as_json:
        click.echo(json.dumps(asdict(found) | {"kept": kept and asdict(kept)}))
    else:
        n = found.head.n_predictions if found.head else 0
        for fault in found.faults:
            click.echo(fault)
        if not found.faults:
            click.echo(f"{n:,} predictions stand as they were issued.")
        if kept is None and n:
            click.echo(f"{settings.ledger_head} is missing: whether the end was cut off cannot be seen.", err=True)
    if found.faults:
        raise click.exceptions.Exit(1)


commands: list[click.Command] = [predictions, explain, outlook, train, refresh, models, backtest, ledger_group, docs]
internal_commands: list[click.Command] = [build, prepare, bench]


def run_job(name: str) -> None:
    """Execute a job in this process, on the instance, with its progress on standard output.

    Raises:
        RunFailed: a step failed; the message names the first one and its cause.
    """
    import logging

    from expectations.worker import prepare
    from pipelines.progress import chatter_in
    from pipelines.settings import Settings

    with chatter_in(Settings.read().state_dir / "logs" / "run.log"):
        if name not in ("docs", "outlook"):
            prepare()
        import dagster as dg

        from pipelines.defs.manifest import ensure_manifest

        ensure_manifest()
        for talkative in ("alembic", "mlflow"):
            logging.getLogger(talkative).setLevel(logging.WARNING)
        with dg.DagsterInstance.get() as instance:
            # One pooled connection for the run's events: by default Dagster opens several anew for each of the hundreds.
            instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=10)
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
            failure = event.step_failure_data
            error = failure.error
            while error is not None and error.cause is not None:
                error = error.cause
            # What an asset says of its own failure is meant for people; else the innermost cause is the most telling.
            said = (
                failure.user_failure_data.description if failure.user_failure_data else error.message.strip() if error else None
            )
            said = said or "no message"
            return f"{(event.step_key or '').replace('__', '.')} failed: {said}\nWhat was published before still stands."
    return "the run ended early; see the Dagster UI for its log"


def show_markets(scores: "pd.DataFrame") -> None:
    """Print how far each market's probabilities are from a constant and, where it is quoted, from the closing price."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="every market, from one grid: log loss beside a constant's and the closing price's")
    for column in ("", "matches", "log loss", "constant", "quoted", "above closing", "95 % interval"):
        table.add_column(column, justify="right" if column else "left")
    for name, row in scores.iterrows():
        compared = ("", "", "")
        if row["n_quoted"] > 0:
            interval = f"{row['difference_low']:+.4f} … {row['difference_high']:+.4f}"
            compared = (f"{row['n_quoted']:,.0f}", f"{row['difference']:+.4f}", interval)
        table.add_row(
            str(name).replace("_", " "), f"{row['n']:,.0f}", f"{row['log_loss']:.4f}", f"{row['base_log_loss']:.4f}", *compared
        )
    Console(width=None if sys.stdout.isatty() else 110).print(table)


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
        caption=f"publication {publication.publication_id}, {publication.n_predictions} forecasts; "
        f"shown: the best informed of each match ({', '.join(fixtures['information_set'].unique())})",
    )
    for column in ("kick-off (UTC)", "competition", "home", "away"):
        table.add_column(column)
    for column in ("home", "draw", "away", "goals"):
        table.add_column(column, justify="right")
    for row in fixtures.head(limit).to_dict("records"):
        table.add_row(
            f"{row['kickoff_at']:%a %d %b %H:%M}" if row["is_time_known"] else f"{row['kickoff_at']:%a %d %b}",
            *(row[name] for name in ("competition", "home_team", "away_team")),
            *(f"{row[name]:.0%}" for name in ("p_home", "p_draw", "p_away")),
            f"{row['expected_home_goals']:.1f}–{row['expected_away_goals']:.1f}",
        )
    if publication.n_predictions:
        console.print(table)
        if len(fixtures) > limit:
            console.print(f"… and {len(fixtures) - limit} more")
    if publication.note:
        console.print(f"[yellow]{publication.note}[/]")
