"""Files as partitions: real files and database, runs of Dagster in this process; what the day tells, and what a backfill does."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import dagster as dg
import psycopg
import pytest
from click.testing import CliRunner, Result

from deploy import database as deploy_database
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from pipelines.commands import launch
from pipelines.commands.backfill import backfill as command
from pipelines.defs import failures
from pipelines.defs.automation import follow_up_sensor
from pipelines.defs.backfill import backfill, file
from pipelines.defs.failures import POLICIES, FailureClass
from pipelines.defs.ingestion import CAN_BE_HAD, FOOTBALL_DATA, ingestion
from pipelines.defs.partitions import FILE, FILES
from pipelines.defs.resources import resources
from pipelines.sources.football_data import FootballData
from pipelines.sources.http import Web
from tests.conftest import TEMPLATE
from tests.defs.conftest import E0, Site, played

WEB_PAGE = b"<!DOCTYPE html><html><body>404</body></html>"
DEFINITIONS = dg.Definitions(
    assets=[ingestion, file],
    jobs=[
        backfill,
        dg.define_asset_job("day", selection=dg.AssetSelection.groups("bronze")),
        dg.define_asset_job("from_the_assets_page", selection=[FILE]),
    ],
    resources=resources().resources,
    loggers=resources().loggers,
    executor=dg.in_process_executor,
)


def path_of(season: int) -> str:
    return f"/mmz4281/{season % 100:02}{(season + 1) % 100:02}/E0.csv"


def partition_of(season: int) -> str:
    return f"football_data{path_of(season)}"


@dataclass
class World:
    """A site, a database, an instance of Dagster."""

    site: Site
    database: str
    instance: dg.DagsterInstance
    environment: pytest.MonkeyPatch

    def day(self, moment: str = "2024-12-01T12:00Z", seasons: str = "2024") -> dg.ExecuteInProcessResult:
        """What the day's run does first."""
        self.environment.setenv("DATA_CUTOFF", moment)
        self.environment.setenv("SEASONS", seasons)
        result = DEFINITIONS.resolve_job_def("day").execute_in_process(instance=self.instance)
        assert result.success
        return result

    def backfill(self, first: int, last: int) -> dg.ExecuteInProcessResult:
        """The range as the UI starts it: one run with the tags of a range."""
        tags = {
            "dagster/asset_partition_range_start": partition_of(first),
            "dagster/asset_partition_range_end": partition_of(last),
        }
        job = DEFINITIONS.resolve_job_def("backfill")
        return job.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False)

    def choose(self, *partitions: str) -> dg.ExecuteInProcessResult:
        """Any set, as the command does."""
        config = {"ops": {"landing__file": {"config": {"partitions": list(partitions)}}}}
        job = DEFINITIONS.resolve_job_def("backfill")
        return job.execute_in_process(instance=self.instance, run_config=config, raise_on_error=False)

    def states(self, seasons: Sequence[int]) -> dict[int, str]:
        """How the partitions of these seasons stand in the UI."""
        partitions = [partition_of(season) for season in seasons]
        found = self.instance.get_status_by_partition(FILE, partitions, FILES) or {}
        states = (found[partition] for partition in partitions)
        return {season: state.value if state else "MISSING" for season, state in zip(seasons, states, strict=True)}

    def told(self) -> list[tuple[str | None, object, object]]:
        """Partition, version and rows of each materialization, oldest first."""
        records = self.instance.fetch_materializations(FILE, limit=1000, ascending=True).records
        events = [record.asset_materialization for record in records]
        return [
            (each.partition, each.metadata["version"].value, each.metadata["dagster/partition_row_count"].value)
            for each in events
            if each
        ]

    def rows(self) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(
                "select key, cells, since_version from bronze.football_data_match order by row_id"
            ).fetchall()


@pytest.fixture
def world(loaded: World) -> Iterator[World]:
    """The module's, with the site as it was at first."""
    files = dict(loaded.site.files)
    yield loaded
    loaded.site.files, loaded.site.refused = files, set()


@pytest.fixture(scope="module")
def loaded(postgres: PostgresServer, database_template: Secrets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """After the day's run on the season 2024."""
    site, folder = Site(), tmp_path_factory.mktemp("backfill")
    site.files |= {path_of(season): played(1, 2, season=season) for season in range(2015, 2021)}
    urls = deploy_database.copy(postgres.url(), TEMPLATE, "football_backfill", database_template)
    quick = {kind: replace(policy, first_delay_seconds=0) for kind, policy in POLICIES.items()}
    with pytest.MonkeyPatch.context() as environment, dg.DagsterInstance.ephemeral() as instance:
        environment.setattr(failures, "POLICIES", quick)
        values = {
            "SOURCES": "football_data,inbox",
            "FOOTBALL_DATA_URL": site.url,
            "COMPETITIONS": "E0",
            "STATE_DIR": str(folder),
            "INGEST_DATABASE_URL": urls.ingest,
            "MODEL_DATABASE_URL": urls.model,
            "READER_DATABASE_URL": urls.reader,
            "DAGSTER_EVENT_BATCH_SIZE": "1000",
        }
        for name, value in values.items():
            environment.setenv(name, value)
        (folder / "inbox").mkdir()
        (folder / "inbox" / "no...partition.csv").write_bytes(played(3))
        world = World(site, urls.ingest, instance, environment)
        world.day()
        yield world
    site.http.shutdown()
    site.http.server_close()
    deploy_database.drop(postgres.url(), "football_backfill")


def check_of(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = (each for each in result.get_asset_check_evaluations() if each.check_name == CAN_BE_HAD.name)
    return found


def test_every_file_that_a_source_could_have_is_a_partition_and_a_competitions_seasons_stand_together(world: World) -> None:
    partitions = list(world.instance.get_dynamic_partitions("source_file"))
    assert len(partitions) == 22 * 32 + 16 + 2
    first = partitions.index(partition_of(1993))
    assert partitions[first : first + 32] == [partition_of(season) for season in range(1993, 2025)]


def test_the_day_tells_of_what_is_new_alone_and_of_what_no_run_has_told_yet(world: World) -> None:
    before = world.told()
    assert set(before) == {(partition_of(2024), 1, 1), ("football_data/fixtures.csv", 1, 1)}
    assert len(world.rows()) == 3, "the inbox's file is loaded, though Dagster takes no such name for a partition"
    world.day()
    assert world.told() == before
    world.site.files[E0] = played(1, 2)
    world.day()
    assert world.told() == [*before, (partition_of(2024), 2, 2)]


def test_a_season_to_come_is_not_there_yet_until_august_and_then_missed(world: World) -> None:
    july = world.day("2025-07-31T12:00Z", "2024-2025")
    assert check_of(july).passed
    assert world.instance.get_dynamic_partitions("source_file")[-1] == "football_data/mmz4281/2526/T1.csv"
    assert world.states([2025]) == {2025: "MISSING"}
    august = check_of(world.day("2025-08-01T12:00Z", "2024-2025"))
    assert (august.passed, august.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert august.description == "1 of 5 files cannot: football_data has no mmz4281/2526/E0.csv, though it is due by now."


def test_a_file_in_trouble_is_told_at_its_partition_and_the_day_goes_on(world: World) -> None:
    world.site.refused = {E0}
    evaluation = check_of(world.day())
    said = f"127.0.0.1:{world.site.http.server_port} refuses to give mmz4281/2425/E0.csv (HTTP 403)."
    assert evaluation.description == f"1 of 4 files cannot: {said}"
    (observed,) = world.instance.fetch_observations(FILE, limit=1).records
    assert observed.partition_key == partition_of(2024)
    assert observed.asset_observation is not None
    assert observed.asset_observation.metadata["fault"].value == said
    world.site.refused = set()
    del world.site.files[E0]
    assert check_of(world.day()).description == "1 of 4 files cannot: football_data has mmz4281/2425/E0.csv no more."


def test_a_range_is_loaded_by_one_run_and_a_file_that_fails_leaves_the_others_loaded(world: World) -> None:
    world.site.files[path_of(2017)] = WEB_PAGE
    result = world.backfill(2014, 2018)
    assert world.states(range(2014, 2020)) == {
        2014: "FAILED",  # planned, and neither there nor loaded when the run failed
        2015: "MATERIALIZED",
        2016: "MATERIALIZED",
        2017: "FAILED",
        2018: "MATERIALIZED",
        2019: "MISSING",
    }
    (event,) = result.get_step_failure_events()
    noted = event.step_failure_data.user_failure_data
    assert noted is not None
    assert noted.metadata["class"].value == "source changed"
    assert noted.description == (
        "1 of 5 files failed, the others are loaded. Nothing in football_data/mmz4281/1718/E0.csv is usable."
    )
    world.site.files[path_of(2017)] = played(1, 2, season=2017)
    before = world.rows()
    assert world.backfill(2014, 2017).success
    assert len(world.rows()) == len(before) + 2
    assert world.states([2017]) == {2017: "MATERIALIZED"}
    # The tables say that this run wrote to them.
    (record,) = world.instance.fetch_materializations(FOOTBALL_DATA, limit=1).records
    assert record.asset_materialization is not None
    assert record.asset_materialization.metadata["n_inserted"].value == 2


def test_what_is_loaded_twice_brings_no_row_and_is_not_sent_again(world: World) -> None:
    assert world.backfill(2015, 2016).success
    before = world.rows()
    world.site.seen()
    assert world.backfill(2015, 2016).success
    assert world.rows() == before
    assert sorted(world.site.seen()) == [(path_of(2015), 304), (path_of(2016), 304)]


def test_an_outage_ends_the_run_and_what_came_before_it_stays(world: World) -> None:
    world.site.refused = {path_of(season) for season in range(2000, 2004)}
    result = world.choose(*map(partition_of, (2019, 2000, 2001, 2002, 2003, 2020)))
    (event,) = result.get_step_failure_events()
    assert event.step_failure_data.user_failure_data is not None
    assert event.step_failure_data.user_failure_data.metadata["class"].value == "network"
    assert world.states([2019, 2000, 2003, 2020]) == {
        **{2019: "MATERIALIZED", 2000: "FAILED", 2003: "FAILED"},
        2020: "FAILED",  # not asked for any more
    }


def test_a_few_files_out_of_reach_are_attempted_as_often_as_their_class_says(world: World) -> None:
    world.site.refused = {path_of(2016)}
    world.site.seen()
    result = world.choose(partition_of(2015), partition_of(2016))
    (event,) = result.get_step_failure_events()
    noted = event.step_failure_data.user_failure_data
    assert noted is not None
    assert noted.metadata["class"].value == "network"
    assert "runbook" in noted.metadata
    assert str(noted.description).startswith("1 of 2 files failed, the others are loaded. ")
    n_attempts = 1 + POLICIES[FailureClass.NETWORK].n_retries
    assert len([path for path, _ in world.site.seen() if path == path_of(2015)]) == n_attempts
    assert world.states([2015, 2016]) == {2015: "MATERIALIZED", 2016: "FAILED"}


@pytest.mark.parametrize("partition", ["football_data/../../etc/passwd", "elsewhere/E0.csv", "inbox/none.csv", "nonsense"])
def test_a_partition_that_no_source_offers_is_refused_without_asking_for_it(world: World, partition: str) -> None:
    world.site.seen()
    (event,) = world.choose(partition).get_step_failure_events()
    assert event.step_failure_data.user_failure_data is not None
    assert f"No source offers {partition} now" in str(event.step_failure_data.user_failure_data.description)
    assert world.site.seen() == []


def test_without_a_choice_nothing_is_loaded(world: World) -> None:
    (event,) = world.choose().get_step_failure_events()
    assert event.step_failure_data.user_failure_data is not None
    assert str(event.step_failure_data.user_failure_data.description).startswith("No file is chosen")


def test_nothing_follows_a_backfill_whichever_way_it_was_started(world: World) -> None:
    for name, selection in (("backfill", None), ("from_the_assets_page", {FILE})):
        run = world.instance.create_run_for_job(DEFINITIONS.resolve_job_def(name), asset_selection=selection)
        event = dg.DagsterEvent("PIPELINE_SUCCESS", name)
        context = dg.build_run_status_sensor_context("follow_up_sensor", event, world.instance, run)
        (outcome,) = follow_up_sensor(context)
        assert isinstance(outcome, dg.SkipReason)


@pytest.fixture
def football(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`football("E0", "--from", "2015")`: the command with an instance of its own, its job made of this file's definitions."""
    monkeypatch.setattr(dg.DagsterInstance, "get", dg.DagsterInstance.ephemeral)
    monkeypatch.setattr(launch, "job_named", DEFINITIONS.resolve_job_def)
    world.day()
    return lambda *arguments: CliRunner().invoke(command, arguments)


def test_the_command_loads_seasons_of_a_competition_and_says_what_stands(world: World, football: Callable[..., Result]) -> None:
    done = football("e0", "--from", "2018", "--to", "2020")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0] == f"3 files, from {partition_of(2018)} to {partition_of(2020)}"
    assert done.output.splitlines()[-1] == "3 of 3 files are loaded, with 6 lines. `football refresh` carries them on."


def test_a_source_that_does_not_answer_is_a_sentence_and_what_was_loaded_stays(
    world: World, football: Callable[..., Result]
) -> None:
    assert world.backfill(2018, 2019).success
    before = world.rows()
    world.site.is_out_of_order = True
    done = football("E0", "--from", "2018", "--to", "2019")
    world.site.is_out_of_order = False
    assert done.exit_code == 1
    assert "refuses to give mmz4281/1819/E0.csv (HTTP 403)" in done.output
    assert "Traceback" not in done.output
    assert done.output.splitlines()[-1] == "2 of 2 files are loaded, with 4 lines."
    assert world.rows() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["E0", "XX"], "There is no competition XX. There are E0, E1"),
        (["E0", "--from", "2020", "--to", "2015"], "not from 2020 to 2015"),
        (["E0", "--to", "2090"], "Seasons go from 1993 to 2024"),
        (["E0", "--source", "openfootball"], "openfootball is not among SOURCES, which names football_data, inbox."),
        (["E0", "--source", "inbox"], "There are no files of E0 for the seasons 1993 to 2024."),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_backfilled_is_refused_with_a_sentence_before_anything_is_asked_for(
    world: World, arguments: list[str], said: str
) -> None:
    world.day()
    world.site.seen()
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code != 0
    assert said in done.output
    assert world.site.seen() == []


@pytest.mark.parametrize(
    ("key", "day", "is_due"),
    [
        ("mmz4281/2526/E0.csv", "2025-07-31", False),
        ("mmz4281/2526/E0.csv", "2025-08-01", True),
        ("mmz4281/2526/E0.csv", "2026-06-30", True),
        ("mmz4281/9394/EC.csv", "2025-08-01", False),  # the site never had it
        ("mmz4281/2627/E0.csv", "2025-08-01", False),
        ("new/ARG.csv", "2025-07-01", True),
        ("fixtures.csv", "2025-08-01", False),
    ],
)
def test_a_file_is_due_once_its_season_has_begun(key: str, day: str, is_due: bool) -> None:
    today = datetime.fromisoformat(day).replace(tzinfo=UTC).date()
    assert FootballData("https://example.org", Web()).is_due(key, today) is is_due
