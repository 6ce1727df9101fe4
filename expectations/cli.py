"""The commands this package adds to `football`.

Belongs here: showing what is expected. Does not belong here: running suites, which is the pipeline's work. Importing this
module must stay cheap: every command of `football` pays for it.
"""

import click
from rich.console import Console
from rich.table import Table


@click.group("expectations")
def expectations() -> None:
    """What is expected of the data."""


@expectations.command("list")
def list_suites() -> None:
    """Show the suites of data quality rules."""
    from expectations.suites import SUITES

    table = Table("suite", "judges", "rules", "columns")
    for suite in SUITES.values():
        table.add_row(suite.name, suite.describes, str(len(suite.rules)), ", ".join(suite.columns))
    Console().print(table)


commands: list[click.Command] = [expectations]
