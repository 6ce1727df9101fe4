"""The command that forecasts past matches of national teams, and shows how good that was."""

import click

from pipelines.commands.terminal import console


@click.command()
@click.option("--from", "first", default=2010, show_default=True, help="First calendar year.")
@click.option("--to", "last", default=2023, show_default=True, help="Last year.")
def national(first: int, last: int) -> None:
    """Forecast past matches of national teams by models that saw only earlier years, beside plain frequencies.

    On the matches of the edition, where SOURCES names `international`. Nothing of it is published.
    """
    from rich.table import Table

    from pipelines.evidence import write_evidence
    from pipelines.forecast.national import backtest, summarise
    from pipelines.settings import Settings
    from pipelines.store.gold import national_matches
    from pipelines.store.silver import Silver
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    Silver(settings.model_url).require_whole()
    matches = national_matches(Warehouse(settings.model_url))
    if matches.empty:
        raise click.ClickException("there are no matches of national teams here: load them, SOURCES=football_data,international")
    try:
        scores = summarise(backtest(matches, range(first, last + 1)))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    table = Table(title=f"national teams, {first} to {last}, each year by earlier ones")
    columns = ("", "matches", "log loss", "frequencies", "difference", "95 % interval", "RPS", "error")
    for column in columns:
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for name, row in scores.iterrows():
        table.add_row(
            *(
                str(name),
                f"{row['n']:,.0f}",
                f"{row['log_loss']:.4f}",
                f"{row['base_log_loss']:.4f}",
                f"{row['difference']:+.4f}",
            ),
            f"{row['difference_low']:+.4f}…{row['difference_high']:+.4f}",
            *(f"{row[each]:.4f}" for each in ("rps", "ece")),
        )
    console().print(table)
    figures = {"years": [first, last], "n_matches": len(matches), "scores": scores.to_dict("index")}
    click.echo(f"figures: {write_evidence(settings.evidence_dir, 'national', figures)}")
