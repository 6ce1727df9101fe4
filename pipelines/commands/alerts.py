"""The commands about what people are told."""

import click


@click.group(name="alerts")
def alerts_group() -> None:
    """What people were told of failures, recoveries and drift."""


@alerts_group.command(name="list")
@click.option("--limit", default=20, show_default=True, help="How many, the latest first.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_alerts(limit: int, as_json: bool) -> None:
    """Show what was noticed last, and how many channels have taken it."""
    import json

    from rich.table import Table

    from pipelines.commands.terminal import console
    from pipelines.settings import Settings
    from pipelines.store import notifications
    from pipelines.store.warehouse import Warehouse

    settings = Settings.read()
    found = notifications.recent(Warehouse(settings.reader_url), limit)
    if as_json:
        for each in found:
            moments = {"noticed_at": each.noticed_at.isoformat(), "last_noticed_at": each.last_noticed_at.isoformat()}
            click.echo(json.dumps(vars(each) | moments))
        return
    if not found:
        click.echo("Nothing has failed, and nothing has drifted.")
        return
    table = Table("noticed (UTC)", "times", "severity", "message", "told")
    for each in found:
        told = f"{each.n_delivered} of {len(settings.alert_urls)}" if settings.alert_urls else "no ALERT_URLS"
        table.add_row(f"{each.noticed_at:%Y-%m-%d %H:%M}", str(each.n_noticed), each.severity, f"{each.title}\n{each.body}", told)
    console().print(table)


@alerts_group.command()
def test() -> None:
    """Send every address of ALERT_URLS a word now. Exits with 1 if one does not take it."""
    from pipelines.channels import channels
    from pipelines.settings import Settings, SettingsError
    from pipelines.store.notifications import Message

    settings = Settings.read()
    try:
        reached = channels(settings.alert_urls)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    if not reached:
        raise click.ClickException("ALERT_URLS names no address. Set it (see .env.example) and run `football up`.")
    word = Message("info", f"A test ({settings.edition})", "Failures, recoveries and drift will be told here.")
    states = {channel.name: channel.send(word) for channel in reached}
    for name, is_taken in states.items():
        click.echo(f"{name}: {'taken' if is_taken else 'NOT taken'}")
    if not all(states.values()):
        raise click.exceptions.Exit(1)
