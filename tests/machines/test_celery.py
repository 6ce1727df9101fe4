"""The same definitions on two Celery workers, one of which is killed in the middle: real processes, broker and database.

`make drill-celery`: it takes a minute or two, most of it spent on imports and on waiting until the dead are given up.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any
from unittest.mock import patch

import dagster as dg
import psycopg
import pytest

from deploy import database as deploy_database
from deploy.database import Urls
from deploy.installation import NO_TELEMETRY
from deploy.local.account import services_home
from deploy.local.ports import Ports
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from deploy.local.valkey import ValkeyServer
from tests.conftest import TEMPLATE, unmeasured
from tests.defs.conftest import Site, played
from tests.machines import apart, world

if not os.environ.get("DRILL"):
    pytest.skip("two workers and a kill take minutes: make drill-celery", allow_module_level=True)

PATIENCE_SECONDS = 30
"""Longer than any step here takes, with its imports on a busy machine: else it would be done twice. No installation may have so
little: none of these steps waits for its turn."""
IMPATIENT = "from pipelines import __main__, settings; settings.LEAST_BROKER_PATIENCE_SECONDS = 1; __main__.main()"
"""The pipelines' command line, where that is allowed."""
INSTANCE = """\
storage:
  postgres:
    postgres_url: {env: DAGSTER_DATABASE_URL}
telemetry: {enabled: false}
"""
SEASONS = range(2015, 2021)


@dataclass
class Workers:
    """Two machines' worth of workers, by name, and the instance that knows what they do."""

    start: Callable[[str], "Popen[bytes]"]
    processes: dict[str, "Popen[bytes]"]
    instance: dg.DagsterInstance
    folder: Path

    def begin(self, job: str, config: dict[str, Any] | None = None) -> "Future[dg.JobExecutionResult]":
        """A run, followed by a thread of this process."""
        result: Future[dg.JobExecutionResult] = Future()

        def follow() -> None:
            try:
                result.set_result(dg.execute_job(world.reconstructable(job, "celery"), instance=self.instance, run_config=config))
            except BaseException as error:
                result.set_exception(error)

        threading.Thread(target=follow, daemon=True).start()
        return result

    def at_work(self, job: str, step: str) -> list[str]:
        """The workers that took a step of the newest run of a job, in their order."""
        runs = self.instance.get_runs(dg.RunsFilter(job_name=job), limit=1)
        entries = self.instance.all_logs(runs[0].run_id) if runs else []
        said = [each.dagster_event for each in entries if each.step_key == step and each.dagster_event]
        names = [each.engine_event_data.metadata.get("Celery worker") for each in said if each.is_engine_event]
        return [str(name.value).partition("@")[0] for name in names if name is not None]

    def wait_until_ready(self) -> None:
        logs = [self.folder / f"{name}.log" for name in self.processes]
        wait_for(lambda: all("ready" in log.read_text() for log in logs))

    def replace(self, name: str) -> None:
        """Another in the place of one that was killed."""
        self.processes[name] = self.start(name)
        self.wait_until_ready()

    def kill(self, name: str) -> None:
        """As when a machine loses its power: nobody says goodbye."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()


def wait_for(condition: Callable[[], Any], run: "Future[dg.JobExecutionResult] | None" = None, seconds: float = 90) -> Any:
    """What the condition says once it says something; a run that ends before shows why."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        assert run is None or not run.done(), run and run.result()
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s")
    return None


@pytest.fixture(scope="module")
def broker(server_state: Path) -> Iterator[ValkeyServer]:
    port = Ports(server_state / "ports.json").claim("broker")
    server = ValkeyServer(
        services_home(server_state), port, password=Secrets(server_state / "secrets").get("broker"), is_broker=True
    )
    with server.running():
        yield server


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    site.files = HeldFiles({path_of(season): played(1, 2, season=season) for season in SEASONS})
    yield site
    site.http.shutdown()
    site.http.server_close()


class HeldFiles(dict[str, bytes]):
    """Files of which one is not answered until it may be: somebody is in the middle of loading the others then."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.is_reached, self.is_free = threading.Event(), threading.Event()

    def get(self, path: str, default: Any = None) -> Any:
        if path == path_of(SEASONS[-1]) and not self.is_free.is_set():
            self.is_reached.set()
            self.is_free.wait(120)
        return super().get(path, default)


def path_of(season: int) -> str:
    return f"/mmz4281/{season % 100:02}{(season + 1) % 100:02}/E0.csv"


CHOSEN = {"ops": {"landing__file": {"config": {"partitions": [f"football_data{path_of(season)}" for season in SEASONS]}}}}


@contextmanager
def edition(
    postgres: PostgresServer, passwords: Secrets, site: Site, folder: Path, name: str, executor: str, **more: str
) -> Iterator[tuple[Urls, dict[str, str]]]:
    """Databases and a folder; the variables of its processes, set for this one too."""
    urls = deploy_database.copy(postgres.url(), TEMPLATE, name, passwords, with_tools=True)
    (folder / "dagster").mkdir(parents=True)
    (folder / "dagster" / "dagster.yaml").write_text(INSTANCE)
    environment = {
        **{"EDITION": folder.name, "STATE_DIR": str(folder), "EVIDENCE_DIR": str(folder / "evidence")},
        **{"SOURCES": "football_data", "FOOTBALL_DATA_URL": site.url, "COMPETITIONS": "E0", "DATA_CUTOFF": "2024-12-01T12:00Z"},
        **{"INGEST_DATABASE_URL": urls.ingest, "MODEL_DATABASE_URL": urls.model},
        "DAGSTER_HOME": str(folder / "dagster"),
        "DAGSTER_DATABASE_URL": urls.dagster.replace("postgresql:", "postgresql+psycopg2:", 1),
        "EXECUTOR": executor,
        **NO_TELEMETRY,
        **more,
    }
    with patch.dict(os.environ, environment):
        yield urls, environment
    deploy_database.drop(postgres.url(), name)


def rows(urls: Urls) -> list[tuple[object, ...]]:
    with psycopg.connect(urls.ingest) as connection:
        return connection.execute(
            "select key, line_number, cells, since_version from bronze.football_data_match order by 1, 2"
        ).fetchall()


@pytest.fixture(scope="module")
def alone(
    postgres: PostgresServer, database_template: Secrets, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[tuple[object, ...]], bytes]:
    """What one process makes: the rows of the backfill, the file of the backtest."""
    folder = tmp_path_factory.mktemp("alone")
    site.files.is_free.set()
    with (
        edition(postgres, database_template, site, folder, "football_alone", "in_process") as (urls, _),
        dg.DagsterInstance.get() as instance,
    ):
        for job, config in (("backfill", CHOSEN), ("backtest", None)):
            assert dg.execute_job(world.reconstructable(job, "in_process"), instance=instance, run_config=config).success
        found = rows(urls), (folder / "out.csv").read_bytes()
    site.files.is_free.clear()
    site.files.is_reached.clear()
    return found


@pytest.fixture
def workers(
    postgres: PostgresServer,
    database_template: Secrets,
    broker: ValkeyServer,
    site: Site,
    alone: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Workers, Urls]]:
    monkeypatch.setattr("pipelines.settings.LEAST_BROKER_PATIENCE_SECONDS", 1)
    more = {"BROKER_URL": broker.url, "BROKER_PATIENCE_SECONDS": str(PATIENCE_SECONDS)}
    with edition(postgres, database_template, site, tmp_path, "football_workers", "celery", **more) as (urls, environment):
        ports = (postgres.port, broker.port, site.http.server_port)
        command = [sys.executable, "-c", IMPATIENT, "worker", "--name"]
        own = unmeasured({**os.environ, **environment})

        def start(name: str) -> "Popen[bytes]":
            return apart.start([*command, name], own, world.ROOT, tmp_path / f"{name}.log", ports)

        processes = {name: start(name) for name in ("one", "two")}
        try:
            with dg.DagsterInstance.get() as instance:
                found = Workers(start, processes, instance, tmp_path)
                found.wait_until_ready()
                yield found, urls
        finally:
            for process in processes.values():
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def test_a_backtest_and_a_backfill_survive_the_loss_of_a_worker_with_the_result_of_one_process(
    workers: tuple[Workers, Urls], alone: tuple[list[tuple[object, ...]], bytes], site: Site
) -> None:
    both, urls = workers
    (both.folder / world.HOLD).touch()
    backtest = both.begin("backtest")
    steps = [f"forecast__backtest.season[{year}]" for year in range(world.FIRST, world.LAST + 1)]
    taken = wait_for(
        lambda: (found := [both.at_work("backtest", step) for step in steps]) and sum(map(bool, found)) == 2 and found, backtest
    )
    assert {name for names in taken for name in names} == {"one", "two"}, "seasons are forecast beside each other"
    both.kill("two")
    (both.folder / world.HOLD).unlink()
    assert backtest.result(timeout=120).success
    lost = next(step for step, names in zip(steps, taken, strict=True) if names == ["two"])
    assert both.at_work("backtest", lost) == ["two", "one"]
    assert (both.folder / "out.csv").read_bytes() == alone[1]
    both.replace("two")
    backfill = both.begin("backfill", CHOSEN)
    assert site.files.is_reached.wait(90), "the files before it are being loaded"
    (first,) = both.at_work("backfill", "landing__file")
    both.kill(first)
    site.files.is_free.set()
    assert backfill.result(timeout=120).success
    assert both.at_work("backfill", "landing__file") == [first, "two" if first == "one" else "one"]
    assert rows(urls) == alone[0]
