"""What every test may ask for: real servers, a fresh migrated database, the corpus; and how skipped tests are reported.

Belongs here: fixtures used by more than one folder of tests, and the order of tests.
"""

import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import redis

from deploy import database as deploy_database
from deploy import migrate
from deploy.database import Urls
from deploy.installation import NO_TELEMETRY
from deploy.local.account import services_home
from deploy.local.ports import Ports
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from deploy.local.valkey import ValkeyServer
from pipelines.machine_code import make_beside

TEMPLATE = "football_template"
ANY_DAY = "-infinity"
"""Of ledgers whose predictions may be of any day: tests of what was said long ago, or is said of days to come."""


@pytest.fixture(scope="session")
def server_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the throw-away servers keep ports and secrets; what they lay out elsewhere is removed at the end."""
    folder = tmp_path_factory.mktemp("servers")
    yield folder
    if services_home(folder) != folder:
        shutil.rmtree(services_home(folder), ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(server_state: Path) -> Iterator[PostgresServer]:
    """A throw-away PostgreSQL server, started for this run of the tests; `.url(database)` is the superuser's."""
    server = PostgresServer(
        services_home(server_state),
        Ports(server_state / "ports.json").claim("postgres"),
        password=Secrets(server_state / "secrets").get("postgres"),
        is_durable=False,
    )
    with server.running():
        yield server


@pytest.fixture(scope="session")
def database_template(postgres: PostgresServer, server_state: Path) -> Secrets:
    """The roles, and one migrated warehouse that the others are copied from; the roles' passwords."""
    passwords = Secrets(server_state / "secrets")
    owner = deploy_database.create(postgres.url(), TEMPLATE, passwords).owner
    migrate.upgrade(owner)
    deploy_database.rehearse(owner, ANY_DAY)
    return passwords


@pytest.fixture
def database(postgres: PostgresServer, database_template: Secrets) -> Iterator[Urls]:
    """A fresh migrated database with its roles, dropped after the test: the URL of each role."""
    name = f"football_test_{secrets.token_hex(4)}"
    yield deploy_database.copy(postgres.url(), TEMPLATE, name, database_template)
    deploy_database.drop(postgres.url(), name)


@pytest.fixture(scope="session")
def valkey(server_state: Path) -> Iterator[ValkeyServer]:
    """A throw-away Valkey server, started for this run of the tests."""
    server = ValkeyServer(
        services_home(server_state),
        Ports(server_state / "ports.json").claim("valkey"),
        password=Secrets(server_state / "secrets").get("valkey"),
    )
    with server.running():
        yield server


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """The URL of an empty cache."""
    with redis.Redis.from_url(valkey.url) as client:
        for key in client.scan_iter(count=1000):
            client.delete(key)
    return valkey.url


def unmeasured(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for a process that coverage need not follow: none of our code runs in it, it is killed too early to report, or
    other tests follow the same."""
    return {name: value for name, value in environment.items() if name != "COVERAGE_PROCESS_CONFIG"}


@pytest.fixture(scope="session")
def mlflow_server(server_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server on files of its own."""
    folder = tmp_path_factory.mktemp("mlflow")
    with running_mlflow(folder, server_state, str(folder / "artifacts")) as url:
        yield url


@contextmanager
def running_mlflow(folder: Path, server_state: Path, artifacts: str, **environment: str) -> Iterator[str]:
    """A real MLflow server that keeps its rows in a folder, and what runs log where `artifacts` says."""
    # Not one that the kernel hands out: while the server starts, some client of another process could be given it.
    port = Ports(server_state / "ports.json").claim(folder.name)
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
         "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", artifacts, "--serve-artifacts"],
        env={**unmeasured(os.environ), **NO_TELEMETRY, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **environment},
        stdout=(folder / "log").open("w"),
        stderr=subprocess.STDOUT,
        cwd=folder,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 180  # beside other tests on a busy machine it took more than a minute
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=2).read()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.25)
        else:
            pytest.fail(f"MLflow does not answer: {(folder / 'log').read_text()[-2000:]}")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real match files, which are never part of this repository."""
    folder = os.environ.get("CORPUS_DIR", "")
    if not folder:
        pytest.skip("CORPUS_DIR is not set: real match files are not part of the repository")
    return Path(folder).resolve(strict=True)


@pytest.fixture(scope="session")
def program() -> "type[Program]":
    """`program.path("nginx")`: a program of the distribution, or the test is skipped for want of it."""
    return Program


class Program:
    """Programs that `make system-deps` installs where it may."""

    @staticmethod
    def path(name: str) -> str:
        """Where the program is. Without it: a skip with the reason, or a failure where `CI=true` promises it."""
        found = shutil.which(name)
        if found is None:
            stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            stop(f"the program {name} is not installed: make system-deps installs it")
        return found


SLOWEST = ("readme", "e2e", "dbt", "streams", "deploy")
"""Folders whose files take minutes, after all others: most failures show early. Among themselves the longest files begin first,
for whoever takes one last lets the other process wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in order, in which several processes take the files, too. Coverage does not follow properties over many
    examples: they took a third more time for it, and tell it of few lines that the examples spelt out in other tests do not run.
    Not so beside the service's clients: a thread that runs meanwhile, as their loop does, would not be followed ever after."""

    def place(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return SLOWEST.index(folder) if folder in SLOWEST else -1

    items.sort(key=place)
    for item in items:
        is_property = isinstance(item, pytest.Function) and getattr(item.obj, "is_hypothesis_test", False)
        if is_property and item.path.parent.name != "serving":
            item.add_marker("no_cover")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before several processes start: have loops compiled beside the first tests, once and unmeasured, unless they are."""
    if getattr(session.config.option, "numprocesses", None) and not hasattr(session.config, "workerinput"):
        with patch.dict(os.environ, unmeasured(os.environ), clear=True):
            make_beside()


def pytest_configure(config: pytest.Config) -> None:
    """Always list skipped tests with their reasons at the end."""
    config.option.reportchars = "".join(dict.fromkeys(config.option.reportchars + "s"))
