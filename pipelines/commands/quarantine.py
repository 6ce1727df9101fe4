"""Commands about lines that were set aside: which, why, and taking them up again after a parser was mended."""

import json

import click

_source = click.option("--source", help="Of this source alone: such as football_data or inbox.")
_file = click.option("--file", "key", help="Of this file alone, as the list shows it: mmz4281/2324/E0.csv.")
_reason = click.option("--reason", help="With this reason alone: bad_date, broken_off …")
_json = click.option("--json", "as_json", is_flag=True, help="For scripts.")


@click.group(name="quarantine")
def quarantine_group() -> None:
    """Lines of files that cannot be a match, each with its reason."""


@quarantine_group.command(name="list")
@_source
@_file
@_reason
@_json
def list_entries(source: str | None, key: str | None, reason: str | None, as_json: bool) -> None:
    """Show what is set aside by source, file and reason, with counts over all versions of each file."""
    from rich.table import Table

    from pipelines.commands.terminal import console
    from pipelines.settings import Settings
    from pipelines.store import quarantine
    from pipelines.store.warehouse import Warehouse

    found = quarantine.listing(Warehouse(Settings.read().reader_url), quarantine.Which(source, key, reason))
    if as_json:
        click.echo(found.to_json(orient="records"))
        return
    if found.empty:
        click.echo("Nothing is set aside.")
        return
    table = Table(title="Set aside")
    for name in ("source", "file", "reason"):
        table.add_column(name, overflow="fold")
    for name in ("lines", "versions", "entry"):
        table.add_column(name, justify="right")
    for row in found.to_dict("records"):
        table.add_row(*(str(row[name]) for name in ("source", "key", "reason", "n_lines", "n_versions", "entry")))
    console().print(table)
    click.echo("football quarantine show <entry> shows one; football quarantine replay takes them up again.")


@quarantine_group.command()
@click.argument("entry", type=int)
@_json
def show(entry: int, as_json: bool) -> None:
    """Show one ENTRY: the line as it came, why it was set aside, and where it stands."""
    from dataclasses import asdict

    from pipelines.settings import Settings
    from pipelines.store import quarantine
    from pipelines.store.warehouse import Warehouse

    found = quarantine.entry(Warehouse(Settings.read().reader_url), entry)
    if found is None:
        raise click.ClickException(f"there is no entry {entry}; `football quarantine list` names one for each file and reason")
    if as_json:
        click.echo(json.dumps(asdict(found) | {"fetched_at": found.fetched_at.isoformat()}))
        return
    where = f"line {found.line_number}" if found.line_number is not None else f"{found.n_lines} lines"
    click.echo(f"{found.source}/{found.key}, version {found.version} of {found.fetched_at:%Y-%m-%d %H:%M} UTC, {where}")
    click.echo(f"{found.reason}: {found.explanation}")
    click.echo(f"bytes: {found.sha256}")
    click.echo("" if found.content is None else found.content)


@quarantine_group.command()
@_source
@_file
@_reason
@_json
def replay(source: str | None, key: str | None, reason: str | None, as_json: bool) -> None:
    """Take what is set aside up again with the present parser: all of it, or what the options name.

    What is a match by now becomes a row of the version that brought it, known since that was fetched. Running it twice changes
    nothing more. `football refresh` then carries the rows on.
    """
    from dataclasses import asdict
    from datetime import UTC, datetime, timedelta
    from functools import partial

    from pipelines.settings import Settings
    from pipelines.sources.registry import parse
    from pipelines.store import quarantine
    from pipelines.store.landing import open_landing
    from pipelines.store.turn import alone
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    landing = open_landing(settings.landing, settings.s3_endpoint_url)
    which = quarantine.Which(source, key, reason)
    with alone(settings.model_url, timedelta(minutes=60), lambda: click.echo("waiting for another run to end", err=True)):
        changed = quarantine.replay(Warehouse(settings.ingest_url), landing, partial(parse, settings), which, datetime.now(UTC))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in changed]))
        return
    for each in changed:
        click.echo(
            f"{each.source}/{each.key} version {each.version}: {each.n_added} lines are matches now, "
            f"{each.n_withdrawn} earlier states ended, {each.n_left} lines stay set aside"
        )
    click.echo("`football refresh` carries them on." if changed else "Nothing has changed: what is set aside stays so.")
