"""What the commands at the terminal share: the installation they are about, and how they say what is being done.

Belongs here: nothing that only one command needs.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from deploy.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.edition import Edition
    from deploy.installation import Installation


def installation() -> "Installation":
    """The installation that the environment describes."""
    from deploy.installation import Installation

    settings = Settings.read()
    for old, new in settings.renamed.items():
        click.echo(f"{old} says nothing any more: set {new} instead (see .env.example)", err=True)
    return Installation(settings)


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and when it is done."""
    begin = time.monotonic()
    click.echo(f"  {what} … ", nl=False)
    try:
        yield
    except BaseException:
        click.echo("failed")
        raise
    click.echo(f"{time.monotonic() - begin:.1f} s")


def built_mark(here: "Installation", edition: "Edition") -> "Path":
    """The file that says on which day an edition was built; there is none before the first time."""
    return here.state_dir(edition) / "built-on"
