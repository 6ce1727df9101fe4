"""Commands about backups: take one, list them, prove that one can be restored."""

import json

import click

from pipelines.commands.launch import run_job


@click.command(name="backup")
def backup_command() -> None:
    """Copy the database server now, and prove that the copy is whole and that a server starts from it."""
    _refuse_if_not_ours()
    run_job("backup")


@click.command()
def restore_drill() -> None:
    """Start a server from the newest verified backup, compare what it holds with what was noted, and remove it."""
    from pipelines.settings import Settings
    from pipelines.store.backups import last_verified

    _refuse_if_not_ours()
    if last_verified(Settings.read().backups_dir) is None:
        raise click.ClickException("There is no verified backup yet: `football backup` takes one.")
    run_job("restore_drill")


@click.command(name="backups")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def backups_command(as_json: bool) -> None:
    """List the backups of the edition, the newest first."""
    from pipelines.settings import Settings
    from pipelines.store.backups import standing

    found = standing(Settings.read().backups_dir)
    if as_json:
        listed = [
            {
                "name": each.name,
                "folder": str(each.folder),
                "taken_at": each.taken_at.isoformat(),
                "verified_at": each.verified_at and each.verified_at.isoformat(),
                "restored_at": each.restored_at and each.restored_at.isoformat(),
                "n_bytes": each.n_bytes,
                "seconds": each.seconds,
                "publication_id": each.state.publication_id,
                "revision": each.state.revision,
                "n_rows": each.state.n_rows,
            }
            for each in found
        ]
        click.echo(json.dumps(listed, indent=1))
        return
    if not found:
        click.echo("There is no backup yet: `football backup` takes one.")
    for each in found:
        verified = f"verified {each.verified_at:%Y-%m-%d %H:%M}" if each.verified_at else "NOT verified"
        restored = f"restored {each.restored_at:%Y-%m-%d %H:%M}" if each.restored_at else "never restored"
        click.echo(f"{each.taken_at:%Y-%m-%d %H:%M} UTC  {each.n_bytes / 1e6:8.1f} MB  {verified}, {restored}  {each.folder}")


def _refuse_if_not_ours() -> None:
    from pipelines.defs.backups import NOT_OURS
    from pipelines.settings import Settings

    if not Settings.read().replication_url:
        raise click.ClickException(NOT_OURS)
