"""Small worlds of match files, loaded as ingestion loads them and transformed by dbt on a real server.

Belongs here: loading files into a warehouse of their own, and running dbt on it. dbt runs in this process and parses its project
once: starting and parsing take longer than transforming a few matches.
"""

import json
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

import pandas as pd
import psycopg
import pytest
from dbt.artifacts.schemas.results import NodeStatus
from dbt.cli.main import dbtRunner, dbtRunnerResult

from deploy import database as deploy_database
from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from pipelines.sources import football_data, football_data_file, football_data_org, international, openfootball
from pipelines.sources.protocol import Delivery
from pipelines.store import bronze
from pipelines.store.warehouse import Warehouse

TEMPLATE = "football_template"
PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"

NOW = datetime(2024, 2, 1, 12, tzinfo=UTC)
"""When the small worlds are loaded."""

CUTOFF = datetime(2024, 2, 1, 13, tzinfo=UTC)
"""The cut-off of their runs unless a test sets another."""


@contextmanager
def untraced() -> Iterator[None]:
    """Coverage does not follow what runs meanwhile, nor the threads that start: dbt runs nothing of ours, and traced half as long again."""
    tracers = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracers[0])
        threading.settrace(tracers[1])


class Dbt:
    """The project, parsed once, run against any database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with untraced():
            parsed = dbtRunner().invoke(["parse", *self._options()])
        assert parsed.success, parsed.exception
        self._manifest = parsed.result

    def invoke(self, command: Sequence[str], url: str, data_cutoff: datetime) -> dbtRunnerResult:
        server = urlsplit(url)
        environment = {
            "DBT_HOST": server.hostname or "",
            "DBT_PORT": str(server.port),
            "DBT_USER": unquote(server.username or ""),
            "DBT_PASSWORD": unquote(server.password or ""),
            "DBT_NAME": server.path.lstrip("/"),
        }
        variables = json.dumps({"data_cutoff": data_cutoff.isoformat()})
        # Parsing notes down the database that the profile names; each world has another.
        for node in (*self._manifest.nodes.values(), *self._manifest.sources.values()):
            node.database = environment["DBT_NAME"]
        with patch.dict(os.environ, environment), untraced():
            return dbtRunner(manifest=self._manifest).invoke([*command, "--vars", variables, *self._options()])

    def _options(self) -> list[str]:
        return [
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
            *("--target-path", str(self._folder / "target"), "--log-path", str(self._folder / "logs")),
            *("--quiet", "--no-use-colors"),
        ]


class World:
    """A database of its own with what was loaded into it, and dbt to transform it."""

    def __init__(self, urls: Urls, dbt: Dbt) -> None:
        self.urls = urls
        self._dbt = dbt
        self._warehouse = Warehouse(urls.reader)

    def load(self, files: Mapping[str, bytes], source: str = "football_data", now: datetime = NOW) -> "World":
        """Load one version of each file, as the ingestion assets do."""
        with psycopg.connect(self.urls.ingest) as connection:
            for key, content in files.items():
                if source == "openfootball":
                    parsed = openfootball.parse(content)
                elif source == "football_data_org":
                    parsed = football_data_org.parse(content)
                elif source == "international":
                    parsed = international.parse(content)
                else:
                    parsed = football_data_file.parse(content, football_data.expectation_of(key))
                bronze.load(connection, Delivery(source, key, content, None, None, now), parsed, now)
        return self

    def transform(self, data_cutoff: datetime = CUTOFF) -> "World":
        """Seeds and models, without tests."""
        return self.invoke(["build", "--resource-type", "seed", "--resource-type", "model"], data_cutoff)

    def invoke(self, command: Sequence[str], data_cutoff: datetime = CUTOFF) -> "World":
        """Any dbt command; a node that fails or errs fails the test, with its message."""
        result = self._dbt.invoke(command, self.urls.transform, data_cutoff)
        if result.exception is not None:
            raise result.exception
        bad = {NodeStatus.Error, NodeStatus.Fail, NodeStatus.Skipped, NodeStatus.RuntimeErr}
        complaints = [f"{node.node.name}: {node.message}" for node in result.result if node.status in bad]
        assert not complaints, "\n".join(complaints)
        return self

    def read(self, query: str) -> pd.DataFrame:
        return self._warehouse.read(query)

    def table(self, name: str) -> list[str]:
        """Every row of a table as text, in order: equal lists are equal bits."""
        query = f"copy (select * from {name} order by {name.rpartition('.')[2]}::text) to stdout"
        with (
            psycopg.connect(self.urls.reader, options="-c timezone=UTC") as connection,
            connection.cursor() as cursor,
            cursor.copy(query) as copy,
        ):
            return b"".join(copy).decode().splitlines()


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    return Dbt(tmp_path_factory.mktemp("dbt"))


@pytest.fixture(scope="session")
def new_world(dbt: Dbt, postgres: PostgresServer, database_template: Secrets) -> Iterator[Callable[[], World]]:
    """Makes an empty migrated database whenever called; all of them are dropped at the end of the session."""
    names: list[str] = []

    def make() -> World:
        names.append(f"football_test_dbt_{secrets.token_hex(4)}")
        return World(deploy_database.copy(postgres.url(), TEMPLATE, names[-1], database_template), dbt)

    yield make
    for name in names:
        deploy_database.drop(postgres.url(), name)
