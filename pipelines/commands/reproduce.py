"""The command that makes a prediction again; `deploy` starts it in a scratch edition.

Belongs here: its report. What is done is `pipelines.reproduction`.
"""

import json
import os
from typing import TYPE_CHECKING

import click

from pipelines.commands.terminal import console

if TYPE_CHECKING:
    from pipelines.reproduction import Reproduction


@click.command()
@click.argument("prediction_id")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def reproduce(prediction_id: str, as_json: bool) -> None:
    """Rebuild a prediction of the edition at REPRODUCED_DATABASE_URL in this edition, which must be empty.

    Exits with 1 where anything is not as it was issued and published, or cannot be rebuilt.
    """
    from dataclasses import asdict

    from pipelines import reproduction
    from pipelines.commands.launch import run_job
    from pipelines.settings import Settings

    def run(cutoff: str) -> None:
        os.environ["DATA_CUTOFF"] = cutoff  # of this process's own settings, from here on
        run_job("rebuild", is_scratch=True, is_quiet=as_json)

    try:
        found = reproduction.reproduce(Settings.read(), prediction_id, run)
    except reproduction.NotReproducible as error:
        if as_json:
            click.echo(json.dumps({"prediction_id": prediction_id, "is_identical": False, "reason": str(error)}))
            raise click.exceptions.Exit(1) from error
        raise click.ClickException(str(error)) from error
    if as_json:
        lines = [asdict(line) | {"is_identical": line.is_identical} for line in found.lines]
        click.echo(json.dumps(asdict(found) | {"is_identical": found.is_identical, "lines": lines}))
    else:
        show_reproduction(found)
    if not found.is_identical:
        raise click.exceptions.Exit(1)


def show_reproduction(found: "Reproduction") -> None:
    """Print what was issued, published and rebuilt side by side, and the verdict."""
    from rich.table import Table

    table = Table(title=f"Prediction {found.prediction_id}, from {found.n_files} file versions")
    for column in ("", "issued", "published", "rebuilt", "identical"):
        table.add_column(column, overflow="fold")
    for line in found.lines:
        table.add_row(line.what, line.issued, line.published or "", line.rebuilt, "yes" if line.is_identical else "NO")
    terminal = console()
    terminal.print(table)
    for remark in found.remarks:
        terminal.print(f"[yellow]{remark}[/]", highlight=False)
    terminal.print(
        "Identical: these files and this model give the very prediction." if found.is_identical else "[red]NOT identical.[/]"
    )
