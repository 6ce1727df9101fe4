"""`football streams`: what a person sees of the topic, and giving up what is lost."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.database import Urls
from pipelines.commands.streams import streams_group
from pipelines.settings import Settings
from pipelines.store import stream_positions
from pipelines.store.warehouse import Warehouse
from pipelines.streams import connection, intake
from pipelines.streams.intake import Standing


@pytest.fixture
def settings(database: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    found = Settings.read(
        {
            "INGEST_DATABASE_URL": database.ingest,
            "READER_DATABASE_URL": database.reader,
            "STATE_DIR": str(tmp_path),
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "KAFKA_TOPIC": "events",
        }
    )
    monkeypatch.setattr(Settings, "read", lambda: found)
    return found


def topic_has(monkeypatch: pytest.MonkeyPatch, *standings: Standing) -> None:
    monkeypatch.setattr(intake, "standings", lambda *_: list(standings))


def run(*words: str) -> Result:
    return CliRunner().invoke(streams_group, words)


def test_what_waits_is_shown_and_all_is_well(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    topic_has(monkeypatch, Standing(0, 40, 3, 52), Standing(1, None, 5, 9))
    done = run("status")
    assert done.exit_code == 0
    assert [line.split() for line in done.output.splitlines() if "│" in line] == [
        ["│", "0", "│", "40", "│", "12", "│", "0", "│"],
        ["│", "1", "│", "│", "4", "│", "0", "│"],
    ]
    assert "0 messages to football.publications wait." in done.output


def test_where_messages_were_lost_a_script_hears_of_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for standing in (Standing(0, 40, 45, 52), Standing(0, 40, 0, 39)):
        topic_has(monkeypatch, standing)
        assert run("status").exit_code == 1


def test_without_a_broker_there_is_nothing_to_show_and_an_outage_is_a_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.5)
    assert "No broker of KAFKA_BOOTSTRAP_SERVERS answers" in run("status").output
    monkeypatch.setattr(Settings, "read", lambda: _read({}))
    done = run("status")
    assert (done.exit_code, done.output) == (0, "KAFKA_BOOTSTRAP_SERVERS names no broker: there is no stream.\n")
    assert run("accept-loss", "0").exit_code == 1


_read = Settings.read


def test_a_loss_is_accepted_once_and_only_where_there_is_one(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = Warehouse(settings.ingest_url)
    with warehouse.connect() as connection:
        connection.execute("insert into bronze.stream_position values ('events', 0, 40, now())")
    topic_has(monkeypatch, Standing(0, 40, 45, 52), Standing(1, 7, 0, 5))
    done = run("accept-loss", "0")
    assert (done.exit_code, done.output) == (0, "5 messages are given up; events/0 goes on at 45.\n")
    assert stream_positions.positions(warehouse, "events") == {0: 45}
    assert "does not stand at 40 any more; nothing was changed" in run("accept-loss", "0").output
    for partition in ("1", "2"):
        refused = run("accept-loss", partition)
        assert refused.exit_code == 1
        assert "was lost" in refused.output
