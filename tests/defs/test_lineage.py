"""A lineage server is told what every run read and wrote: once each, in OpenLineage's terms, and at no run's cost.

A real server on this machine takes the events, and the log is that of real runs.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
import pandas as pd
import pytest
from dagster import DagsterEventType

from deploy import database as deploy_database
from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from pipelines.defs import lineage
from pipelines.defs.failures import under_policy
from pipelines.defs.ingestion import ingestion, nothing_waits_in_quarantine, table_metadata
from pipelines.defs.job_runs import SETTLED_AFTER
from pipelines.defs.lineage import KEPT_FOR, Told, lineage_sensor, tell
from pipelines.defs.manifest import ensure_manifest
from pipelines.defs.streams import STREAM
from pipelines.lineage.datasets import Datasets
from pipelines.lineage.events import READ, Story
from pipelines.lineage.server import NotTaken, Server
from pipelines.settings import Settings, SettingsError
from pipelines.store.file_versions import Delivered
from pipelines.store.landing import FolderLanding
from pipelines.store.revision import git_revision
from pipelines.store.warehouse import Warehouse
from tests.conftest import TEMPLATE
from tests.defs.openlineage_faults import faultless, faults_of

HEADER = "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR"
LINES = ("E0,12/08/2023,15:00,Home,Away,1,0,H", "E0,12/08/2023,15:00,Home,,1,0,H")
"""A match, and a line that cannot be one."""


class Receiver:
    """A lineage server. It answers `status`, 201 unless told otherwise, and keeps what it took; `most` is how much it takes.

    An event that is not of the specification is refused, as a server that holds events against it would: by `faults_of`.
    """

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.faults: list[str] = []
        self.status = 201
        self.most = 10**6
        self.is_silent = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/api/v1/lineage"
                if outer.is_silent.is_set():
                    time.sleep(2)
                faults = faults_of(content)
                outer.faults += faults
                status = 422 if faults else outer.status if len(outer.events) < outer.most else 503
                if status == 201:
                    outer.events.append(content)
                    outer.headers.append(dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(event["eventType"], event["job"]["name"]) for event in self.events]

    def last(self, job: str) -> dict[str, Any]:
        return next(event for event in reversed(self.events) if event["job"]["name"] == job)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()
    assert receiver.faults == []


@dg.asset(key=["forecast", "match_rating"], deps=[["bronze", "football_data_match"]], description="Ratings.")
@under_policy
def match_rating(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    if settings.football_data_url.endswith("broken"):
        raise ValueError("the ratings cannot be made")
    return dg.MaterializeResult(metadata={"dagster/row_count": 2})


class World:
    """A code location of few assets over a real database, and its Dagster instance."""

    def __init__(self, urls: Urls, instance: dg.DagsterInstance, folder: Path, is_broken: bool = False) -> None:
        (folder / "site" / "mmz4281" / "2324").mkdir(parents=True, exist_ok=True)
        (folder / "site" / "mmz4281" / "2324" / "E0.csv").write_text("\n".join((HEADER, *LINES, "")))
        site = (folder / "site").as_uri()
        self.instance = instance
        self.urls = urls
        self.settings = Settings.read(
            {
                **{"STATE_DIR": str(folder), "EDITION": "test", "SOURCES": "football_data", "FOOTBALL_DATA_URL": site},
                **{"COMPETITIONS": "E0", "SEASONS": "2023", "INGEST_DATABASE_URL": urls.ingest},
            }
        )
        run_settings = Settings.read({"FOOTBALL_DATA_URL": "broken"}) if is_broken else self.settings
        resources = {"bronze": Warehouse(urls.ingest), "landing": FolderLanding(folder / "landing"), "turn": None}
        definitions = dg.Definitions(
            assets=[ingestion, match_rating],
            asset_checks=[nothing_waits_in_quarantine],
            jobs=[
                dg.define_asset_job("day", selection=dg.AssetSelection.all(), description="The day's work."),
                dg.define_asset_job("rate", selection=dg.AssetSelection.assets(match_rating)),
            ],
            resources={**resources, "settings": run_settings},
        )
        self.repository = definitions.get_repository_def()

    def run(self, job: str, **tags: str) -> str:
        done = self.repository.get_job(job).execute_in_process(instance=self.instance, raise_on_error=False, tags=tags)
        return done.run_id

    def tell(self, receiver: Receiver, told: Told, now: datetime | None = None) -> str:
        server = Server(receiver.url, "a key")
        try:
            return tell(
                self.instance,
                lambda: lineage._story(self.settings, self.repository),
                server,
                told,
                now or datetime.now(UTC) + SETTLED_AFTER + timedelta(seconds=1),
            )
        finally:
            server.close()


def told_of(
    asset: dg.AssetsDefinition,
    checks: Sequence[dg.AssetChecksDefinition] = (),
    datasets: Datasets | None = None,
    delivered: Callable[[Sequence[int]], Sequence[Delivered]] = lambda _: (),
) -> list[dict[str, Any]]:
    """What is told of a run that makes one asset and judges it; all of it is of the specification."""
    jobs = [dg.define_asset_job("alone", dg.AssetSelection.all())]
    definitions = dg.Definitions(assets=[asset], asset_checks=[*checks], jobs=jobs)
    datasets = datasets or Datasets("football-live", "postgresql://127.0.0.1/football", {}, {}, {})
    story = Story(datasets, definitions.resolve_asset_graph(), definitions.resolve_job_def, delivered)
    with dg.DagsterInstance.ephemeral() as instance:
        run = definitions.resolve_job_def("alone").execute_in_process(instance=instance).dagster_run
        log = [each.event_log_entry for each in instance.get_records_for_run(run.run_id, of_type=set(READ)).records]
        return faultless(story.tell(run, log))


@pytest.fixture
def told() -> Told:
    return Told.read(None, datetime.now(UTC))


@pytest.fixture(scope="module")
def urls(postgres: PostgresServer, database_template: Secrets) -> Iterator[Urls]:
    """One database for all: each test has an instance of its own, and a second ingestion would change nothing."""
    ensure_manifest()
    name = f"football_test_{secrets.token_hex(4)}"
    yield deploy_database.copy(postgres.url(), TEMPLATE, name, database_template)
    deploy_database.drop(postgres.url(), name)


@pytest.fixture
def world(urls: Urls, tmp_path: Path) -> Iterator[World]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(urls, instance, tmp_path)


def test_a_run_is_told_with_its_steps_and_with_what_each_read_and_wrote(world: World, receiver: Receiver, told: Told) -> None:
    run_id = world.run("day", **{".dagster/scheduled_execution_time": "2026-03-01T06:00:00+00:00"})

    assert world.tell(receiver, told) == "8 events were sent"

    check = "bronze__quarantine_nothing_waits_in_quarantine"
    assert (receiver.said[0], receiver.said[-1]) == (("START", "day"), ("COMPLETE", "day"))
    assert sorted(receiver.said[1:-1]) == [
        *(("COMPLETE", check), ("COMPLETE", "forecast__match_rating"), ("COMPLETE", "ingestion")),
        *(("START", check), ("START", "forecast__match_rating"), ("START", "ingestion")),
    ]
    assert {header["Authorization"] for header in receiver.headers} == {"Bearer a key"}
    day = receiver.last("day")
    assert day["run"]["runId"] == run_id
    assert day["run"]["facets"]["nominalTime"]["nominalStartTime"] == "2026-03-01T06:00:00+00:00"
    assert day["job"]["facets"]["documentation"]["description"] == "The day's work."

    done = receiver.last("ingestion")
    parent = done["run"]["facets"]["parent"]
    assert (parent["run"]["runId"], parent["job"]["namespace"], parent["job"]["name"]) == (run_id, "football-test", "day")
    location = done["job"]["facets"]["sourceCodeLocation"]
    assert (location["path"], location["version"]) == ("pipelines/defs/ingestion.py", git_revision())
    server, _, name = world.urls.ingest.rpartition("/")
    address = f"postgres://127.0.0.1:{server.rpartition(':')[2]}"
    written = {output["name"]: output for output in done["outputs"]}
    assert {output["namespace"] for output in done["outputs"]} == {address}
    matches = written[f"{name}.bronze.football_data_match"]
    assert matches["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert written[f"{name}.bronze.quarantine"]["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert written[f"{name}.bronze.openfootball_match"]["outputFacets"]["outputStatistics"]["rowCount"] == 0
    assert [field["name"] for field in matches["facets"]["schema"]["fields"]][:5] == [
        "row_id",
        "file_id",
        "source",
        "key",
        "layout",
    ]
    assert matches["facets"]["schema"]["fields"][0]["type"] == "bigint"
    assert matches["facets"]["ownership"]["owners"] == [{"name": "team:data"}]
    judged, file = done["inputs"]  # no dataset of its own is what notes each file's state
    assert judged["name"] == f"{name}.bronze.source_file"
    path = world.settings.state_dir / "site" / "mmz4281" / "2324" / "E0.csv"
    assert (file["namespace"], file["name"]) == ("file", str(path))
    assert file["inputFacets"]["inputStatistics"]["size"] == path.stat().st_size

    (judged,) = receiver.last(check)["inputs"]
    (assertion,) = judged["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (judged["name"], assertion["name"]) == (f"{name}.bronze.quarantine", "nothing_waits_in_quarantine")
    assert (assertion["success"], assertion["severity"]) == (False, "warn")
    rated = receiver.last("forecast__match_rating")
    assert [dataset["name"] for dataset in rated["inputs"]] == [f"{name}.bronze.football_data_match"]
    assert [dataset["name"] for dataset in rated["outputs"]] == [f"{name}.forecast.match_rating"]


def test_a_file_of_the_web_is_named_by_its_address(world: World) -> None:
    story = lineage._story(Settings.read({"INGEST_DATABASE_URL": world.urls.ingest}), world.repository)
    delivered = [Delivered("football_data", "mmz4281/2324/E0.csv", "ab" * 32, 10, 1)]

    @dg.asset
    def taken_in() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"file_ids": [1]})

    (*_, done, _) = told_of(taken_in, datasets=story.datasets, delivered=lambda _: delivered)
    (file,) = done["inputs"]
    assert (file["namespace"], file["name"]) == ("https://www.football-data.co.uk", "mmz4281/2324/E0.csv")
    assert file["facets"]["version"]["datasetVersion"] == "ab" * 32


def test_a_failure_is_told_with_its_sentence_and_trace(urls: Urls, tmp_path: Path, receiver: Receiver, told: Told) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(urls, instance, tmp_path, is_broken=True)
        world.run("rate")
        world.tell(receiver, told)
    assert receiver.said == [
        *(("START", "rate"), ("START", "forecast__match_rating")),
        *(("FAIL", "forecast__match_rating"), ("FAIL", "rate")),
    ]
    error = receiver.last("forecast__match_rating")["run"]["facets"]["errorMessage"]
    assert "the ratings cannot be made" in error["message"]
    assert "ValueError" in error["stackTrace"]
    assert receiver.last("forecast__match_rating")["outputs"] == []


def test_a_run_that_was_taken_back_before_it_began_is_aborted(world: World, receiver: Receiver, told: Told) -> None:
    run = world.instance.create_run_for_job(world.repository.get_job("rate"))
    assert world.tell(receiver, told) == "0 events were sent"
    world.instance.report_run_canceled(run)
    world.tell(receiver, told)
    assert receiver.said == [("START", "rate"), ("ABORT", "rate")]
    assert told.n_events == {}


def test_what_a_server_did_not_take_is_sent_again_and_nothing_twice(world: World, receiver: Receiver, told: Told) -> None:
    first = world.run("rate")
    receiver.status = 503
    before = str(told)
    with pytest.raises(NotTaken, match=f"{receiver.url} answered 503"):
        world.tell(receiver, told)
    receiver.status, receiver.most = 201, 3
    assert "3 events were taken before, the rest is sent again" in world.tell(receiver, told)
    assert told.n_events == {first: 3}

    receiver.most = 10**6
    second = world.run("rate")
    again = Told.read(str(told), datetime.now(UTC))  # nothing but the cursor outlives a restart
    assert world.tell(receiver, again) == "5 events were sent"
    assert world.tell(receiver, again) == "no run is unfinished or new"
    assert [(event["eventType"], event["run"]["runId"]) for event in receiver.events if event["job"]["name"] == "rate"] == [
        *(("START", first), ("COMPLETE", first), ("START", second), ("COMPLETE", second)),
    ]
    assert len(receiver.events) == 8
    # Whoever kept no cursor says the same of the same runs: the ids do not depend on when it is told.
    ids = {event["run"]["runId"] for event in receiver.events}
    world.tell(receiver, Told.read(before, datetime.now(UTC)))
    assert {event["run"]["runId"] for event in receiver.events} == ids


def test_an_event_that_is_refused_for_good_holds_nothing_up(
    world: World, receiver: Receiver, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    world.run("rate")
    receiver.status = 422
    assert world.tell(receiver, told) == "4 events were sent"
    assert receiver.events == []
    assert f"{receiver.url} answered 422 to START of rate: it is left out" in caplog.text
    assert told.n_events == {}


def test_a_server_that_is_silent_or_away_costs_a_tick_a_bounded_time(
    world: World, receiver: Receiver, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("rate")
    monkeypatch.setattr("pipelines.lineage.server.PATIENCE_SECONDS", 0.2)
    receiver.is_silent.set()
    begin = time.monotonic()
    with pytest.raises(NotTaken, match="does not answer"):
        world.tell(receiver, told)
    assert time.monotonic() - begin < 1.5
    receiver.is_silent.clear()
    receiver.close()
    with pytest.raises(NotTaken, match="does not answer"):
        world.tell(receiver, told)
    assert list(told.n_events.values()) == [0]


def test_what_waited_for_a_week_is_given_up_and_says_so(
    world: World, receiver: Receiver, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = world.run("rate")
    later = datetime.now(UTC) + KEPT_FOR + timedelta(minutes=1)
    assert world.tell(receiver, told, later) == "0 events were sent"
    assert f"run {run_id} of rate is 7 days, 0:00:00 old: the rest of its lineage is not sent" in caplog.text
    assert told.n_events == {}


def test_the_sensor_says_that_nobody_is_told_unless_a_server_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENLINEAGE_URL", raising=False)
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance=instance) as context:
        said = lineage_sensor(context)
    assert isinstance(said, dg.SkipReason)
    assert "OPENLINEAGE_URL names no server" in str(said.skip_message)


def test_the_sensor_tells_the_server_that_is_set_and_keeps_its_place(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("rate")
    for name, value in (("OPENLINEAGE_URL", receiver.url), ("INGEST_DATABASE_URL", world.urls.ingest), ("EDITION", "test")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(lineage, "SETTLED_AFTER", timedelta(0))
    with dg.build_sensor_context(instance=world.instance, repository_def=world.repository) as context:
        result = lineage_sensor(context)
    assert isinstance(result, dg.SensorResult)
    assert receiver.said[-1] == ("COMPLETE", "rate")
    assert Told.read(result.cursor, datetime.now(UTC)).n_events == {}


def test_an_address_that_is_none_is_refused_with_an_example() -> None:
    with pytest.raises(SettingsError, match=r"OPENLINEAGE_URL='lineage:5000'.*https://lineage\.example\.org"):
        Settings.read({"OPENLINEAGE_URL": "lineage:5000"})


def test_the_step_that_reads_the_stream_reads_its_topic_by_openlineages_name() -> None:
    brokers = "broker.example.org:9093,other.example.org:9093"
    topics = lineage.topics_of(Settings.read({"KAFKA_BOOTSTRAP_SERVERS": brokers}))
    assert lineage.topics_of(Settings.read({})) == {}

    @dg.asset(key=STREAM)
    def stream_message() -> None:
        pass

    datasets = Datasets("football-live", "postgresql://127.0.0.1/football", {}, {}, {}, topics)
    told = [event for event in told_of(stream_message, datasets=datasets) if event["job"]["name"] == "bronze__stream_message"]
    assert [[(each["namespace"], each["name"]) for each in event["inputs"]] for event in told] == [
        [("kafka://broker.example.org:9093", "football.events")]
    ] * 2


def test_a_run_s_id_is_told_as_a_uuid_however_it_is_spelt(world: World, receiver: Receiver, told: Told) -> None:
    spelt = ("0197B2F4-0D7C-7A3E-8F51-6F0A3C1D2E4B", "0297b2f40d7c7a3e8f516f0a3c1d2e4b")
    for run_id in spelt:
        world.repository.get_job("rate").execute_in_process(instance=world.instance, run_id=run_id)
    assert world.tell(receiver, told) == "8 events were sent"
    assert told.n_events == {}
    ids = [event["run"]["runId"] for event in receiver.events if event["job"]["name"] == "rate"]
    parents = [run["run"]["facets"]["parent"] for run in receiver.events if run["job"]["name"] != "rate"]
    assert ids[::2] == ids[1::2] == [parent["run"]["runId"] for parent in parents[::2]]
    assert ids[::2] == [parent["root"]["run"]["runId"] for parent in parents[::2]]
    assert ids[::2] == [str(UUID(run_id)) for run_id in spelt]


def test_a_schedule_s_tag_that_is_no_moment_of_openlineages_holds_up_no_run(world: World, receiver: Receiver, told: Told) -> None:
    said = {
        "2026-03-01T06": "2026-03-01T06:00:00+00:00",
        "2026-03-01T06:00:00+01:00": "2026-03-01T05:00:00+00:00",
        "yesterday": None,
        "0001-01-01T00:00:00+01:00": None,
    }
    for tag in said:
        world.run("rate", **{".dagster/scheduled_execution_time": tag})
    assert world.tell(receiver, told) == "16 events were sent"
    runs = [
        event["run"]["facets"] for event in receiver.events if event["job"]["name"] == "rate" and event["eventType"] == "START"
    ]
    assert [run.get("nominalTime", {}).get("nominalStartTime") for run in runs] == [*said.values()]


def test_a_step_that_is_tried_again_goes_on_and_says_why() -> None:
    attempts = []

    @dg.asset
    def at_the_second_attempt() -> None:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            raise dg.RetryRequested(seconds_to_wait=0) from ConnectionError("the line is dead")

    told = told_of(at_the_second_attempt)
    assert [event["eventType"] for event in told if event["job"]["name"] == "at_the_second_attempt"] == [
        *("START", "RUNNING", "COMPLETE"),
    ]
    (running,) = (event for event in told if event["eventType"] == "RUNNING")
    error = running["run"]["facets"]["errorMessage"]
    assert "has requested a retry" in error["message"]
    assert "the line is dead" in error["stackTrace"]


def test_a_step_that_the_process_left_open_is_aborted_before_its_run_ends(world: World, receiver: Receiver, told: Told) -> None:
    run = world.instance.create_run_for_job(world.repository.get_job("rate"))
    step = "forecast__match_rating"
    for kind, key in ((DagsterEventType.RUN_START, None), (DagsterEventType.STEP_START, step)):
        world.instance.report_dagster_event(dg.DagsterEvent(kind.value, "rate", step_key=key), run.run_id)
    world.instance.report_run_canceled(run)
    world.tell(receiver, told)
    assert receiver.said == [("START", "rate"), ("START", step), ("ABORT", step), ("ABORT", "rate")]
    assert receiver.last(step)["run"]["facets"]["parent"]["run"]["runId"] == run.run_id


def test_each_expectation_that_failed_is_told_by_its_column() -> None:
    failures = [{"expectation": "expect_column_values_to_not_be_null", "column": "goals", "n_failing": None}]

    @dg.asset
    def match() -> None:
        pass

    @dg.asset_check(asset=match)
    def meets_its_suite() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, metadata={"failures": table_metadata(pd.DataFrame(failures))})

    (told,) = (event for event in told_of(match, checks=[meets_its_suite])
               if event["job"]["name"] == "match_meets_its_suite" and event["eventType"] == "COMPLETE")  # fmt: skip
    (judged,) = told["inputs"]
    assertions = judged["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [(each["assertion"], each["success"], each.get("column")) for each in assertions] == [
        ("meets_its_suite", False, None),
        ("expect_column_values_to_not_be_null", False, "goals"),
    ]
