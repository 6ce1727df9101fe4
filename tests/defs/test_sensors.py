"""The sensors over simulated days: real files, database and instance of Dagster; only the clock is ours, and how runs end."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, cast

import dagster as dg
import psycopg
import pytest
import yaml
from dagster._grpc.client import DEFAULT_SENSOR_GRPC_TIMEOUT

from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from pipelines.defs import job_runs, sensors, stream_sensors
from pipelines.defs.automation import day_schedule, week_schedule
from pipelines.defs.conditions import ATTEMPTS_A_DAY
from pipelines.defs.failures import POLICIES, RUNBOOK
from pipelines.defs.ingestion import Ingestion
from pipelines.defs.looks import (
    AT_MOST_FOR_ONE_STATE,
    LOOKS_AFTER,
    N_FAULTS,
    PAUSE,
    RESTS,
    Asked,
    Look,
    Memory,
    Rest,
    is_look_due,
)
from pipelines.defs.training import MODELS_OF
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.sources.football_data_org import FootballDataOrg
from pipelines.sources.http import Web
from pipelines.sources.inbox import Inbox
from pipelines.sources.protocol import (
    Fetched,
    Missing,
    NotModified,
    QuotaUsedUp,
    Source,
    SourceError,
    SourceRefuses,
    SourceSilent,
    SourceUnreachable,
)
from pipelines.store import read_model
from pipelines.store.file_versions import Latest
from pipelines.store.landing import open_landing
from pipelines.store.warehouse import Warehouse
from tests.defs.conftest import E0, FIXTURES, Site, coming, played
from tests.sources.football_data_org import answer, match

NOON = datetime(2024, 11, 30, 12, tzinfo=UTC)
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


class Daemon:
    """What Dagster's daemon does for one sensor: keeps its cursor, drops a run key it has seen, keeps the cursor of a failed tick."""

    def __init__(self, sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> None:
        self.sensor = sensor
        self.instance = instance
        self.cursor: str | None = None
        self.keys: list[str] = []
        self.now = NOON

    def tick(self) -> str:
        """`run`, or the reason why not."""
        result = self.sensor(dg.build_sensor_context(self.instance, cursor=self.cursor))
        if isinstance(result, dg.SkipReason):
            return result.skip_message or ""
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor or self.cursor
        if not result.run_requests:
            return str(result.skip_reason and result.skip_reason.skip_message)
        (request,) = result.run_requests
        assert request.run_key not in self.keys
        assert request.run_key is not None
        self.keys.append(request.run_key)
        return "run"

    def end(self, status: dg.DagsterRunStatus, key: str | None = None) -> None:
        """Keep a run of the day's job that stands so, by default the one last asked for."""
        self.instance.create_run_for_job(_job, status=status, tags={"dagster/run_key": key or self.keys[-1]})

    def day(self, minutes: int) -> list[timedelta]:
        """Tick through 24 hours; every run fails. Returns when runs were asked for."""
        asked = []
        for k in range(24 * 60 // minutes):
            self.now += timedelta(minutes=minutes)
            if self.tick() == "run":
                self.end(FAILURE)
                asked.append(timedelta(minutes=minutes) * k)
        return asked


@dg.job(name="day")
def _job() -> None:
    pass


@pytest.fixture
def settings(database: Urls, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    values = {
        "SOURCES": "football_data,inbox",
        "FOOTBALL_DATA_URL": site.url,
        "COMPETITIONS": "E0",
        "SEASONS": "2024",
        "STATE_DIR": str(tmp_path),
        "INGEST_DATABASE_URL": database.ingest,
        "MODEL_DATABASE_URL": database.model,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read()
    settings.inbox_dir.mkdir()
    load(settings)
    site.seen()
    return settings


def load(settings: Settings) -> None:
    """What the day's run does first."""
    Ingestion(settings, Warehouse(settings.ingest_url), open_landing(settings.landing)).run()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def source(settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    return _daemon(sensors.source_sensor, instance, monkeypatch)


@pytest.fixture
def inbox(settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    daemon = _daemon(sensors.inbox_sensor, instance, monkeypatch)
    daemon.now = datetime.now(UTC)  # that of the files
    return daemon


@pytest.fixture
def result(
    settings: Settings,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    postgres: PostgresServer,
    database: Urls,
) -> Daemon:
    """Three matches of Saturday afternoon: one that a forecast was issued of, one that none was, one that has a result."""
    with psycopg.connect(postgres.url(database.owner.rpartition("/")[2])) as connection:
        connection.execute(
            """
            insert into published.match
                (match_id, competition_id, season, kickoff_at, is_time_known, status, home_team_id, away_team_id)
            values
                ('told', 'E0', 2024, '2024-11-30 15:00+00', true, 'scheduled', 'a', 'b'),
                ('untold', 'E0', 2024, '2024-11-30 12:00+00', true, 'scheduled', 'a', 'b'),
                ('over', 'E0', 2024, '2024-11-30 12:30+00', true, 'played', 'a', 'b');
            insert into published.issued_prediction (prediction_id, sequence, match_id, information_set, model_name, model_version,
                kickoff_at, as_of, issued_at, p_home, p_draw, p_away, expected_home_goals, expected_away_goals, features_digest, link)
            select match_id, row_number() over (), match_id, 'results', 'm', 1,
                kickoff_at, kickoff_at, kickoff_at, 0.5, 0.3, 0.2, 1, 1, 'd', match_id
            from published.match where match_id <> 'untold'
            """
        )
    return _daemon(sensors.result_sensor, instance, monkeypatch)


def _daemon(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    daemon = Daemon(sensor, instance)
    monkeypatch.setattr(sensors, "now", lambda: daemon.now)
    return daemon


def test_what_is_loaded_is_no_news_and_costs_a_304(source: Daemon, site: Site) -> None:
    assert source.tick() == "nothing is new"
    assert sorted(site.seen()) == [(FIXTURES, 304), ("/new_league_fixtures.csv", 404)]


def test_a_source_that_returns_to_an_earlier_state_starts_a_run_again(source: Daemon, site: Site, settings: Settings) -> None:
    for price in (3.0, 2.0, 3.0):
        site.files[FIXTURES] = coming(price)
        assert source.tick() == "run"
        load(settings)
        source.end(SUCCESS)
        assert source.tick() == "nothing is new"
    assert len(set(source.keys)) == 3


def test_a_run_that_succeeded_is_not_asked_for_again_though_it_did_not_take_the_news_in(source: Daemon, site: Site) -> None:
    site.files[FIXTURES] = coming(3.0)
    assert source.tick() == "run"
    source.end(SUCCESS)
    source.now += timedelta(hours=2)
    assert source.tick() == "what is new was asked for already"


def test_a_state_whose_run_fails_for_ever_is_asked_for_three_times_an_hour_apart(source: Daemon, site: Site) -> None:
    site.files[FIXTURES] = coming(3.0)
    asked = source.day(minutes=60)
    assert asked == [timedelta(hours=k) for k in range(3)]
    assert source.day(minutes=240) == []
    assert source.tick() == "3 runs for the same state have failed: look at the last one; the schedule goes on trying"


def test_a_run_that_fails_after_the_files_are_loaded_is_asked_for_again_unless_the_schedules_has_gone_through(
    source: Daemon, site: Site, settings: Settings
) -> None:
    site.files[FIXTURES] = coming(3.0)
    assert source.tick() == "run"
    load(settings)
    source.end(FAILURE)
    assert source.tick() == "the last run failed; another is asked for from 13:00 UTC"
    source.now += PAUSE
    assert source.tick() == "run"
    source.end(FAILURE)
    source.end(SUCCESS, key="the schedule's")
    source.now += PAUSE
    assert source.tick() == "nothing is new"


def test_a_run_that_a_person_ended_is_not_asked_for_again(source: Daemon, site: Site) -> None:
    site.files[FIXTURES] = coming(3.0)
    assert source.tick() == "run"
    source.end(dg.DagsterRunStatus.CANCELED)
    source.now += 2 * PAUSE
    assert source.tick() == "what is new was asked for already"


def test_a_source_that_changes_at_every_look_starts_six_failing_runs_a_day(source: Daemon, site: Site) -> None:
    for k in range(12):
        source.now = NOON + timedelta(minutes=30 * k)
        site.files[FIXTURES] = coming(2 + k)
        if k % 2:
            assert source.tick() == f"the last run failed; another is asked for from {source.now + PAUSE / 2:%H:%M} UTC"
        else:
            assert source.tick() == "run"
            source.end(FAILURE)
    for k in (12, 24, 47):
        source.now = NOON + timedelta(minutes=30 * k)
        site.files[FIXTURES] = coming(2 + k)
        assert source.tick() == "6 runs were asked for within a day; another is from 2024-12-01 12:00 UTC"
    source.now = NOON + timedelta(days=1)
    assert source.tick() == "run"


@pytest.mark.parametrize("name", ["source", "result"])
def test_an_outage_raises_and_what_came_meanwhile_is_found_after_it(
    name: str, request: pytest.FixtureRequest, site: Site
) -> None:
    daemon: Daemon = request.getfixturevalue(name)
    daemon.now = NOON + timedelta(hours=6)
    site.files |= {FIXTURES: coming(3.0), E0: played(1, 2)}
    site.is_out_of_order = True
    with pytest.raises(SourceUnreachable, match="refuses"):
        daemon.tick()
    site.is_out_of_order = False
    daemon.now += timedelta(minutes=30)
    assert daemon.tick() == "run"


@pytest.mark.parametrize("name", ["source", "result"])
def test_a_source_that_has_none_of_the_files_that_it_had_is_an_outage_not_nothing_new(
    name: str, request: pytest.FixtureRequest, site: Site
) -> None:
    daemon: Daemon = request.getfixturevalue(name)
    daemon.now = NOON + timedelta(hours=6)
    had, site.files = site.files, {}
    for _ in range(2):
        with pytest.raises(SourceUnreachable, match="football_data has none of the files that were loaded before"):
            daemon.tick()
    site.files = had | {FIXTURES: coming(3.0), E0: played(1, 2)}
    daemon.now += timedelta(minutes=30)
    assert daemon.tick() == "run"


@pytest.mark.parametrize("name", ["source", "result"])
def test_a_mirror_s_folder_that_is_there_and_empty_is_an_outage_not_nothing_new(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results were looked for in it four times, and that was all."""
    daemon: Daemon = request.getfixturevalue(name)
    daemon.now = NOON + timedelta(hours=6)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    monkeypatch.setenv("FOOTBALL_DATA_URL", mirror.as_uri())
    for _ in range(2):
        with pytest.raises(SourceUnreachable, match="football_data has none of the files that were loaded before"):
            daemon.tick()


def test_a_file_that_is_gone_while_another_is_had_is_no_outage_and_no_news(result: Daemon, site: Site) -> None:
    result.now = NOON + timedelta(hours=6)
    del site.files[E0]
    assert result.tick() == "nothing is new"


def test_of_two_sources_the_one_that_has_nothing_any_more_is_named_and_keeps_nobody_from_the_others_news() -> None:
    class Other:
        def __init__(self, name: str, answer: type[Missing | NotModified]) -> None:
            self.name, self.answer = name, answer

        def fetch(self, key: str, *_: object) -> Fetched:
            return self.answer(self.name, key)

    loaded = {"a": Latest("0", "intact", None, None, 1, 1, 0)}
    look = Look(NOON)
    look.at(cast(Source, Other("one", Missing)), ["a", "of next season"], loaded)
    look.at(cast(Source, Other("two", NotModified)), ["a"], loaded)
    look.require_an_answer()
    assert look.not_had.startswith("could not be had: one/a (one has none of the files")
    before_august = Look(NOON)
    before_august.at(cast(Source, Other("one", Missing)), ["of next season"], loaded)
    before_august.require_an_answer()
    assert before_august.not_had == ""


def test_a_refused_file_keeps_nobody_from_the_others_news_and_is_named(source: Daemon, site: Site, settings: Settings) -> None:
    site.refused.add(FIXTURES)
    named = f"could not be had: football_data/fixtures.csv ({site.url[7:]} refuses to give fixtures.csv (HTTP 403); again from "
    assert source.tick() == f"nothing is new; {named}13:00 UTC)"
    site.files["/new_league_fixtures.csv"] = coming(4.0)
    source.now += timedelta(minutes=30)
    assert source.tick() == "run"
    source.end(SUCCESS)
    assert source.tick() == f"what is new was asked for already; {named}13:00 UTC)"
    source.now += timedelta(minutes=30)
    assert source.tick() == f"what is new was asked for already; {named}15:00 UTC)"


def test_a_refused_file_is_asked_for_six_times_in_a_day_and_three_times_in_the_next(source: Daemon, site: Site) -> None:
    site.refused.add(FIXTURES)
    asked = []
    for _ in range(2):
        site.seen()
        for _ in range(48):
            assert "football_data/fixtures.csv" in source.tick()
            source.now += timedelta(minutes=30)
        asked.append(site.seen().count((FIXTURES, 403)))
    assert asked == [6, 3]
    site.refused.clear()
    site.files[FIXTURES] = coming(3.0)
    source.now += max(RESTS)
    assert source.tick() == "run"
    assert json.loads(str(source.cursor))["rests"] == {}


def test_a_file_that_hangs_is_given_up_in_the_minute_that_a_tick_may_take(
    source: Daemon, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = sensors.IN_A_LOOK
    behind = patience.longest_wait_seconds + patience.first_wait_seconds + patience.connect_seconds + 2 * patience.read_seconds
    assert sensors.LOOK_SECONDS + behind < DEFAULT_SENSOR_GRPC_TIMEOUT, "one that was asked for at the last moment"
    monkeypatch.setattr(sensors, "IN_A_LOOK", replace(patience, read_seconds=0.1, first_wait_seconds=0.01))
    site.hanging.add(FIXTURES)
    with suppress(SourceUnreachable):  # where it was asked for first
        source.tick()
    assert site.seen().count((FIXTURES, 304)) == patience.attempts


def test_a_dripping_server_is_given_up_in_the_minute_that_a_tick_may_take_whatever_its_files_are(
    result: Daemon, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds for a download, twice for each of four files, were more than a tick may take: it was ended, and forgot all."""
    monkeypatch.setattr(sensors, "LOOK_SECONDS", 0.5)
    result.now = NOON + timedelta(hours=5, minutes=15)
    site.files = {E0: played(1, 2), FIXTURES: coming(3.0), "/new_league_fixtures.csv": coming(4.0)}
    site.dripping = {*site.files}
    began = time.monotonic()
    with pytest.raises(SourceUnreachable, match=r"is too slow: .* is not here after what a look may take"):
        result.tick()
    assert time.monotonic() - began < 5
    assert len(site.seen()) == 1


def test_files_that_a_look_has_no_time_for_are_due_at_the_next_and_no_fault_of_theirs() -> None:
    class Slow:
        name = "slow"

        def fetch(self, key: str, *_: object) -> NotModified:
            return NotModified(self.name, key)

    moments = iter([False, True])
    look = Look(NOON, is_over=lambda: next(moments))
    look.at(cast("Source", Slow()), "abc", {})
    assert (look.n_answered, look.faults) == (1, [])
    due = Rest(0, NOON, "not asked for, as the look took too long")
    assert list(look.kept.values()) == [due, due]


@pytest.mark.parametrize("name", ["source", "result"])
def test_of_a_source_that_is_down_one_file_is_asked_for_in_a_tick_and_nothing_is_lost(
    name: str, request: pytest.FixtureRequest, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four were, twice each, every five minutes while it lasted."""
    monkeypatch.setattr(sensors, "IN_A_LOOK", replace(sensors.IN_A_LOOK, first_wait_seconds=0.01))
    daemon: Daemon = request.getfixturevalue(name)
    daemon.now = NOON + timedelta(hours=6)
    site.files |= {FIXTURES: coming(3.0), E0: played(1, 2)}
    site.is_down = True
    asked = set()
    for _ in range(8):
        with pytest.raises(SourceUnreachable, match="HTTP 503"):
            daemon.tick()
        ((path, _), *again) = site.seen()
        assert again == [(path, 503)] * (sensors.IN_A_LOOK.attempts - 1)
        asked.add(path)
        daemon.now += timedelta(minutes=30)
    assert len(asked) > 1, "one file's own fault would look like an outage for ever"
    site.is_down = False
    assert daemon.tick() == "run"


def test_a_file_of_which_alone_its_server_is_out_of_order_is_told_from_an_outage_and_named(
    source: Daemon, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick in which it is asked for first fails and remembers nothing: were it always, the other's news would wait for it."""
    monkeypatch.setattr(sensors, "IN_A_LOOK", replace(sensors.IN_A_LOOK, first_wait_seconds=0.01))
    site.failing.add(FIXTURES)
    site.files["/new_league_fixtures.csv"] = coming(4.0)
    said = []
    for _ in range(8):
        with suppress(SourceUnreachable):
            said.append(source.tick())
        source.now += timedelta(minutes=30)
    assert said[0] == "run"
    assert all("football_data/fixtures.csv (" in each for each in said[1:])
    assert len(said) >= 4


def test_while_a_file_is_refused_the_results_of_others_start_a_run(result: Daemon, site: Site) -> None:
    site.refused.add(FIXTURES)
    site.files[E0] = played(1, 2)
    result.now = NOON + timedelta(hours=5, minutes=15)
    assert result.tick() == "run"


def test_a_result_whose_file_was_refused_at_each_look_is_found_once_its_rest_is_over(result: Daemon, site: Site) -> None:
    site.refused.add(E0)
    looks: list[str] = []
    for k in range(8 * 12):
        result.now = NOON + timedelta(minutes=300 + 5 * k)
        if f"{result.now:%H:%M}" == "19:20":  # after the last look
            site.refused.clear()
            site.files[E0] = played(1, 2)
        said = result.tick()
        looks += [f"{result.now:%H:%M} {status}" for path, status in site.seen() if path == E0]
        if said == "run":
            break
        assert ("football_data/mmz4281/2425/E0.csv (" in said) is bool(looks)
    assert looks == ["17:15 403", "18:15 403", "20:15 200"]


def test_a_file_that_is_refused_for_ever_costs_results_nine_requests_in_two_days(result: Daemon, site: Site) -> None:
    site.refused.add(E0)
    for k in range(2 * 24 * 12):
        result.now = NOON + timedelta(minutes=5 * k)
        result.tick()
    assert site.seen().count((E0, 403)) <= 9


@pytest.mark.parametrize(("kind", "at_most"), [(SourceRefuses, N_FAULTS + 1), (SourceSilent, 1)])
def test_of_a_dead_source_beside_another_few_files_are_asked_for_in_a_look_and_each_of_them_six_times_a_day(
    kind: type[SourceError], at_most: int
) -> None:
    """Four of one that refuses what it is asked for, one of one that says nothing."""

    class Dead:
        name = "dead"
        asked: ClassVar[list[str]] = []

        def fetch(self, key: str, *_: object) -> NotModified:
            self.asked.append(key)
            raise kind("Nobody is there.")

    class Alive:
        name = "alive"

        def fetch(self, key: str, *_: object) -> NotModified:
            return NotModified(self.name, key)

    rests: Mapping[str, Rest] = {}
    most = 0
    for k in range(24 * 12):
        look, n_before = Look(NOON + timedelta(minutes=5 * k), dict(rests)), len(Dead.asked)
        look.at(cast("Source", Dead()), [f"{n}.csv" for n in range(30)], {})
        look.at(cast("Source", Alive()), ["a.csv"], {})
        look.require_an_answer()
        assert "and 27 more" in look.not_had
        rests = Memory.read(str(Memory(rests=look.kept))).rests
        assert rests == look.kept
        most = max(most, len(Dead.asked) - n_before)
    assert most == at_most
    assert set(Counter(Dead.asked).values()) <= {5, 6}
    assert len(set(Dead.asked)) == 30


def test_what_a_quota_does_not_allow_is_owed_at_once_and_what_was_asked_for_beyond_it_rests() -> None:
    class Keyed:
        name = "keyed"
        n_left = 2

        def fetch(self, key: str, *_: object) -> NotModified:
            if not self.n_left:
                raise QuotaUsedUp("The provider allows no more requests and asks to come back in 60 s.")
            self.n_left -= 1
            return NotModified(self.name, key)

    look, keyed = Look(NOON), Keyed()
    look.at(cast("Source", keyed), "abcd", {})
    assert (look.n_answered, look.faults) == (2, [])
    assert [(rest.n_times, rest.until, rest.why) for rest in look.kept.values()] == [
        (0, NOON, "not asked for, as the provider allows no more requests")
    ] * 2
    later = Look(NOON + timedelta(minutes=5), look.kept)
    later.at(cast("Source", keyed), [key.removeprefix("keyed/") for key in look.kept], {})
    first, second = sorted(later.kept.values(), key=lambda rest: rest.n_times, reverse=True)
    assert (first.n_times, first.until) == (1, later.now + RESTS[0]), "the provider was asked, and refused"
    assert (second.n_times, second.until) == (0, later.now)


def test_an_unreadable_file_of_the_inbox_keeps_nobody_from_the_others(
    inbox: Daemon, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = Inbox.fetch

    def denied(self: Inbox, key: str, *validators: str | None) -> Fetched:
        if key == "a.csv":
            raise SourceUnreachable("a.csv cannot be read: Permission denied.")
        return fetch(self, key, *validators)

    monkeypatch.setattr(Inbox, "fetch", denied)
    (settings.inbox_dir / "a.csv").write_bytes(played(1))
    inbox.now += timedelta(minutes=2)
    with pytest.raises(SourceUnreachable, match="Permission denied"):
        inbox.tick()
    (settings.inbox_dir / "b.csv").write_bytes(played(2))
    assert inbox.tick() == "run"
    inbox.end(SUCCESS)
    assert "inbox/a.csv (a.csv cannot be read: Permission denied; again from" in inbox.tick()


def test_an_inbox_that_is_gone_is_told_by_the_tick_and_by_the_run_which_goes_on_with_the_others(
    inbox: Daemon, settings: Settings
) -> None:
    """It was taken for an empty one. A file that somebody took away is no loss."""
    for name in ("a.csv", "b.csv"):
        (settings.inbox_dir / name).write_bytes(played(1))
    load(settings)
    (settings.inbox_dir / "a.csv").unlink()
    inbox.now += timedelta(minutes=2)
    assert inbox.tick() == "nothing is new"
    (settings.inbox_dir / "b.csv").unlink()
    settings.inbox_dir.rmdir()
    with pytest.raises(SourceUnreachable, match="is gone or cannot be read: nobody sees what is dropped into it"):
        inbox.tick()
    ingestion = Ingestion(settings, Warehouse(settings.ingest_url), open_landing(settings.landing))
    ingestion.run()
    assert [each.partition for each in ingestion.faults] == ["inbox/a.csv", "inbox/b.csv"]
    assert ingestion.notes[0].startswith("inbox is out of reach, and the others go on without it: The inbox ")
    settings.inbox_dir.mkdir()
    assert inbox.tick() == "nothing is new"


def test_cursors_of_before_files_rested_are_gone_on_with() -> None:
    asked = Asked(3, "state", 1, (NOON,))
    assert Memory.read(str(asked)) == Memory(asked)
    assert Memory.read(json.dumps({"looked_at": NOON.isoformat(), "asked": str(asked)})) == Memory(asked, NOON)
    assert Memory.read("") == Memory()


@pytest.mark.parametrize("name", ["source", "inbox", "result"])
def test_no_sensor_asks_for_a_run_beside_one(name: str, request: pytest.FixtureRequest, site: Site, settings: Settings) -> None:
    daemon: Daemon = request.getfixturevalue(name)
    site.files |= {FIXTURES: coming(3.0), E0: played(1, 2)}
    (settings.inbox_dir / "a.csv").write_bytes(coming(4.0))
    daemon.now += timedelta(hours=6)
    for status in ("NOT_STARTED", "STARTING", "STARTED", "CANCELING"):
        daemon.end(dg.DagsterRunStatus[status], key="the schedule's")
        assert daemon.tick() == "a run of the day's job waits or is at work; this is looked at again when it has ended"
        assert site.seen() == []
        for run in daemon.instance.get_runs():
            daemon.instance.delete_run(run.run_id)
    assert daemon.tick() == "run"


def test_a_run_that_has_not_ended_is_under_way() -> None:
    ended = {SUCCESS, FAILURE, dg.DagsterRunStatus.CANCELED}
    # Dagster names two more that no run of ours can have: nothing here is managed elsewhere or suspended.
    foreign = {"MANAGED", "SUSPENDED"}
    assert set(job_runs.UNDER_WAY) == {each for each in dg.DagsterRunStatus if each.value not in foreign} - ended


def test_a_half_written_file_waits_and_the_whole_of_the_inbox_is_one_run(inbox: Daemon, settings: Settings) -> None:
    assert inbox.tick() == "nothing is new"
    with (settings.inbox_dir / "a.csv").open("wb") as file:
        file.write(played(1)[:60])
        file.flush()
        assert inbox.tick() == "a.csv has just changed; it is taken when all files have been left alone for a minute"
        file.write(played(1)[60:])
    (settings.inbox_dir / "b.csv").write_bytes(played(2))
    inbox.now += timedelta(seconds=70)
    assert inbox.tick() == "run"
    load(settings)
    inbox.end(SUCCESS)
    assert inbox.tick() == "nothing is new"
    (settings.inbox_dir / "b.csv").touch()
    (settings.inbox_dir / "a.csv").unlink()
    inbox.now += timedelta(minutes=10)
    assert inbox.tick() == "nothing is new"
    assert len(inbox.keys) == 1


def test_a_file_that_makes_the_run_fail_is_tried_three_times_a_day(inbox: Daemon, settings: Settings) -> None:
    (settings.inbox_dir / "a.csv").write_bytes(played(1))
    asked = inbox.day(minutes=15)
    assert asked == [timedelta(hours=k) for k in range(3)]


def test_without_an_inbox_among_the_sources_there_is_nothing_to_do(inbox: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES", "simulated")
    assert inbox.tick() == "inbox is not among SOURCES"


def test_results_are_looked_for_four_times_after_full_time_and_the_match_that_was_told_alone_counts(
    result: Daemon, site: Site
) -> None:
    looks = []
    for k in range(10 * 12):
        result.now = NOON + timedelta(minutes=5 * k)
        result.tick()
        if answers := site.seen():
            assert sorted(answers) == [(FIXTURES, 304), (E0, 304), ("/new_league_fixtures.csv", 404)]
            looks.append(f"{result.now:%H:%M}")
    assert looks == ["17:15", "17:30", "18:00", "19:00"]


PL = "/competitions/PL/matches?season=2024"


@pytest.fixture
def api(result: Daemon, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The API that wants a key, beside the site; its list is loaded, with one match under way and one that is over."""
    api = Site()
    api.files = {PL: answer(ENDED, IN_PLAY)}
    keyed = {
        "SOURCES": "football_data_org,football_data,inbox",
        "FOOTBALL_DATA_ORG_URL": api.url,
        "FOOTBALL_DATA_ORG_TOKEN": "abc",
        "COMPETITIONS": "E0,D1",  # in which nothing is awaited
        "DATA_CUTOFF": NOON.isoformat(),  # its season is the one under way
    }
    for name, value in keyed.items():
        monkeypatch.setenv(name, value)
    load(Settings.read())
    api.seen()
    yield api
    api.close()


KICK_OFF = "2024-11-30T15:00:00Z"
ENDED = match("2024-11-30T12:30:00Z", "Burnley FC", "Everton FC", (1, 1), season="2024-08-16")
IN_PLAY = match(KICK_OFF, "Arsenal FC", "Chelsea FC", (1, 0), status="IN_PLAY", season="2024-08-16")
FINAL = match(KICK_OFF, "Arsenal FC", "Chelsea FC", (2, 0), season="2024-08-16")


def test_a_result_of_the_keyed_source_starts_a_run_and_a_list_that_differs_otherwise_or_a_score_in_play_does_not(
    result: Daemon, api: Site
) -> None:
    """Its lists differ with every look: were they compared as files are, each look would start a run."""
    result.now = NOON + timedelta(hours=5, minutes=15)
    api.files[PL] = answer(ENDED, {**IN_PLAY, "score": {"fullTime": {"home": 2, "away": 0}}, "lastUpdated": "now"})
    assert result.tick() == "nothing is new"
    assert api.seen() == [(PL, 200)], "one request of few: none for a league in which no match is awaited"
    api.files[PL] = answer(ENDED, FINAL)
    result.now += timedelta(minutes=15)
    assert result.tick() == "run"
    load(Settings.read())
    result.end(SUCCESS)
    api.files[PL] = answer({**ENDED, "lastUpdated": "2024-11-30T18:00:00Z"}, FINAL)
    result.now += timedelta(minutes=30)
    assert result.tick() == "nothing is new"
    api.files[PL] = answer(ENDED, {**FINAL, "score": {"fullTime": {"home": 3, "away": 0}}})  # corrected
    result.now += timedelta(minutes=60)
    assert result.tick() == "run"


@pytest.mark.parametrize("trouble", ["is_out_of_order", "is_down", "answers nonsense"])
def test_the_keyed_source_in_trouble_is_named_keeps_nobody_from_the_others_news_and_rests(
    trouble: str, result: Daemon, api: Site, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "IN_A_LOOK", replace(sensors.IN_A_LOOK, first_wait_seconds=0.01))
    if trouble == "answers nonsense":
        api.files[PL] = b"<html>We are moving.</html>"
    else:
        setattr(api, trouble, True)
    asked = []
    for k in range(24 * 12):
        result.now = NOON + timedelta(hours=5, minutes=15 + 5 * k)
        said = result.tick()
        assert f"football_data_org/{PL[-4:]}/PL.json (" in said
        assert said.startswith("no" if k else "nothing is new; could not be had")
        asked += [f"{result.now:%H:%M}"] * bool(api.seen())
    assert asked == ["17:15", "18:15", "20:15", "00:15", "08:15", "16:15"]


def test_the_season_under_way_of_a_league_is_asked_for_whatever_year_its_match_bears(settings: Settings) -> None:
    """In spring Brazil's season is this year's, and the one that is under way elsewhere began last year."""
    spring = datetime(2024, 4, 20, 12, tzinfo=UTC)
    org = FootballDataOrg("", Web(), spring.date())
    matches = [read_model.Awaited("BRA", 2024, spring), read_model.Awaited("SC0", 2023, spring)]
    for competitions in ("all", "BRA,E0,SC0"):
        wanted = replace(settings, competitions=competitions, seasons="2020-2023")
        assert sensors._files(org, wanted, matches, spring) == ["2024/BSA.json"]
    assert sensors._files(org, replace(settings, competitions="E0", seasons=""), matches, spring) == []


def test_a_result_that_has_come_starts_the_run_that_scores_it(result: Daemon, site: Site, settings: Settings) -> None:
    result.now = NOON + timedelta(hours=5, minutes=15)
    assert result.tick() == "nothing is new"
    site.files[E0] = played(1, 2)
    assert result.tick().startswith("no look is due")
    result.now += timedelta(minutes=15)
    assert result.tick() == "run"
    load(settings)
    result.end(SUCCESS)
    result.now += timedelta(minutes=30)
    assert result.tick() == "nothing is new"


def test_looks_that_came_while_the_daemon_was_off_are_made_up_for_by_one(result: Daemon, site: Site) -> None:
    result.now = NOON + timedelta(hours=20)
    assert result.tick() == "nothing is new"
    assert len(site.seen()) == 3
    assert result.tick().startswith("no look is due")
    assert site.seen() == []


def test_a_result_that_comes_in_the_pause_behind_a_failed_run_is_not_lost_with_the_last_look(result: Daemon, site: Site) -> None:
    """A look in the pause could not start a run, and would be the last."""
    result.now = NOON + timedelta(hours=6, minutes=30)
    site.files[E0] = played(1, 2)
    assert result.tick() == "run"
    result.end(FAILURE)
    site.seen()
    site.files[E0] = played(1, 3)
    result.now = NOON + timedelta(hours=7)
    assert result.tick() == "the last run failed; another is asked for from 19:30 UTC"
    assert site.seen() == []
    result.now = NOON + timedelta(hours=7, minutes=30)
    assert result.tick() == "run"
    assert (E0, 200) in site.seen()


def test_a_result_that_comes_when_no_more_runs_may_be_asked_for_is_not_lost_with_the_last_look(
    result: Daemon, site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was seen, and waited for the schedule."""
    monkeypatch.setattr(sensors, "AT_MOST_FOR_RESULTS", 1)
    result.now = NOON + timedelta(hours=5, minutes=15)
    site.files[E0] = played(1, 2)
    assert result.tick() == "run"
    load(settings)
    result.end(SUCCESS)
    site.seen()
    site.files[E0] = played(1, 3)
    for hours in (7, 24):
        result.now = NOON + timedelta(hours=hours)
        assert result.tick() == "1 runs were asked for within a day; another is from 2024-12-01 17:15 UTC"
    assert site.seen() == [], "nothing is asked for that could start no run"
    result.now = NOON + timedelta(days=1, hours=5, minutes=15)
    assert result.tick() == "run"


def test_results_whose_run_fails_for_ever_start_three_runs_a_day(result: Daemon, site: Site) -> None:
    site.files[E0] = played(1, 2)
    asked = result.day(minutes=15)
    assert [later - earlier for earlier, later in pairwise(asked)] == [PAUSE, PAUSE]


def test_within_a_day_no_more_runs_are_asked_for_than_stated() -> None:
    asked, moments = Asked(), []
    for k in range(2 * 24 * 12):
        moment = NOON + timedelta(minutes=5 * k)
        outcome = asked.once_more({"f": str(k)}, has_failed=True, now=moment, at_most=sensors.AT_MOST_FOR_RESULTS)
        if isinstance(outcome, Asked):
            asked = Asked.read(str(outcome))
            assert asked == outcome
            moments.append(moment)
    assert len(moments) == 24
    assert all(later - earlier >= timedelta(days=1) for earlier, later in zip(moments, moments[12:], strict=False))


def test_a_run_that_a_sensor_asks_for_again_is_not_started_anew_by_dagster_as_well(source: Daemon, site: Site) -> None:
    site.files[FIXTURES] = coming(3.0)
    result = source.sensor(dg.build_sensor_context(source.instance))
    assert isinstance(result, dg.SensorResult)
    assert result.run_requests is not None
    assert [request.tags["dagster/max_retries"] for request in result.run_requests] == ["0"]


def test_the_runbook_says_how_often_a_publication_that_fails_for_ever_is_attempted_in_a_day_whoever_asks_for_it() -> None:
    each = 1 + max(policy.n_retries for policy in POLICIES.values())
    behind_failures = min(stream_sensors.AT_MOST, timedelta(days=1) // PAUSE)
    asked = sensors.AT_MOST_FOR_SOURCES + sensors.AT_MOST_FOR_INBOX + sensors.AT_MOST_FOR_RESULTS + behind_failures
    retries = yaml.safe_load((PROJECT_DIR / "deploy/dagster/dagster.yaml").read_text("utf-8"))["run_retries"]["max_retries"]
    assert day_schedule.cron_schedule == "0 6 * * *"
    assert week_schedule.cron_schedule == "0 8 * * 1"
    by_schedule = (1 + retries) * each
    runbook = " ".join((PROJECT_DIR / RUNBOOK).read_text("utf-8").split())
    by_drift = len(MODELS_OF) * by_schedule
    total = asked * each + ATTEMPTS_A_DAY + 2 * by_schedule + by_drift
    assert f"attempted at most {total} times in 24 hours" in runbook
    assert f"{asked * each} times by those four, {ATTEMPTS_A_DAY} times by [what follows by itself]" in runbook
    assert f"{2 * by_schedule} times on a Monday, {by_schedule} on another day" in runbook
    assert f"{by_drift} times where `drift_sensor` finds" in runbook


@pytest.mark.parametrize(
    ("looked_after", "now_after", "is_due"),
    [
        (None, 14, False),
        (None, 15, True),
        (15, 29, False),
        (15, 30, True),
        (59, 60, True),
        (60, 119, False),
        (20, 500, True),
        (120, 500, False),
    ],
)
def test_a_look_is_due_when_one_of_the_four_moments_has_come_since_the_last(
    looked_after: int | None, now_after: int, is_due: bool
) -> None:
    assert [after // timedelta(minutes=1) for after in LOOKS_AFTER] == [15, 30, 60, 120]
    looked_at = None if looked_after is None else NOON + timedelta(minutes=looked_after)
    assert is_look_due(NOON, looked_at, NOON + timedelta(minutes=now_after)) is is_due


def test_what_goes_out_to_the_network_is_off_by_default_and_every_sensor_says_how_often_it_looks() -> None:
    found = (sensors.source_sensor, sensors.inbox_sensor, sensors.result_sensor)
    assert [(each.minimum_interval_seconds, each.default_status.value) for each in found] == [
        (1800, "STOPPED"),
        (60, "RUNNING"),
        (300, "STOPPED"),
    ]
    assert AT_MOST_FOR_ONE_STATE == 3
