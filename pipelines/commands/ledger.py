"""Commands about the record of everything that was forecast."""

import json

import click


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
        if kept is None and n:
            click.echo(f"{settings.ledger_head} is missing: whether the end was cut off cannot be seen.")
        elif not found.faults:
            click.echo(f"{n:,} predictions stand as they were issued.")
    if found.faults or (kept is None and found.head):
        raise click.exceptions.Exit(1)


@ledger_group.command()
def adopt() -> None:
    """Note the end that the ledger has now, whatever was noted before: after an earlier state was restored on purpose.

    What was cut off is not missed from then on. Refused where the links between its rows do not hold.
    """
    from pipelines.settings import Settings
    from pipelines.store import ledger
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    found = ledger.verify(Warehouse(settings.model_url))
    if found.faults:
        raise click.ClickException("nothing is noted, for the ledger itself does not hold: `football ledger verify` says where")
    if found.head is None:
        raise click.ClickException("the ledger is empty: nothing has to be noted")
    before = ledger.Head.read(settings.ledger_head)
    found.head.keep(settings.ledger_head)
    was = f"{before.n_predictions:,}" if before else "nothing"
    click.echo(f"noted: {found.head.n_predictions:,} predictions, number {found.head.sequence}; noted before: {was}")
