"""Commands that show what is forecast, and why: of the coming fixtures, and of the ends of seasons.

They ask as the role that may read and no more: somebody waits for them, and its statements are judged (`deploy.database_report`).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands.terminal import console

if TYPE_CHECKING:
    from pipelines.store.warehouse import Warehouse


@click.command()
@click.option("--limit", default=20, show_default=True, help="How many fixtures to show.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write every forecast of every information set to this CSV file, in the form of a backtest's.",
)
def predictions(limit: int, out: Path | None) -> None:
    """Show the coming fixtures with their probabilities."""
    from pipelines.settings import Settings
    from pipelines.store.warehouse import Warehouse

    show_predictions(limit)
    if out:
        click.echo(f"{_write_predictions(Warehouse(Settings.read().reader_url), out):,} forecasts: {out}")


def _write_predictions(warehouse: "Warehouse", out: Path) -> int:
    """Write the publication in force, one information set below the other; how many forecasts that are."""
    import pandas as pd

    from pipelines.forecast.backtest import as_file
    from pipelines.forecast.contract import FEATURES
    from pipelines.store.gold import spelling
    from pipelines.store.publication import latest

    parts = []
    for information_set in FEATURES:
        said = latest(warehouse, information_set)[1].set_index("match_id")
        for model, forecasts in said.groupby("model_name"):
            parts.append(as_file(forecasts, spelling(warehouse, forecasts.index), information_set, str(model)))
    written = pd.concat(parts) if parts else pd.DataFrame()
    written.to_csv(out, index=False)
    return len(written)


def show_predictions(limit: int) -> None:
    """Print the publication in force as a table: its coming fixtures, and what a reader must know."""
    from rich.table import Table

    from pipelines.settings import Settings
    from pipelines.store.publication import latest
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    publication, fixtures = latest(Warehouse(settings.reader_url))
    terminal = console()
    if publication is None:
        terminal.print("Nothing was published yet.")
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
        terminal.print(table)
        if len(fixtures) > limit:
            terminal.print(f"… and {len(fixtures) - limit} more")
    if publication.note:
        terminal.print(f"[yellow]{publication.note}[/]")


@click.command()
@click.argument("match")
@click.option("--set", "information_set", help="Whose forecast: results, history or market. Default: the best informed one.")
def explain(match: str, information_set: str | None) -> None:
    """Show why a coming MATCH is forecast as it is, and what changed since the forecast before.

    MATCH is the id of a match or of a prediction, or a part of a club's name; of several that fit, the first is explained.
    """
    from pipelines.commands.explained import explanation_table
    from pipelines.settings import Settings
    from pipelines.store.publication import latest
    from pipelines.store.warehouse import Warehouse

    _, fixtures = latest(Warehouse(Settings.read().reader_url), information_set)
    text = match.lower()
    is_named = fixtures["home_team"].str.lower().str.contains(text, regex=False)
    is_named |= fixtures["away_team"].str.lower().str.contains(text, regex=False)
    found = fixtures[is_named | (fixtures["prediction_id"] == match) | (fixtures["match_id"] == match)]
    if found.empty:
        raise click.ClickException(f"no coming fixture fits {match!r}; `football predictions` lists them")
    row = {str(name): value for name, value in found.iloc[0].items()}
    if not isinstance(row["explanation"], str):
        raise click.ClickException("it was forecast before there were explanations; the next forecast that differs has one")
    terminal = console()
    terminal.print(explanation_table({**row, "explanation": json.loads(row["explanation"])}))
    if len(found) > 1:
        terminal.print(f"… and {len(found) - 1} more matches fit {match!r}")


@click.command()
@click.argument("competition", required=False)
def outlook(competition: str | None) -> None:
    """Show how the seasons under way may end: of one COMPETITION (E0) all clubs, else each league's favourite.

    From ten thousand simulated ends of each season, made behind the last run.
    """
    from rich.table import Table

    from pipelines.settings import Settings
    from pipelines.store.gold import season_outlook
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    rows = season_outlook(Warehouse(settings.reader_url))
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
    console().print(table)
