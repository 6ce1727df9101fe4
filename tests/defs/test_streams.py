"""The stream in Dagster: that it costs nothing where it is off, that a broker in trouble stops no day, and when a run is asked for."""

import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from confluent_kafka import Producer

from deploy.database import Urls
from pipelines.defs import stream_sensors
from pipelines.defs.automation import between, day
from pipelines.defs.stream_sensors import stream_sensor
from pipelines.defs.streams import stream_message
from pipelines.settings import Settings, SettingsError
from pipelines.store.landing import open_landing
from pipelines.store.warehouse import Warehouse
from pipelines.streams import connection, intake
from pipelines.streams.connection import StreamUnreachable
from pipelines.streams.intake import Standing

MakeSettings = Callable[[str], Settings]


@pytest.fixture
def make_settings(database: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSettings:
    def make(servers: str) -> Settings:
        settings = Settings.read(
            {
                "INGEST_DATABASE_URL": database.ingest,
                "MODEL_DATABASE_URL": database.model,
                "STATE_DIR": str(tmp_path),
                "KAFKA_BOOTSTRAP_SERVERS": servers,
            }
        )
        monkeypatch.setattr(Settings, "read", lambda: settings)
        return settings

    return make


def materialize(settings: Settings) -> dg.ExecuteInProcessResult:
    @dg.resource
    def turn(_: object) -> None:
        """Nobody else is at work."""

    resources = {
        "settings": settings,
        "bronze": Warehouse(settings.ingest_url),
        "landing": open_landing(settings.landing, ""),
        "turn": turn,
    }
    return dg.materialize([stream_message], resources=resources)


def check_of(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def test_without_a_broker_the_asset_does_nothing_and_nothing_of_kafka_is_imported(make_settings: MakeSettings) -> None:
    result = materialize(make_settings(""))
    assert result.success
    assert check_of(result).passed
    assert check_of(result).description == "KAFKA_BOOTSTRAP_SERVERS names no broker: there is no stream"
    program = (
        "import sys\n"
        "from pipelines.defs.streams import stream_message\n"
        "from pipelines.defs.stream_sensors import outbox_sensor, stream_sensor\n"
        "import pipelines.defs.publication, dagster as dg\n"
        "for sensor in (stream_sensor, outbox_sensor):\n"
        "    context = [dg.build_sensor_context(dg.DagsterInstance.ephemeral())] if sensor is stream_sensor else []\n"
        "    assert 'there is no stream' in sensor(*context).skip_message\n"
        "assert not any(name.startswith('confluent_kafka') for name in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2], env={"PATH": ""}
    )
    assert done.returncode == 0, done.stderr


def test_a_broker_that_is_away_is_a_warning_and_the_day_goes_on(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.5)
    result = materialize(make_settings("127.0.0.1:1"))
    assert result.success
    check = check_of(result)
    assert (check.passed, check.severity, check.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert "No broker of KAFKA_BOOTSTRAP_SERVERS answers" in str(check.description)


@contextmanager
def cluster() -> Iterator[str]:
    maker = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    yield ",".join(f"{each.host}:{each.port}" for each in maker.list_topics(timeout=10).brokers.values())


def test_what_was_read_is_told_with_what_was_set_aside(make_settings: MakeSettings) -> None:
    with cluster() as servers:
        sender = Producer({"bootstrap.servers": servers})
        sender.produce("football.events", value=b"poison")
        assert sender.flush(10) == 0
        result = materialize(make_settings(servers))
    assert check_of(result).description == "0 messages were taken in, 1 set aside"
    (event,) = result.asset_materializations_for_node("bronze__stream_message")
    assert {name: event.metadata[name].value for name in ("n_inserted", "n_quarantined")} == {"n_inserted": 0, "n_quarantined": 1}


def test_a_round_that_another_reader_overtook_says_who_takes_in_the_rest(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(settings: Settings, bronze: object, landing: object, taken: intake.Taken) -> None:
        taken.n_inserted, taken.is_cut_short = 3, True

    monkeypatch.setattr(intake, "take_in", overtaken)
    check = check_of(materialize(make_settings("127.0.0.1:1")))
    assert check.description == "3 messages were taken in, 0 set aside; another reader takes in what waits"


class TestSensor:
    @pytest.fixture
    def waiting(self, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> list[Standing]:
        """What the topic has, as the sensor is going to find it."""
        make_settings("127.0.0.1:1")
        found: list[Standing] = []
        monkeypatch.setattr(intake, "standings", lambda *_: found)
        return found

    def tick(self, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
        return stream_sensor(dg.build_sensor_context(instance, cursor=cursor))

    def test_a_run_is_asked_for_once_for_what_waits_and_again_when_it_left_a_part_or_more_came(
        self, waiting: list[Standing]
    ) -> None:
        instance = dg.DagsterInstance.ephemeral()
        waiting[:] = [Standing(0, 5, 0, 5)]
        assert self.tick(instance).skip_message == "no message waits"
        waiting[:] = [Standing(0, 5, 0, 7), Standing(1, None, 0, 0)]
        first = self.tick(instance)
        assert len(first.run_requests) == 1
        assert self.tick(instance, first.cursor).skip_message == "what is new was asked for already"
        waiting[:] = [Standing(0, 6, 0, 7), Standing(1, None, 0, 0)]
        second = self.tick(instance, first.cursor)
        assert len(second.run_requests) == 1, "it was bounded, and the rest would wait for the next day"
        assert self.tick(instance, second.cursor).skip_message == "what is new was asked for already"
        waiting[:] = [Standing(0, 6, 0, 8), Standing(1, None, 0, 0)]
        assert len(self.tick(instance, second.cursor).run_requests) == 1

    def test_one_that_took_everything_and_failed_behind_it_is_asked_for_again(self, waiting: list[Standing]) -> None:
        """What is in bronze waits for nobody's messages: it has yet to reach the forecasts."""
        instance = dg.DagsterInstance.ephemeral()
        waiting[:] = [Standing(0, 5, 0, 7)]
        first = self.tick(instance)

        @dg.job(name=between.name)
        def failed() -> None: ...

        (request,) = first.run_requests
        instance.create_run_for_job(failed, status=dg.DagsterRunStatus.FAILURE, tags={"dagster/run_key": str(request.run_key)})
        waiting[:] = [Standing(0, 7, 0, 7)]
        assert "the last run failed; another is asked for from" in self.tick(instance, first.cursor).skip_message

    @pytest.mark.parametrize("job", [between.name, day.name])
    def test_none_is_while_a_run_that_reads_the_stream_is_at_work(self, waiting: list[Standing], job: str) -> None:
        waiting[:] = [Standing(0, 5, 0, 7)]
        instance = dg.DagsterInstance.ephemeral()

        @dg.job(name=job)
        def at_work() -> None: ...

        instance.create_run_for_job(at_work, status=dg.DagsterRunStatus.STARTED)
        assert "is at work" in self.tick(instance).skip_message

    @pytest.mark.parametrize("standing", [Standing(0, 5, 6, 9), Standing(0, 10, 0, 9)])
    def test_what_is_lost_waits_for_somebody_and_asks_for_no_run(self, waiting: list[Standing], standing: Standing) -> None:
        waiting[:] = [standing]
        assert self.tick(dg.DagsterInstance.ephemeral()).skip_message == "no message waits"

    def test_an_outage_fails_the_tick(self, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.5)
        make_settings("127.0.0.1:1")
        with pytest.raises(StreamUnreachable):
            self.tick(dg.DagsterInstance.ephemeral())


@pytest.mark.parametrize(
    ("servers", "status"), [("", dg.DefaultSensorStatus.STOPPED), ("127.0.0.1:1", dg.DefaultSensorStatus.RUNNING)]
)
def test_both_sensors_run_by_default_where_there_is_a_stream_and_nowhere_else(
    servers: str, status: dg.DefaultSensorStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", servers)
    loaded = runpy.run_path(stream_sensors.__file__)
    assert [loaded[name].default_status for name in ("stream_sensor", "outbox_sensor")] == [status, status]


def test_the_sensor_may_ask_for_a_run_each_time_that_it_looks() -> None:
    assert stream_sensors.AT_MOST * stream_sensors.EVERY_SECONDS == 24 * 60 * 60


def test_settings_of_the_client_are_its_own_words_and_nonsense_is_refused_with_an_example() -> None:
    settings = Settings.read(
        {"KAFKA_BOOTSTRAP_SERVERS": "a:9092,b:9092", "KAFKA_OPTIONS": "security.protocol=SSL sasl.password=x=y"}
    )
    assert settings.kafka_config == {"security.protocol": "SSL", "sasl.password": "x=y", "bootstrap.servers": "a:9092,b:9092"}
    with pytest.raises(SettingsError, match=r"security\.protocol=SSL with spaces between, not 'SSL'"):
        Settings.read({"KAFKA_OPTIONS": "SSL"})
