"""The command that puts a backtest beside what others forecast of the same matches."""

from pathlib import Path

import click

from pipelines.commands.terminal import console

FIVETHIRTYEIGHT = {
    "date": "date",
    "league": "league",
    "team1": "home",
    "team2": "away",
    "prob1": "p_home",
    "probtie": "p_draw",
    "prob2": "p_away",
    "score1": "home_goals",
    "score2": "away_goals",
}
"""Columns of FiveThirtyEight's club soccer predictions (`spi_matches.csv`), and what they are here."""


@click.command()
@click.argument("forecasts", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("peer", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def compare(forecasts: Path, peer: tuple[Path, ...]) -> None:
    """Score FORECASTS (a backtest's OUT) and a PEER's on the same matches.

    PEER are files in the format of FiveThirtyEight's club soccer predictions; of a match in several the first counts. Clubs are
    recognised by their calendars, so that no spelling has to agree. Knock-out matches, which have no draw, are left out.
    """
    import pandas as pd
    from rich.table import Table

    from pipelines.evidence import write_evidence
    from pipelines.forecast.peers import PEER_COLUMNS, same_matches
    from pipelines.forecast.peers import compare as scored
    from pipelines.settings import Settings

    try:
        theirs = pd.concat([pd.read_csv(path, usecols=list(FIVETHIRTYEIGHT)) for path in peer]).rename(columns=FIVETHIRTYEIGHT)
        ours = pd.read_csv(forecasts)
    except ValueError as error:
        raise click.ClickException(f"one of the files is not in the expected form: {error}") from error
    theirs = theirs.drop_duplicates(["date", "league", "home", "away"])
    both = same_matches(ours, theirs.loc[theirs["p_draw"] > 0.0, list(PEER_COLUMNS)])
    if both.empty:
        raise click.ClickException("no match is in both: are they of the same seasons?")
    table = Table(title="the same matches, log loss and RPS")
    for column in ("", "matches", "ours", "peer's", "difference", "95 % interval", "RPS ours", "RPS peer's"):
        table.add_column(column, justify="right" if column else "left")
    groups = {"all": both, **{str(name): part for name, part in both.groupby("source_division")}}
    figures = {name: scored(part) for name, part in groups.items()}
    for name, row in figures.items():
        table.add_row(
            *(name, f"{row['n']:,.0f}", f"{row['log_loss']:.4f}", f"{row['peer_log_loss']:.4f}", f"{row['difference']:+.4f}"),
            f"{row['difference_low']:+.4f} … {row['difference_high']:+.4f}",
            *(f"{row[each]:.4f}" for each in ("rps", "peer_rps")),
        )
    console().print(table)
    click.echo(f"figures: {write_evidence(Settings.read().evidence_dir, 'compare', figures)}")
