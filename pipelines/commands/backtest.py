"""The command that forecasts past seasons, and shows how good that was.

Belongs here: launching the job `backtest` and printing what it kept. Nothing is computed here.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.launch import run_job
from pipelines.commands.terminal import console

if TYPE_CHECKING:
    from rich.table import Table

Row = Mapping[str, Any]


@click.command()
@click.option("--from", "first", default=2019, show_default=True, help="First season (start year).")
@click.option("--to", "last", default=2023, show_default=True, help="Last season.")
@click.option("--set", "recipe", default="results", show_default=True, help="Which entry of MODELS.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write every forecast to this CSV file.")
@click.option("--at-most", type=float, help="Fail if the main leagues' mean log loss is farther above closing.")
@click.option("--leagues", is_flag=True, help="Show every month of the season and every league, too.")
@click.option("--data", is_flag=True, help="Fetch and shape the data first. Without any that is done anyway.")
def backtest(first: int, last: int, recipe: str, out: Path | None, at_most: float | None, leagues: bool, data: bool) -> None:
    """Forecast past seasons by models that saw only earlier ones, and compare with the closing odds."""
    from pipelines.forecast.models import MODELS
    from pipelines.settings import Settings
    from pipelines.store.silver import HalfMade, Silver

    settings = Settings.read()
    if recipe not in MODELS:
        raise click.ClickException(f"there is no recipe {recipe!r}; there are {', '.join(MODELS)}")
    try:
        Silver(settings.model_url).require_whole()
    except HalfMade:
        data = True
    if data:
        run_job("data")
    walk = {"recipe": recipe, "first": first, "last": last, "out": str(out.absolute()) if out else ""}
    run_job("backtest", {"resources": {"walk": {"config": walk}}})
    evidence = settings.evidence_dir / f"backtest-{recipe}.json"
    figures = json.loads(evidence.read_text(encoding="utf-8"))
    show(figures, with_leagues=leagues)
    click.echo(used(figures))
    click.echo(f"figures and plots: {evidence.with_suffix('')}*")
    if out:
        click.echo(f"forecasts: {out}")
    distance = next((row["difference"] for row in figures["scores"] if row["name"] == "main"), None)
    if at_most is not None and not (distance is not None and distance <= at_most):
        said = "the distance is not known" if distance is None else f"{distance:+.4f} above the closing odds"
        raise click.ClickException(f"missed: {said}, at most {at_most:+.4f} was allowed")


def used(figures: Mapping[str, Any]) -> str:
    """From what the forecasts were made, in one line."""
    of = figures["used"]
    kind = "simulated matches, not real ones" if of["is_simulated"] else "real matches"
    return (
        f"used: edition {of['edition']} ({kind}), {of['n_matches']:,} played in {of['n_competitions']} competitions, "
        f"seasons {of['seasons'][0]} to {of['seasons'][1]}, known until {of['latest_known_at'][:10]}; "
        f"{figures['n_forecasts']:,} forecast by the recipe {figures['recipe']}"
    )


def show(figures: Mapping[str, Any], *, with_leagues: bool) -> None:
    """Print how far the forecasts are from the closing price, how calibrated they are, and every market."""
    groups = ["all", "leagues", "season", "occasion", *(["month_of_season", "competition_id"] if with_leagues else [])]
    scores = [row for group in groups for row in figures["scores"] if row["group"] == group]
    terminal = console()
    terminal.print(
        _table(
            f"{figures['recipe']}: log loss above the closing odds (power method), same matches",
            {
                "matches": lambda row: f"{row['n']:,.0f}",
                "log loss": lambda row: _number(row["log_loss"]),
                "closing": lambda row: _number(row["market_log_loss"]),
                "difference": lambda row: _number(row["difference"], "+.4f"),
                "95 % interval": _interval,
                "RPS": lambda row: _number(row["rps"]),
                "Brier": lambda row: _number(row["brier"]),
                "accuracy": lambda row: _number(row["accuracy"], ".1%"),
            },
            ((_name(row), row) for row in scores),
        )
    )
    terminal.print(
        _table(
            "calibration: expected error, slope and intercept of each outcome; sharpness",
            {
                "error": lambda row: _number(row["ece"]),
                **{outcome: lambda row, outcome=outcome: _line(row, outcome) for outcome in ("home", "draw", "away")},  # type: ignore[misc]
                "sharpness": lambda row: _number(row["sharpness"]),
                "closing": lambda row: _number(row["market_sharpness"]),
            },
            ((_name(row), row) for row in scores if row["group"] in ("all", "leagues", "season", "occasion")),
        )
    )
    terminal.print(
        _table(
            "every market, from one grid: log loss beside a constant's and the closing price's",
            {
                "matches": lambda row: f"{row['n']:,.0f}",
                "log loss": lambda row: _number(row["log_loss"]),
                "constant": lambda row: _number(row["base_log_loss"]),
                "quoted": lambda row: f"{row['n_quoted']:,.0f}" if row["n_quoted"] else "",
                "above closing": lambda row: _number(row["difference"], "+.4f"),
                "95 % interval": _interval,
            },
            ((row["market"].replace("_", " "), row) for row in figures["markets"]),
        )
    )


def _table(title: str, columns: Mapping[str, Callable[[Row], str]], rows: Iterable[tuple[str, Row]]) -> "Table":
    from rich.table import Table

    table = Table("", title=title)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in rows:
        table.add_row(name, *(tell(row) for tell in columns.values()))
    return table


def _name(row: Row) -> str:
    match row["group"]:
        case "leagues":
            return f"{row['name']} leagues"
        case "month_of_season":
            return f"month {row['name']}"
        case _:
            return str(row["name"])


def _number(value: float | None, how: str = ".4f") -> str:
    """What is not known is left blank."""
    return "" if value is None or math.isnan(value) else format(value, how)


def _interval(row: Row) -> str:
    return "" if row["difference"] is None else f"{row['difference_low']:+.4f}…{row['difference_high']:+.4f}"


def _line(row: Row, outcome: str) -> str:
    slope, intercept = row[f"slope_{outcome}"], row[f"intercept_{outcome}"]
    return "" if slope is None or intercept is None else f"{slope:.2f} {intercept:+.2f}"
