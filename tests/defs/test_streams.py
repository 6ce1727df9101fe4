"""The stream in Dagster: that it costs nothing where it is off, that a broker in trouble stops no day, and when a run is asked for."""

import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from confluent_kafka import Producer

from deploy.database import Urls
from pipelines.defs import alerts, failures, stream_sensors
from pipelines.defs.automation import between, day
from pipelines.defs.failures import POLICIES, RUNBOOK, FailureClass
from pipelines.defs.looks import PAUSE
from pipelines.defs.stream_sensors import stream_sensor
from pipelines.defs.streams import stream_message
from pipelines.settings import PROJECT_DIR, Settings, SettingsError
from pipelines.store import notifications
from pipelines.store.landing import open_landing
from pipelines.store.warehouse import Warehouse
from pipelines.streams import connection, intake
from pipelines.streams.connection import StreamGap, StreamUnreachable
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


def resources(settings: Settings) -> dict[str, Any]:
    @dg.resource
    def turn(_: object) -> None:
        """Nobody else is at work."""

    return {
        "settings": settings,
        "bronze": Warehouse(settings.ingest_url),
        "landing": open_landing(settings.landing, ""),
        "turn": turn,
    }


def materialize(settings: Settings, instance: dg.DagsterInstance | None = None) -> dg.ExecuteInProcessResult:
    return dg.materialize([stream_message], resources=resources(settings), instance=instance)


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


def cut_off(settings: Settings, bronze: object, landing: object, taken: intake.Taken) -> None:
    """A broker that went away in the middle."""
    taken.n_inserted = 3
    taken.shortfall = "not read to its end in 60 s: 4 partitions are held, 1 of them not at their ends"


def silent(*_: object) -> None:
    """One of which nothing could be had."""
    raise StreamUnreachable("Nothing of football.events could be had.")


def test_a_round_whose_time_was_up_before_the_ends_is_a_warning_with_what_was_read(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "take_in", cut_off)
    result = materialize(make_settings("127.0.0.1:1"))
    assert result.success
    check = check_of(result)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description == (
        "3 messages were taken in; the stream was not read to its end in 60 s: 4 partitions are held, 1 of them not at their ends"
    )


def test_a_run_that_was_asked_for_because_messages_wait_and_gets_none_is_tried_again_and_fails_as_an_outage(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It went through as if there had been nothing, and rebuilt everything. The day's run goes on, with what files say."""
    quick = {kind: replace(policy, first_delay_seconds=0) for kind, policy in failures.POLICIES.items()}
    monkeypatch.setattr(failures, "POLICIES", quick)
    attempts = []

    def counted(*_: object) -> None:
        attempts.append(1)
        silent()

    monkeypatch.setattr(intake, "take_in", counted)
    settings = make_settings("127.0.0.1:1")
    jobs = [dg.define_asset_job(name, selection=[stream_message.key]) for name in (day.name, between.name)]
    definitions = dg.Definitions(assets=[stream_message], jobs=jobs, resources=resources(settings))
    with dg.DagsterInstance.ephemeral() as instance:
        assert definitions.resolve_job_def(day.name).execute_in_process(instance=instance).success
        assert len(attempts) == 1
        failed = definitions.resolve_job_def(between.name).execute_in_process(instance=instance, raise_on_error=False)
        (event,) = [each for each in failed.all_events if each.event_type is dg.DagsterEventType.STEP_FAILURE]
    assert len(attempts) == 1 + 1 + POLICIES[FailureClass.DEPENDENCY_DOWN].n_retries
    assert failures.classify_event(event) is FailureClass.DEPENDENCY_DOWN
    assert failures.sentence_of(event).startswith("bronze__stream_message: Nothing of football.events could be had.")


class Clock:
    """In the place of `datetime`, moved by hand."""

    at = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self, _: object) -> datetime:
        return self.at


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

    def test_runs_that_fail_for_ever_while_messages_come_are_asked_for_once_an_hour(
        self, waiting: list[Standing], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each message is another state. Were that a reason, these were 288 runs a day of up to four attempts."""
        clock = Clock()
        monkeypatch.setattr(stream_sensors, "datetime", clock)
        instance, cursor, asked = dg.DagsterInstance.ephemeral(), None, []

        @dg.job(name=between.name)
        def failed() -> None: ...

        for k in range(24 * 60 * 60 // stream_sensors.EVERY_SECONDS):
            waiting[:] = [Standing(0, 5, 0, 7 + k)]
            result = self.tick(instance, cursor)
            if isinstance(result, dg.SensorResult):
                (request,) = result.run_requests or ()
                tags = {"dagster/run_key": str(request.run_key)}
                instance.create_run_for_job(failed, status=dg.DagsterRunStatus.FAILURE, tags=tags)
                cursor = result.cursor
                asked.append(clock.at)
            clock.at += timedelta(seconds=stream_sensors.EVERY_SECONDS)
        assert {later - earlier for earlier, later in pairwise(asked)} == {PAUSE}
        assert len(asked) == 24
        runbook = " ".join((PROJECT_DIR / RUNBOOK).read_text("utf-8").split())
        assert f"{len(asked)} runs of `between` for `stream_sensor`" in runbook

    @pytest.mark.parametrize("round_", [cut_off, silent])
    def test_what_a_run_that_went_through_could_not_get_at_is_asked_for_again_as_behind_one_that_failed(
        self, round_: Callable[..., None], waiting: list[Standing], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It was asked for already, until more came or the next day."""
        clock, instance = Clock(), dg.DagsterInstance.ephemeral()
        monkeypatch.setattr(stream_sensors, "datetime", clock)
        monkeypatch.setattr(intake, "take_in", round_)
        waiting[:] = [Standing(0, 5, 0, 7)]
        first = self.tick(instance)
        assert materialize(Settings.read(), instance).success
        said = "what waits could not be had; the last run failed; another is asked for from 01:00 UTC"
        assert self.tick(instance, first.cursor).skip_message == said
        waiting[:] = [Standing(0, 5, 0, 8)]
        assert len(self.tick(instance, first.cursor).run_requests) == 1, "more came"
        waiting[:] = [Standing(0, 5, 0, 7)]
        clock.at += PAUSE
        second = self.tick(instance, first.cursor)
        assert len(second.run_requests) == 1
        monkeypatch.setattr(intake, "take_in", lambda *_: None)
        assert materialize(Settings.read(), instance).success
        clock.at += PAUSE
        assert self.tick(instance, second.cursor).skip_message == "what is new was asked for already"

    @pytest.mark.parametrize("job", [between.name, day.name])
    def test_none_is_while_a_run_that_reads_the_stream_is_at_work(self, waiting: list[Standing], job: str) -> None:
        waiting[:] = [Standing(0, 5, 0, 7)]
        instance = dg.DagsterInstance.ephemeral()

        @dg.job(name=job)
        def at_work() -> None: ...

        instance.create_run_for_job(at_work, status=dg.DagsterRunStatus.STARTED)
        assert "is at work" in self.tick(instance).skip_message

    @pytest.mark.parametrize(
        ("standing", "said"),
        [
            (Standing(0, 5, 6, 9), "1 messages of football.events/0 were lost, from 5 to before 6."),
            (Standing(0, 10, 0, 9), "football.events/0 was read up to 10 and ends at 9: the topic was made anew."),
        ],
    )
    def test_what_is_lost_asks_for_no_run_and_where_nothing_else_waits_the_tick_fails(
        self, waiting: list[Standing], standing: Standing, said: str
    ) -> None:
        waiting[:] = [standing, Standing(1, 4, 0, 4)]
        with pytest.raises(StreamGap, match=f"{re.escape(said)} Nothing is read of it .* `football streams accept-loss`"):
            self.tick(dg.DagsterInstance.ephemeral())

    def test_beside_what_is_lost_the_other_partitions_are_read_and_each_tick_says_so(self, waiting: list[Standing]) -> None:
        instance = dg.DagsterInstance.ephemeral()
        waiting[:] = [Standing(0, 5, 6, 9), Standing(1, 4, 0, 7)]
        first = self.tick(instance)
        assert len(first.run_requests) == 1
        said = self.tick(instance, first.cursor).skip_message
        assert said.startswith(
            "what is new was asked for already. 1 messages of football.events/0 were lost, from 5 to before 6. "
        )
        assert "`football streams accept-loss`" in said

    def test_what_is_lost_is_told_once_a_day_however_much_more_is_lost_and_so_is_its_end(
        self, waiting: list[Standing], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock, instance = Clock(), dg.DagsterInstance.ephemeral()
        monkeypatch.setattr(stream_sensors, "datetime", clock)
        monkeypatch.setattr(notifications, "NO_NEWS_WITHIN", timedelta(0))
        for k in range(8):  # two days, every six hours
            clock.at = Clock.at + timedelta(hours=6 * k)
            waiting[:] = [Standing(0, 5, 6 + k, 20)]
            with pytest.raises(StreamGap):
                self.tick(instance)
        waiting[:] = [Standing(0, 20, 13, 20)]
        for _ in range(2):
            assert self.tick(instance).skip_message == "no message waits"
        told = notifications.recent(Warehouse(Settings.read().model_url), 10)
        assert [(each.severity, each.title) for each in reversed(told)] == [
            ("failure", "Messages of the stream were lost (live)"),
            ("failure", "Messages of the stream were lost (live)"),
            ("success", "Every partition of the stream is read again (live)"),
        ]

    def test_another_partition_that_loses_some_and_one_that_is_read_on_do_not_tell_of_a_loss_again(
        self, waiting: list[Standing], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor does midnight, nor a daemon that began anew: what was noted is all that counts."""
        clock = Clock()
        clock.at = datetime(2026, 3, 1, 23, 50, tzinfo=UTC)
        monkeypatch.setattr(stream_sensors, "datetime", clock)
        first, second = Standing(0, 5, 6, 20), Standing(1, 7, 9, 20)
        for lost in ([first], [first], [first, second], [second], [first, second]):
            waiting[:] = lost
            with pytest.raises(StreamGap):
                self.tick(dg.DagsterInstance.ephemeral())
            clock.at += timedelta(minutes=7)
        told = [each.body.splitlines()[0] for each in reversed(notifications.recent(Warehouse(Settings.read().model_url), 10))]
        assert told == [
            "1 messages of football.events/0 were lost, from 5 to before 6.",
            "2 messages of football.events/1 were lost, from 7 to before 9.",
        ]

    @pytest.mark.parametrize("is_seen_by_a_run_first", [True, False])
    def test_a_loss_that_a_run_found_as_well_is_told_once_and_its_end_is_not_taken_back(
        self, is_seen_by_a_run_first: bool, waiting: list[Standing], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The check of that run does not pass until the next one, and `check_sensor` tells of checks that do not."""
        instance, cursor = dg.DagsterInstance.ephemeral(), ""
        monkeypatch.setattr(notifications, "NO_NEWS_WITHIN", timedelta(0))
        waiting[:] = [Standing(0, 5, 6, 20)]

        def lost(*_: object) -> None:
            raise StreamGap("Of football.events, partition 0 has no message.", {"football.events/0 from 5": "None at 5."})

        monkeypatch.setattr(intake, "take_in", lost)

        def look_at_checks() -> None:
            nonlocal cursor
            definitions = dg.Definitions(assets=[stream_message], resources=resources(Settings.read()))
            said = alerts.check_sensor(dg.build_sensor_context(instance, cursor=cursor, definitions=definitions))
            assert isinstance(said, dg.SensorResult)
            cursor = said.cursor or ""

        def look_at_the_topic() -> None:
            with pytest.raises(StreamGap):
                self.tick(instance)

        assert materialize(Settings.read(), instance).success
        looks = [look_at_checks, look_at_the_topic]
        for look in 2 * (looks if is_seen_by_a_run_first else looks[::-1]):
            look()
        waiting[:] = [Standing(0, 6, 6, 20)]
        self.tick(instance)
        look_at_checks()
        told = notifications.recent(Warehouse(Settings.read().model_url), 10)
        assert [each.title for each in reversed(told)] == [
            "Messages of the stream were lost (live)",
            "Every partition of the stream is read again (live)",
        ]

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
