"""The commands about streams."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from pipelines.streams.intake import Standing


@click.group(name="streams")
def streams_group() -> None:
    """What waits in the topic between daily files, and in the outbox (KAFKA_BOOTSTRAP_SERVERS)."""


@streams_group.command()
def status() -> None:
    """Show how far each partition was read, what waits, and what of the outbox does. Exits with 1 if messages were lost."""
    from rich.table import Table

    from pipelines.commands.terminal import console
    from pipelines.settings import Settings
    from pipelines.store import outbox
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    if not settings.kafka_bootstrap_servers:
        click.echo("KAFKA_BOOTSTRAP_SERVERS names no broker: there is no stream.")
        return
    found = _standings(settings)
    table = Table("partition", "read up to", "waiting", "lost", title=settings.kafka_topic)
    for each in found:
        read = "" if each.next_offset is None else str(each.next_offset)
        lost = "the topic was made anew" if each.is_made_anew else str(each.n_lost)
        table.add_row(str(each.partition), read, str(each.n_waiting), lost)
    console().print(table)
    click.echo(f"{outbox.n_waiting(Warehouse(settings.reader_url))} messages to {settings.kafka_publication_topic} wait.")
    if any(each.n_lost or each.is_made_anew for each in found):
        raise click.exceptions.Exit(1)


@streams_group.command(name="accept-loss")
@click.argument("partition", type=int)
def accept_loss(partition: int) -> None:
    """Go on with the first message that a partition still has. What was dropped before it was read stays lost."""
    from datetime import UTC, datetime

    from pipelines.settings import Settings
    from pipelines.store import stream_positions
    from pipelines.store.stream_positions import Overtaken, Span
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    if not settings.kafka_bootstrap_servers:
        raise click.ClickException("KAFKA_BOOTSTRAP_SERVERS names no broker. Set it (see .env.example) and run `football up`.")
    standing = next((each for each in _standings(settings) if each.partition == partition), None)
    if standing is None or not standing.n_lost:
        raise click.ClickException(
            f"Nothing of {settings.kafka_topic}/{partition} was lost. Of a topic that was made anew, KAFKA_TOPIC has to name "
            "another: offsets that count from 0 again cannot be told from those that were read."
        )
    span = Span(settings.kafka_topic, partition, standing.next_offset, standing.low)
    try:
        with Warehouse(settings.ingest_url).connect() as connection, connection.cursor() as cursor:
            stream_positions.move(cursor, span, datetime.now(UTC))
    except Overtaken as error:
        raise click.ClickException(f"{error}; nothing was changed.") from error
    click.echo(f"{standing.n_lost} messages are given up; {settings.kafka_topic}/{partition} goes on at {standing.low}.")


def _standings(settings: "Settings") -> "list[Standing]":
    from pipelines.store.warehouse import Warehouse
    from pipelines.streams.connection import StreamError
    from pipelines.streams.intake import standings

    try:
        return standings(settings, Warehouse(settings.reader_url))
    except StreamError as error:
        raise click.ClickException(str(error)) from error
