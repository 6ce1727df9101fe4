"""The scratch edition: empty at its beginning, gone at its end, whatever happens in between."""

import os
import signal
from pathlib import Path

import psycopg
import pytest

from deploy.installation import Installation
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from deploy.scratch import ScratchError, scratch
from deploy.settings import Settings


@pytest.fixture
def installation(postgres: PostgresServer, database_template: Secrets, server_state: Path) -> Installation:
    """One on the server of the tests, with the passwords of its roles."""
    return Installation(Settings.read({"LOCAL_DIR": str(server_state), "DATABASE_URL": postgres.url()}))


def traces(installation: Installation) -> list[str]:
    with psycopg.connect(installation.admin_url) as connection:
        databases = connection.execute(
            "select datname from pg_database where datname like 'football_reproduce%' order by 1"
        ).fetchall()
    return [name for (name,) in databases] + [path.name for path in installation.local_dir.glob("reproduce/")]


def test_it_is_a_migrated_empty_edition_and_gone_afterwards(installation: Installation) -> None:
    with scratch(installation, is_simulated=True) as edition:
        assert traces(installation) == [
            "football_reproduce",
            "football_reproduce_dagster",
            "football_reproduce_mlflow",
            "reproduce",
        ]
        with psycopg.connect(installation.urls(edition).ingest) as connection:
            assert connection.execute("select count(*) from bronze.source_file").fetchone() == (0,)
    assert traces(installation) == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_does_not_leave_it_lying_about(installation: Installation, stop: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGTERM)
    made = []

    def work() -> None:
        with scratch(installation, is_simulated=True):
            made.extend(traces(installation))
            os.kill(os.getpid(), stop)

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        work()
    assert len(made) == 4
    assert traces(installation) == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_a_killed_one_left_is_dropped_by_the_next(installation: Installation) -> None:
    with psycopg.connect(installation.admin_url, autocommit=True) as connection:
        connection.execute("create database football_reproduce")
    (installation.local_dir / "reproduce").mkdir()
    (installation.local_dir / "reproduce" / "left").touch()
    with scratch(installation, is_simulated=False) as edition:
        assert list(installation.state_dir(edition).iterdir()) == []
    assert traces(installation) == []


def test_there_is_one_at_a_time_and_the_second_takes_nothing_from_the_first(installation: Installation) -> None:
    with scratch(installation, is_simulated=True):
        with pytest.raises(ScratchError, match="wait for its end"), scratch(installation, is_simulated=True):
            pass
        assert len(traces(installation)) == 4
