"""A scratch edition: an empty database and folder that are there for one piece of work only.

Belongs here: making it, running the pipelines in it, and taking it away whatever happens. What is done in it is the pipelines'.
"""

import contextlib
import fcntl
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

from deploy import database, migrate
from deploy.edition import SCRATCH, Edition
from deploy.installation import Installation
from deploy.programs import pipelines_environment
from deploy.settings import PROJECT_DIR, S3_VARIABLES

WHERE_BYTES_ARE = ("LANDING_DIR", "LANDING_URL", *S3_VARIABLES)

AT_MOST = 3600.0
"""Seconds for which a rebuild may go on: the whole corpus takes minutes."""


class ScratchError(Exception):
    """The work could not be done; the message is for a person."""


@contextlib.contextmanager
def scratch(installation: Installation, *, is_simulated: bool) -> Iterator[Edition]:
    """An empty edition, dropped when the block ends, also by ^C and SIGTERM. One at a time in an installation.

    What one that was killed outright left behind is dropped by the next.
    """
    edition = Edition(SCRATCH, is_simulated=is_simulated)
    installation.local_dir.mkdir(parents=True, exist_ok=True)
    with (installation.local_dir / f"{SCRATCH}.lock").open("w") as lock, _termination_unwinds():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ScratchError("Another prediction is being made again just now: wait for its end.") from error
        try:
            _drop(installation, edition)
            urls = database.create(installation.admin_url, edition.warehouse, installation.secrets)
            migrate.upgrade(urls.owner)
            installation.state_dir(edition).mkdir(parents=True)
            yield edition
        finally:
            _drop(installation, edition)


def reproduce(installation: Installation, prediction_id: str, options: Sequence[str]) -> int:
    """Make a prediction of the edition meant again in a scratch edition; the exit code of `python -m pipelines reproduce`."""
    edition = installation.edition()
    if installation.is_postgres_ours and not installation.postgres().is_ready():
        raise ScratchError("PostgreSQL is not running: `football up` starts it.")
    with scratch(installation, is_simulated=edition.is_simulated) as place:
        environment = pipelines_environment(installation, place) | {
            **{name: value for name, value in installation.environment(edition).items() if name in WHERE_BYTES_ARE},
            "REPRODUCED_DATABASE_URL": installation.urls(edition).reader,
            "EXECUTOR": "",  # its instance is in memory, where no worker could find the run
        }
        try:
            return subprocess.call(
                [sys.executable, "-m", "pipelines", "reproduce", prediction_id, *options],
                env=environment,
                cwd=PROJECT_DIR,
                timeout=AT_MOST,
            )
        except subprocess.TimeoutExpired as error:
            raise ScratchError(f"The prediction could not be made again within {AT_MOST:.0f} seconds.") from error


def _drop(installation: Installation, edition: Edition) -> None:
    database.drop(installation.admin_url, edition.warehouse)
    shutil.rmtree(installation.state_dir(edition), ignore_errors=True)


@contextlib.contextmanager
def _termination_unwinds() -> Iterator[None]:
    """Let SIGTERM unwind the stack as ^C does: by default it would leave everything lying about."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
