"""The command about registered models."""

import click

from pipelines.commands.terminal import console


@click.command()
@click.argument("action", type=click.Choice(["list", "rollback"]))
@click.argument("information_set", type=click.Choice(["results", "history", "market"]), required=False)
def models(action: str, information_set: str | None) -> None:
    """List the registered models, or give a set's alias `champion` back to the version before."""
    from rich.table import Table

    from pipelines.defs.champions import is_readable, made_by
    from pipelines.forecast.contract import FEATURES
    from pipelines.settings import Settings
    from pipelines.store.registry import Registry

    settings = Settings.read()
    registry = Registry(settings.mlflow_tracking_uri)
    if action == "rollback":
        if information_set is None:
            raise click.UsageError("say which information set: football models rollback results")
        try:
            model = registry.before_champion(settings.model_name(information_set))
        except LookupError as error:
            raise click.ClickException(str(error)) from error
        if not is_readable(model):
            raise click.ClickException(
                f"{model.name} version {model.version}, the champion before, cannot be read by this code, and nothing could be "
                f"served: it was made {made_by(model)}. The champion is what it was."
            )
        registry.restore(model)
        click.echo(f"{model.name} version {model.version} is champion again; `football refresh` publishes its forecasts")
        return
    table = Table("model", "version", "recipe", "promoted", "champion", title="Registered models")
    for name in map(settings.model_name, [information_set] if information_set else FEATURES):
        champion = registry.champion(name)
        for model in registry.versions(name):
            is_champion = champion is not None and champion.version == model.version
            told = (model.tags.get("recipe", ""), model.tags.get("promoted_at", ""), "yes" * is_champion)
            table.add_row(model.name, str(model.version), *told)
    console().print(table)
