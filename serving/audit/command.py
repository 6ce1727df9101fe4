"""The command `football audit`.

Belongs here: arguments, and messages for a person. What is verified is in `chain`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from serving.settings import ClientSettings

if TYPE_CHECKING:
    from serving.audit.chain import Head, Verification


@click.group(name="audit")
def audit_group() -> None:
    """The record of everything that was changed through the service or its commands."""


@audit_group.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def verify(as_json: bool) -> None:
    """Show whether every row of the audit stands as it was written: none changed, added, moved or taken away since.

    Computes the links between the rows anew and compares their end with the one kept outside the database, in the edition's
    folder; where nothing is wrong, keeps the present end there. Exits with 1 if something is wrong.
    """
    from msgspec import to_builtins

    from serving.audit.chain import Head

    settings = ClientSettings.read()
    path = settings.audit_head
    kept = Head.read(path) if path else None
    found = _verified(settings.database_url, kept)
    if path and found.head and not found.faults:
        found.head.keep(path)
    if as_json:
        click.echo(json.dumps(to_builtins(found) | {"kept": to_builtins(kept)}))
    else:
        for fault in found.faults:
            click.echo(fault)
        if not found.faults:
            click.echo(f"{found.head.sequence if found.head else 0:,} rows of the audit stand as they were written.")
        if found.faults and kept:
            click.echo(f"If an earlier state of the database was restored on purpose, move {path} away.", err=True)
        if path is None:
            click.echo("STATE_DIR is not set: whether the end was cut off cannot be seen.", err=True)
        elif kept is None and found.head:
            click.echo(f"{path} was missing: whether the end was cut off before could not be seen.", err=True)
    if found.faults:
        raise click.exceptions.Exit(1)


def _verified(url: str, kept: Head | None) -> Verification:
    import asyncio

    from serving.audit.chain import verify
    from serving.store.audit import Audit
    from serving.store.database import Database, StoreUnavailable

    if not url:
        raise click.ClickException("API_DATABASE_URL is not set: it names the database in which the audit is.")

    async def run() -> Verification:
        database = Database(url, pool_size=1)
        try:
            return await verify(Audit(database).linked(), kept)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except StoreUnavailable as error:
        raise click.ClickException(f"{error} Is it running?") from None
