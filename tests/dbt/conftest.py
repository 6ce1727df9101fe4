"""Small worlds of match files, loaded as ingestion loads them and transformed by dbt on a real server.

Belongs here: making such files, and the warehouse that results from them. dbt runs in this process and parses its project
once: starting and parsing take longer than transforming a few matches.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from pipelines.sources import football_data, openfootball
from pipelines.sources.protocol import Delivery
from pipelines.store import bronze
from pipelines.store.warehouse import Warehouse
from tests.conftest import TEMPLATE

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"

NOW = datetime(2024, 2, 1, 12, tzinfo=UTC)
"""When the small worlds are loaded, and the cut-off of their runs unless a test sets another."""

Row = Mapping[str, object]


def csv(rows: Sequence[Row]) -> bytes:
    """A file in football-data.co.uk's form: the columns in the order in which the rows bring them up."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names), *(",".join(str(row.get(name, "")) for name in names) for row in rows)]
    return ("\r\n".join(lines) + "\r\n").encode()


class Dbt:
    """The project, parsed once, run against any database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        parsed = dbtRunner().invoke(["parse", *self._options()])
        assert parsed.success, parsed.exception
        self._runner = dbtRunner(manifest=parsed.result)

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
        with patch.dict(os.environ, environment):
            return self._runner.invoke([*command, "--vars", variables, *self._options()])

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

    def load(self, files: Mapping[str, bytes], source: str = "football_data", now: datetime = NOW) -> None:
        """Load one version of each file, as the ingestion assets do."""
        with psycopg.connect(self.urls.ingest) as connection:
            for key, content in files.items():
                parse = openfootball.OpenFootball.parse if key.endswith(".json") else football_data.FootballData.parse
                expectation = football_data.expectation_of(key) if source != "inbox" else football_data.Expectation()
                parsed = openfootball.parse(content) if key.endswith(".json") else football_data.parse(content, expectation)
                del parse
                bronze.load(connection, Delivery(source, key, content, None, None, now), parsed, now)

    def transform(self, data_cutoff: datetime = NOW) -> "World":
        """Seeds and models, without tests."""
        return self.invoke(["build", "--resource-type", "seed", "--resource-type", "model"], data_cutoff)

    def invoke(self, command: Sequence[str], data_cutoff: datetime = NOW) -> "World":
        """Any dbt command; a node that fails or errs fails the test, with its message."""
        result = self._dbt.invoke(command, self.urls.transform, data_cutoff)
        if result.exception is not None:
            raise result.exception
        bad = {NodeStatus.Error, NodeStatus.Fail, NodeStatus.Skipped, NodeStatus.RuntimeErr}
        complaints = [f"{node.node.name}: {node.message}" for node in result.result if node.status in bad]
        assert result.success and not complaints, "\n".join(complaints)
        return self

    def read(self, query: str) -> pd.DataFrame:
        return self._warehouse.read(query)

    def table(self, name: str) -> list[str]:
        """Every row of a table as text, in order: equal lists are equal bits."""
        with psycopg.connect(self.urls.reader, options="-c timezone=UTC") as connection, connection.cursor() as cursor:
            with cursor.copy(f"copy (select * from {name} order by {name.rpartition('.')[2]}::text) to stdout") as copy:
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
