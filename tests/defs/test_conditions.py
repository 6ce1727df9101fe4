"""What follows by itself, over simulated days: the real graph with its checks and conditions, Dagster's own evaluation and runs.

Only the clock is ours, and what steps do: each asset of the graph is there with its key, what it is made of, its checks and its
condition, and does nothing but succeed or fail.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import dagster as dg
import pytest
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._core.events import RunFailureReason, StepMaterializationData
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import freeze_time, instance_for_test

from pipelines.defs import automation, failures
from pipelines.defs.conditions import AT_MOST_A_DAY, ATTEMPTS_A_DAY, LEDGER, RATINGS, TO_PUBLICATION, follow_sensor
from pipelines.defs.failures import POLICIES, RUNBOOK, under_policy
from pipelines.defs.manifest import ensure_manifest
from pipelines.defs.training import MODELS_OF
from pipelines.settings import PROJECT_DIR
from pipelines.store.turn import Busy

# Dagster's lines, some hundred thousand of them: coverage takes half as much time again for them, and ours are run elsewhere, too.
pytestmark = pytest.mark.no_cover

MIDNIGHT = datetime(2025, 3, 1, tzinfo=UTC)
MATCHES = dg.AssetKey(["gold", "fct_match"])
HISTORY = MODELS_OF["history"]
FOLLOWERS = {"forecast/match_rating", "forecast/prediction", "publication", "record"}
ASKED_FOR = {"dagster/from_automation_condition": "true", "dagster/sensor_name": "follow_sensor", **follow_sensor.run_tags}
"""Tags of a run that the condition asked for."""

_STEP_OF = {
    "published": "publication",
    "forecast/score": "record",
    "forecast/scoreboard": "record",
    "forecast/calibration": "record",
}


class Graph:
    """The real graph, whose steps succeed unless they are named in `broken`, and whose checks pass unless they are."""

    def __init__(self, real: dg.Definitions) -> None:
        self.broken: set[str] = set()
        self.trouble: Exception = RuntimeError("for ever")
        self.attempts: Counter[str] = Counter()
        graph = real.resolve_asset_graph()
        layers = {"gold", "forecast", "published"}
        specs = {spec.key: spec for spec in real.resolve_all_asset_specs() if spec.key.path[0] in layers}
        checks = [graph.get(key) for key in graph.asset_check_keys if key.asset_key in specs]
        self.definitions = dg.Definitions(
            assets=[self._asset(spec, set(specs)) for spec in specs.values()],
            asset_checks=[self._check(check.key, check.blocking) for check in checks],
            jobs=[
                dg.define_asset_job(
                    job.name,
                    dg.AssetSelection.assets(*(set(specs) & real.resolve_job_def(job.name).asset_layer.selected_asset_keys)),
                    tags=job.tags,
                )
                for job in (automation.day, automation.data, automation.week)
            ],
            executor=dg.in_process_executor,
            loggers={"console": _silent},
        )

    def _asset(self, spec: dg.AssetSpec, known: set[dg.AssetKey]) -> dg.AssetsDefinition:
        kept = dg.AssetSpec(
            spec.key,
            deps=[dep.asset_key for dep in spec.deps if dep.asset_key in known],
            group_name=spec.group_name,
            automation_condition=spec.automation_condition,
        )

        @dg.multi_asset(specs=[kept], name=spec.key.to_python_identifier())
        @under_policy
        def step() -> dg.MaterializeResult[None]:
            self.attempts[spec.key.to_user_string()] += 1
            if spec.key.to_user_string() in self.broken:
                raise self.trouble
            return dg.MaterializeResult(asset_key=spec.key)

        return step

    def _check(self, key: dg.AssetCheckKey, blocking: bool) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset=key.asset_key, name=key.name, blocking=blocking)
        def judge() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=key.name not in self.broken)

        return judge


@dg.logger
def _silent(_: dg.InitLoggerContext) -> logging.Logger:
    return logging.Logger("nobody", logging.CRITICAL)


_QUIETLY = {"loggers": {"console": {}}}
"""A logger that a run's config does not name is not used, and Dagster's own writes a line for each of some hundred events."""


class Daemon:
    """Evaluates conditions by a clock that is moved by hand, and executes what they ask for."""

    def __init__(self, graph: Graph, instance: dg.DagsterInstance) -> None:
        self.graph, self.instance = graph, instance
        self.now = MIDNIGHT
        self.cursor: AssetDaemonCursor | None = None
        self.run("day")
        assert self.tick() == set()

    def run(self, job: str | None = None, keys: Sequence[dg.AssetKey] = (), tags: Mapping[str, str] | None = None) -> bool:
        """Execute a job, or these assets with their checks; whether it succeeded."""
        self.now += timedelta(seconds=5)
        with freeze_time(self.now):
            resolved = self.graph.definitions.resolve_job_def(job or "__ASSET_JOB")
            chosen = list(keys) or None
            done = resolved.execute_in_process(
                run_config=_QUIETLY, instance=self.instance, raise_on_error=False, asset_selection=chosen, tags=tags
            )
            return done.success

    def begin(self, job: str, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """Keep a run of a job that stands so, and has done nothing yet."""
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "all"), job)
        resolved = self.graph.definitions.resolve_job_def(job)
        with freeze_time(self.now):
            return self.instance.create_run_for_job(resolved, status=status, remote_job_origin=origin)

    def report(self, run: dg.DagsterRun, kind: dg.DagsterEventType, data: StepMaterializationData | None = None) -> None:
        """Say that this happened in a run."""
        with freeze_time(self.now):
            event = dg.DagsterEvent(kind.value, run.job_name, event_specific_data=data)
            self.instance.report_dagster_event(event, run.run_id)

    def tick(self, minutes: float = 1) -> set[str]:
        """Move the clock, evaluate, execute what was asked for; its steps."""
        return steps(self._tick(minutes))

    def asked_for(self, minutes: float) -> set[str]:
        """As `tick`; its assets."""
        return {key.to_user_string() for key in self._tick(minutes)}

    def _tick(self, minutes: float) -> list[dg.AssetKey]:
        self.now += timedelta(minutes=minutes)
        with freeze_time(self.now):
            result = dg.evaluate_automation_conditions(
                self.graph.definitions, self.instance, evaluation_time=self.now, cursor=self.cursor
            )
        self.cursor = result.cursor
        keys = [spec.key for spec in self.graph.definitions.resolve_all_asset_specs() if result.get_num_requested(spec.key)]
        if keys:
            self.run(keys=keys, tags=ASKED_FOR)
        return keys


def steps(keys: Sequence[dg.AssetKey]) -> set[str]:
    return {_STEP_OF.get(key.path[0]) or _STEP_OF.get(key.to_user_string()) or key.to_user_string() for key in keys}


@pytest.fixture(scope="module")
def real() -> dg.Definitions:
    ensure_manifest()
    from pipelines.definitions import defs

    return defs()


@pytest.fixture
def daemon(real: dg.Definitions) -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(Graph(real), instance)


def test_ratings_forecasts_publication_and_record_follow_and_nothing_else_does(real: dg.Definitions) -> None:
    followers = [spec.key for spec in real.resolve_all_asset_specs() if spec.automation_condition is not None]
    assert steps(followers) == FOLLOWERS
    (sensor,) = [each for each in real.sensors or [] if isinstance(each, dg.AutomationConditionSensorDefinition)]
    assert sensor.name == "follow_sensor"
    chosen = sensor.asset_selection.resolve(real.resolve_asset_graph())
    assert set(followers) <= chosen


def test_what_data_made_anew_is_forecast_published_and_scored_in_one_run_and_once(daemon: Daemon) -> None:
    assert daemon.run("data")
    assert daemon.tick() == FOLLOWERS - {"forecast/match_rating"}
    assert [daemon.tick(minutes) for minutes in (1, 5, 60, 240, 1440)] == [set()] * 5


def test_matches_that_somebody_made_anew_are_rated_first_in_the_same_run(daemon: Daemon) -> None:
    gold = [spec.key for spec in daemon.graph.definitions.resolve_all_asset_specs() if spec.group_name == "gold"]
    assert daemon.run(keys=gold)
    assert daemon.tick() == FOLLOWERS
    assert daemon.tick() == set()


def test_a_model_that_somebody_trained_is_followed_by_forecasts_and_ratings_stay(daemon: Daemon) -> None:
    assert daemon.run(keys=[HISTORY])
    assert daemon.tick() == FOLLOWERS - {"forecast/match_rating"}


def test_the_day_is_not_answered_whether_it_succeeds_or_fails(daemon: Daemon) -> None:
    for broken in ("nothing", "forecast/match_rating", "predictions_meet_expectations", "published/publication"):
        daemon.graph.broken = {broken}
        assert daemon.run("day") is (broken == "nothing")
        assert [daemon.tick() for _ in range(2)] == [set()] * 2, broken


def test_a_step_that_somebody_made_once_more_behind_a_failed_day_carries_itself_on(daemon: Daemon) -> None:
    daemon.graph.broken = {"forecast/match_rating"}
    assert not daemon.run("day")
    assert daemon.tick() == set()
    daemon.graph.broken = set()
    assert daemon.run(keys=[RATINGS])
    assert daemon.tick() == {"forecast/prediction"}, "the failed run never asked the check of forecasts: it has to pass first"
    assert daemon.tick() == {"publication", "record"}
    assert daemon.tick() == set()


def test_chosen_steps_of_a_failed_day_made_once_more_from_its_page_are_carried_on_though_they_have_the_days_tags(
    daemon: Daemon,
) -> None:
    daemon.graph.broken = {"forecast/match_rating"}
    assert not daemon.run("day")
    daemon.graph.broken = set()
    assert daemon.run("day", [RATINGS], {**TO_PUBLICATION, "dagster/step_selection": "forecast__match_rating"})
    assert daemon.tick() == {"forecast/prediction"}
    assert daemon.tick() == {"publication", "record"}
    assert daemon.tick() == set()


def test_a_training_that_failed_holds_back_nothing_that_the_champion_forecasts(daemon: Daemon) -> None:
    daemon.graph.broken = {HISTORY.to_user_string()}
    assert not daemon.run("week")
    assert daemon.tick() == set(), "the week is not answered"
    assert daemon.run("data")
    assert daemon.tick() == {"forecast/prediction"}, "the failed run never asked the check of forecasts: it has to pass first"
    assert daemon.tick() == {"publication", "record"}


def test_nothing_fires_past_a_failed_blocking_check_and_it_is_held_not_lost(daemon: Daemon) -> None:
    daemon.graph.broken = {"not_null_fct_match_match_id"}
    daemon.run(keys=[MATCHES])
    assert [daemon.tick() for _ in range(2)] == [set()] * 2
    daemon.graph.broken = set()
    assert daemon.run(keys=[MATCHES])
    assert daemon.tick() == FOLLOWERS


def test_a_failed_check_of_forecasts_keeps_them_from_readers_in_the_run_that_was_asked_for_and_behind_it(daemon: Daemon) -> None:
    daemon.graph.broken = {"predictions_meet_expectations"}
    daemon.run("data")
    assert daemon.tick() == FOLLOWERS - {"forecast/match_rating"}
    published = daemon.instance.get_latest_materialization_event(dg.AssetKey(["published", "publication"]))
    assert [daemon.tick() for _ in range(2)] == [set()] * 2
    daemon.run(keys=[LEDGER])
    assert daemon.tick(minutes=300) == set()
    assert daemon.instance.get_latest_materialization_event(dg.AssetKey(["published", "publication"])) == published
    daemon.graph.broken = set()
    daemon.run(keys=[LEDGER])
    assert daemon.tick() == {"publication", "record"}


def test_a_check_that_was_not_asked_since_holds_back_as_one_that_failed(daemon: Daemon) -> None:
    daemon.now += timedelta(seconds=5)
    with freeze_time(daemon.now):
        daemon.instance.report_runless_asset_event(dg.AssetMaterialization(LEDGER))
    assert [daemon.tick() for _ in range(3)] == [set()] * 3


@pytest.mark.parametrize("job", ["day", "week"])
def test_nothing_fires_while_a_run_that_publishes_waits_or_is_at_work(daemon: Daemon, job: str) -> None:
    assert daemon.run(keys=[HISTORY])
    for status in ("QUEUED", "STARTING", "STARTED", "CANCELING"):
        run = daemon.begin(job, dg.DagsterRunStatus[status])
        assert [daemon.tick() for _ in range(2)] == [set()] * 2, status
        daemon.report(run, dg.DagsterEventType.PIPELINE_CANCELED)
    # Checks that a run was to ask and did not have not passed: gold's are the day's, and the next day's run asks them.
    assert daemon.tick() == ({"forecast/prediction"} if job == "week" else set())


def test_nothing_fires_while_a_run_has_still_to_publish_though_its_forecasts_are_made(daemon: Daemon) -> None:
    run = daemon.begin("week", dg.DagsterRunStatus.STARTED)
    for key in (*MODELS_OF.values(), RATINGS, LEDGER):
        made = StepMaterializationData(dg.AssetMaterialization(key))
        daemon.report(run, dg.DagsterEventType.ASSET_MATERIALIZATION, made)
    assert daemon.tick() == set()
    assert daemon.run(keys=[HISTORY])
    assert [daemon.tick() for _ in range(3)] == [set()] * 3
    daemon.report(run, dg.DagsterEventType.PIPELINE_CANCELED)
    assert daemon.tick() == {"forecast/prediction"}


@pytest.mark.parametrize("broken", ["forecast/match_rating", "published/publication"])
def test_what_fails_for_ever_is_asked_for_once_for_each_change_and_six_times_a_day_whatever_changes_and_retries_are_counted(
    daemon: Daemon, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = {kind: replace(policy, first_delay_seconds=0) for kind, policy in POLICIES.items()}
    monkeypatch.setattr(failures, "POLICIES", MappingProxyType(at_once))
    daemon.graph.broken, daemon.graph.trouble = {broken}, Busy("of the class that is attempted most often")
    daemon.run(keys=[MATCHES])
    asked = [broken in daemon.asked_for(minutes) for minutes in (5, 5, 50, 240, 240)]
    assert asked == [True] + 4 * [False], "nothing else changed"

    daemon.now = MIDNIGHT + timedelta(hours=22)
    times, attempts = [], Counter[str]()
    for _ in range(13):  # twice as many changes as there may be answers, in a day and the first hours of the next
        daemon.run(keys=[MATCHES])
        before = daemon.graph.attempts[broken]
        if broken in daemon.asked_for(minutes=120):
            times.append(f"{daemon.now:%d %H}")
        attempts[f"{daemon.now:%d}"] += daemon.graph.attempts[broken] - before
    assert times == [*(f"02 {hour:02}" for hour in (0, 4, 8, 12, 16, 20)), "03 00"]
    assert len(times) == AT_MOST_A_DAY + 1
    assert attempts == {"02": ATTEMPTS_A_DAY, "03": ATTEMPTS_A_DAY // AT_MOST_A_DAY}
    assert ATTEMPTS_A_DAY == 24


def test_the_runbook_says_how_often_that_is() -> None:
    runbook = " ".join((PROJECT_DIR / RUNBOOK).read_text("utf-8").partition("\n## What follows by itself\n")[2].split())
    assert f"is asked for at most {AT_MOST_A_DAY} times a day" in runbook
    assert f"that is at most {ATTEMPTS_A_DAY} attempts a day" in runbook


def test_what_a_person_runs_once_more_from_the_page_of_a_run_that_was_asked_for_counts_for_nothing(daemon: Daemon) -> None:
    daemon.graph.broken = {"forecast/match_rating"}
    daemon.run(keys=[MATCHES])
    assert [daemon.tick(), daemon.tick()] == [FOLLOWERS, set()]
    followers = [spec.key for spec in daemon.graph.definitions.resolve_all_asset_specs() if spec.automation_condition is not None]
    daemon.now = MIDNIGHT + timedelta(hours=4, minutes=1)
    for _ in range(AT_MOST_A_DAY + 1):
        assert not daemon.run(keys=followers, tags=ASKED_FOR)
    daemon.run(keys=[MATCHES])
    assert "forecast/match_rating" in daemon.asked_for(minutes=1), "the first since four, whatever a person ran"
    daemon.graph.broken = set()
    assert daemon.run(keys=followers, tags=ASKED_FOR)
    assert [daemon.tick() for _ in range(2)] == [set()] * 2, "what a person made is not made again"


def test_a_run_that_was_asked_for_is_not_started_anew_where_its_process_dies_as_a_job_s_is() -> None:
    with instance_for_test({"run_retries": {"enabled": True, "max_retries": 2}}) as instance:
        for tags, is_begun_anew in (({}, True), (ASKED_FOR, False)):
            run = instance.create_run_for_job(dg.job(name="j")(lambda: None), tags=tags, status=dg.DagsterRunStatus.FAILURE)
            assert auto_reexecution_should_retry_run(instance, run, RunFailureReason.RUN_EXCEPTION) is is_begun_anew
