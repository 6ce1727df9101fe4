"""A whole platform for end-to-end tests: real PostgreSQL, real MLflow, real runs of `python -m pipelines`.

Belongs here: laying out an edition for a test, running its commands as a person's shell would, and looking at every
table it wrote.
"""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import psycopg
import pytest

from deploy import database as deploy_database
from deploy.database import Urls
from deploy.installation import NO_TELEMETRY, PATIENT_THREADS
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from tests.conftest import TEMPLATE, unmeasured
from tests.e2e.warm import PROJECT, Warm

MOMENTS = {"fetched_at", "ingested_at", "quarantined_at", "accepted_at", "published_at", "confirmed_at", "issued_at", "decided_at",
           "data_cutoff", "quotes_known_at", "as_of"}  # fmt: skip
SURROGATES = {"row_id", "sighting_id", "lines_digest", "facts_digest", "sequence", "first_sequence", "last_sequence", "file_id", "through_file_id", "quarantine_id", "unusable_cell_id", "publication_id", "prediction_id", "evidence_id",
              "model_name", "model_version", "link", "registry_run_id", "etag", "last_modified", "digest", "git_revision"}  # fmt: skip
ALSO_MOMENTS = {"fct_odds": {"known_at"}}  # of a coming match's quote: when it was first seen here
"""Columns in which two runs may differ though they did the same."""

FOLLOWED: set[tuple[str, ...]] = {("train",)}
"""The kinds of commands whose lines and branches were recorded, or need not be: a training of all sets takes the way of a build's,
by learners that have tests of their own (`tests/forecast`), and is the longest of all."""


@dataclass
class Platform:
    """One edition: its databases, its folder, and its commands."""

    urls: Urls
    admin: str
    folder: Path
    edition: str
    mlflow: str
    shown: str = ""

    def environment(self, **changes: str) -> dict[str, str]:
        """What `football` would set for this edition's processes."""
        roles = {f"{role.upper()}_DATABASE_URL": getattr(self.urls, role) for role in ("ingest", "transform", "model", "reader")}
        return {
            **os.environ,
            **roles,
            "EDITION": self.edition,
            "STATE_DIR": str(self.folder),
            "DAGSTER_HOME": str(self.folder / "dagster"),
            "DAGSTER_EVENT_BATCH_SIZE": "1000",
            "DAGSTER_DATABASE_URL": self.urls.dagster.replace("postgresql:", "postgresql+psycopg2:", 1),
            "MLFLOW_TRACKING_URI": self.mlflow,
            **NO_TELEMETRY,
            **PATIENT_THREADS,
            **changes,
        }

    def run(self, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """`python -m pipelines …`, to its end."""
        environment = self.environment(**changes)
        # Coverage follows each command once: the others do the same on other data or with other options, which are tested where
        # they are read, and half as fast when followed.
        kind = tuple(takewhile(str.isalpha, command))
        if kind in FOLLOWED:
            environment = unmeasured(environment)
        FOLLOWED.add(kind)
        return Warm(command, environment, self.folder / "said").finish()

    def must_run(self, *command: str, **changes: str) -> str:
        """The same; what it printed. It must exit 0."""
        done = self.run(*command, **changes)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def killed(self, step: str, when: Callable[[], bool], *command: str, **changes: str) -> None:
        """The same, killed with all its children once `step` is announced and `when()` holds."""
        process = Warm(command, unmeasured(self.environment(**changes)), self.folder / "said")
        try:
            deadline = time.monotonic() + 180
            while f"· {step} …" not in map(str.strip, process.out.splitlines()) or not when():
                assert process.is_alive(), f"it ended by itself: {process.out[-3000:]}{process.err[-3000:]}"
                assert time.monotonic() < deadline, f"{step} did not get as far"
                time.sleep(0.02)
            assert process.is_alive(), f"it ended by itself: {process.out[-3000:]}{process.err[-3000:]}"
        finally:
            process.kill()

    def reproduce(
        self, prediction_id: str, scratch: "Platform", *options: str, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """One of this platform's predictions made again in an empty one."""
        addresses = {
            "REPRODUCED_DATABASE_URL": self.urls.reader,
            "LANDING_DIR": str(self.folder / "landing"),
            "IS_SIMULATED": "1",
        }
        return scratch.run("reproduce", prediction_id, *options, **addresses | changes)

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Rows of a SELECT, as the superuser."""
        with psycopg.connect(self.admin) as connection:
            return connection.execute(statement).fetchall()

    def content(
        self, schemas: tuple[str, ...] = ("bronze", "silver", "gold", "forecast", "published")
    ) -> dict[str, tuple[int, str]]:
        """Table to its number of rows and a digest of them, moments and surrogate ids left out."""
        found = {}
        with psycopg.connect(self.admin) as connection:
            tables = connection.execute(
                "select table_schema, table_name from information_schema.tables where table_schema = any(%s) order by 1, 2",
                [list(schemas)],
            ).fetchall()
            for schema, table in tables:
                if table == "check_result":  # what the last run looked at: a log of it
                    continue
                columns = connection.execute(
                    "select column_name from information_schema.columns where table_schema = %s and table_name = %s",
                    [schema, table],
                ).fetchall()
                kept = ", ".join(
                    f'"{name}"::text'
                    for (name,) in sorted(columns)
                    if name not in MOMENTS | SURROGATES | ALSO_MOMENTS.get(table, set())
                )
                row = connection.execute(
                    f"select count(*), md5(coalesce(string_agg(line, '|' order by line), '')) "
                    f'from (select concat_ws(chr(31), {kept or "1"}) as line from "{schema}"."{table}") as lines'
                ).fetchone()
                found[f"{schema}.{table}"] = (int(row[0]), str(row[1]))
            # The cut-off of what is still to come moves with the run; that of what was played must not.
            played = connection.execute(
                "select count(*), md5(string_agg(match_id || as_of::text, '|' order by match_id)) from gold.fct_match where status = 'played'"
            ).fetchone()
            found["gold.fct_match as_of"] = (int(played[0]), str(played[1]))
        return found


def mirror_at(address: str) -> dict[str, str]:
    """The variables that make a platform load a whole mirror of football-data.co.uk."""
    return {"SOURCES": "football_data", "FOOTBALL_DATA_URL": address, "COMPETITIONS": "all", "SEASONS": "all"}


@pytest.fixture(scope="session")
def make_platform(
    postgres: PostgresServer, database_template: Secrets, mlflow_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Platform]]:
    """`make_platform(name, like=None)`: migrated and empty, or as another one stands; dropped at the end."""
    names = []

    def make(name: str, like: Platform | None = None) -> Platform:
        database = f"football_{name}_{secrets.token_hex(3)}"
        names.append(database)
        template = TEMPLATE if like is None else like.urls.owner.rpartition("/")[2]
        urls = deploy_database.copy(postgres.url(), template, database, database_template, with_tools=True)
        folder = tmp_path_factory.mktemp(name)
        if like is not None:
            shutil.copytree(like.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("dagster"))
        (folder / "dagster").mkdir()
        shutil.copyfile(PROJECT / "deploy/dagster/dagster.yaml", folder / "dagster" / "dagster.yaml")
        return Platform(urls, postgres.url(database), folder, like.edition if like else folder.name, mlflow_server)

    yield make
    for database in names:
        deploy_database.drop(postgres.url(), database)


@pytest.fixture(scope="session")
def built(make_platform: Callable[..., Platform]) -> Platform:
    """A platform after its first build on simulated data. To be copied, not changed."""
    platform = make_platform("built")
    platform.shown = platform.must_run("build", IS_SIMULATED="1")
    return platform
