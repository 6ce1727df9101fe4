"""What each kind of failure does to a real run of Dagster: its class, the attempts, what people are told; and that the runbook says so."""

import inspect
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import dagster as dg
import httpx
import psycopg
import psycopg2
import pytest
import redis
import requests
import sqlalchemy
from botocore.exceptions import ChecksumError, ClientError, FlexibleChecksumError, IncompleteReadError, ResponseStreamingError
from dagster._core.events import JobFailureData
from dagster_k8s.client import DagsterK8sAPIRetryLimitExceeded
from dagster_shared.error import SerializableErrorInfo

from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from pipelines.defs import failures
from pipelines.defs.failures import POLICIES, FailureClass, classify, classify_event, under_policy
from pipelines.defs.manifest import ensure_manifest
from pipelines.sources.http import Patience, Web
from pipelines.store.landing import FolderLanding
from pipelines.store.turn import alone

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "postgresql://nobody:wrong@127.0.0.1:9/nothing"
ONCE = Web(Patience(attempts=1, max_bytes=4))


@dataclass(frozen=True)
class World:
    """What a case may break; of the database only connections, so that all have one."""

    database: str
    folder: Path


def raised_by_postgres(code: str) -> Callable[[World], None]:
    def fail(world: World) -> None:
        with psycopg.connect(world.database) as connection:
            connection.execute(f"do $$ begin raise exception 'as it happens' using errcode = '{code}'; end $$")

    return fail


def ended_by_another_connection(world: World) -> None:
    with psycopg.connect(world.database) as victim, psycopg.connect(world.database, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s)", (victim.info.backend_pid,))
        victim.execute("select 1")


def disk_full(_: World) -> None:
    with Path("/dev/full").open("w") as full:
        full.write("one line")


def too_large(world: World) -> None:
    (world.folder / "E0.csv").write_text("more than four bytes")
    ONCE.fetch("football_data", "E0.csv", (world.folder / "E0.csv").as_uri(), None, None)


def landing_damaged(world: World) -> None:
    landing = FolderLanding(world.folder)
    digest = landing.put(b"as it came")
    (path,) = (path for path in world.folder.rglob(digest) if path.is_file())
    path.chmod(0o600)
    path.write_bytes(b"otherwise")
    landing.get(digest)


def wrapped(_: World) -> None:
    try:
        requests.get("http://127.0.0.1:9/", timeout=1)
    except requests.RequestException as error:
        raise RuntimeError("the registry could not be asked") from error


def dbt_says(text: str) -> Callable[[World], None]:
    def fail(_: World) -> None:
        raise dg.Failure(f"dbt: {text}")

    return fail


def s3_answers(status: int, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


def s3_slows_down(_: World) -> None:
    raise s3_answers(503, "SlowDown")


N, S, D, R, C, DOWN = FailureClass
CASES: dict[str, tuple[Callable[[World], Any], FailureClass]] = {
    "A source refuses the connection": (
        lambda _: ONCE.fetch("football_data", "E0.csv", "http://127.0.0.1:9/E0.csv", None, None),
        N,
    ),
    "The folder of a mirror is not there": (lambda world: ONCE.folder((world.folder / "none").as_uri()), N),
    "An HTTP client finds nobody": (lambda _: httpx.get("http://127.0.0.1:9/"), N),
    "A file is larger than any match file": (too_large, S),
    "Kept bytes no longer have their digest": (landing_damaged, D),
    "A value does not fit its column": (raised_by_postgres("22003"), D),
    "A row breaks a constraint": (raised_by_postgres("23505"), D),
    "A data test of dbt finds rows": (dbt_says("unique_match_id: Got 3 results, configured to fail if != 0"), D),
    "This machine's disk is full": (disk_full, R),
    "PostgreSQL's disk is full": (raised_by_postgres("53100"), R),
    "PostgreSQL has no connection left": (raised_by_postgres("53300"), R),
    "Memory does not suffice": (lambda _: bytearray(1 << 62), R),
    "dbt finds PostgreSQL's disk full": (dbt_says("fct_match: could not extend file: No space left on device"), R),
    "A key is missing in our own code": (lambda _: {}["nothing"], C),
    "A statement names a table that is not there": (raised_by_postgres("42P01"), C),
    "PostgreSQL is away (psycopg)": (lambda _: psycopg.connect(NOWHERE), DOWN),
    "PostgreSQL is away (psycopg2)": (lambda _: psycopg2.connect(NOWHERE), DOWN),
    "PostgreSQL is away (ADBC)": (lambda _: adbc.connect(NOWHERE), DOWN),
    "PostgreSQL is away (SQLAlchemy)": (lambda _: sqlalchemy.create_engine(NOWHERE.replace(":", "+psycopg:", 1)).connect(), DOWN),
    "PostgreSQL is away (dbt)": (dbt_says('Database Error connection to server at "127.0.0.1" failed'), DOWN),
    "PostgreSQL ends the connection": (ended_by_another_connection, DOWN),
    "Two transactions wait for each other": (raised_by_postgres("40P01"), DOWN),
    "Valkey is away": (lambda _: redis.Redis(port=9, retry=None).ping(), DOWN),
    "The model registry is away": (wrapped, DOWN),
    "Object storage asks for fewer requests": (s3_slows_down, DOWN),
    "dbt's transaction and another wait for each other": (dbt_says("fct_match: Database Error deadlock detected"), DOWN),
    "dbt does not get a lock in time": (dbt_says("fct_match: Database Error canceling statement due to lock timeout"), DOWN),
    "dbt loses its connection": (dbt_says("fct_match: Database Error SSL SYSCALL error: EOF detected"), DOWN),
    "A program takes longer than it may": (lambda _: subprocess.run(["sleep", "60"], check=True, timeout=0.01), DOWN),
}


def table() -> str:
    """The runbook's, in Markdown."""
    rows = [
        f"| {what} | {kind} | {1 + POLICIES[kind].n_retries} | {POLICIES[kind].response} |" for what, (_, kind) in CASES.items()
    ]
    return "\n".join(["| what happened | class | attempts | then |", "| --- | --- | --- | --- |", *rows])


@pytest.fixture
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers of attempts, one after the other."""
    quick = {kind: replace(policy, first_delay_seconds=0) for kind, policy in POLICIES.items()}
    monkeypatch.setattr(failures, "POLICIES", MappingProxyType(quick))


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def materialize(instance: dg.DagsterInstance, compute: Callable[[], Any]) -> dg.ExecuteInProcessResult:
    return dg.materialize([dg.asset(under_policy(compute))], instance=instance, raise_on_error=False)


@pytest.mark.parametrize("what", CASES)
def test_a_failure_is_attempted_as_often_as_its_class_allows_and_ends_with_what_it_means_for_the_api(
    what: str, postgres: PostgresServer, tmp_path: Path, instance: dg.DagsterInstance, without_waiting: None
) -> None:
    fail, kind = CASES[what]
    attempts: list[None] = []

    def broken() -> None:
        attempts.append(None)
        folder = tmp_path / str(len(attempts))
        folder.mkdir()
        fail(World(postgres.url(), folder))

    result = materialize(instance, broken)
    assert not result.success
    assert len(attempts) == 1 + POLICIES[kind].n_retries
    (event,) = result.get_step_failure_events()
    noted = event.step_failure_data.user_failure_data
    assert noted is not None
    assert {name: value.value for name, value in noted.metadata.items()} == {
        "class": kind.value,
        "response": POLICIES[kind].response.value,
        "meaning for the API": POLICIES[kind].meaning,
        "runbook": failures.runbook_line(kind),
    }
    assert classify_event(event) is kind


def test_every_class_has_a_policy_and_a_case() -> None:
    assert set(POLICIES) == set(FailureClass) == {kind for _, kind in CASES.values()}


def test_what_mends_itself_between_attempts_is_a_success(instance: dg.DagsterInstance, without_waiting: None) -> None:
    attempts: list[None] = []

    def mending() -> None:
        attempts.append(None)
        if len(attempts) < 3:
            raise httpx.ConnectError("not yet")

    assert materialize(instance, mending).success
    assert len(attempts) == 3


def test_a_failure_that_says_it_is_final_is_not_tried_again_but_classed(instance: dg.DagsterInstance) -> None:
    attempts: list[None] = []

    def final() -> Iterator[dg.MaterializeResult[None]]:
        attempts.append(None)
        try:
            raise httpx.ConnectError("nobody there")
        except httpx.ConnectError as error:
            raise dg.Failure("No use.", metadata={"tried": 1}, allow_retries=False) from error
        yield dg.MaterializeResult()

    (event,) = materialize(instance, final).get_step_failure_events()
    noted = event.step_failure_data.user_failure_data
    assert noted is not None
    assert (noted.description, len(attempts)) == ("No use.", 1)
    assert noted.metadata["class"].value == "network"
    assert noted.metadata["tried"].value == 1


def test_delays_double_and_chance_moves_them_by_a_fifth_at_most() -> None:
    policy = POLICIES[FailureClass.DEPENDENCY_DOWN]
    assert [policy.delay_seconds(k, 0.5) for k in (1, 2, 3)] == [5, 10, 20]
    assert [policy.delay_seconds(1, chance) for chance in (0, 1)] == pytest.approx([4, 6])


def test_no_class_makes_a_step_wait_longer_than_a_minute_in_all() -> None:
    longest = [sum(policy.delay_seconds(k, 1) for k in range(1, policy.n_retries + 1)) for policy in POLICIES.values()]
    assert max(longest) == pytest.approx(42)
    assert [1 + policy.n_retries for policy in POLICIES.values()] == [3, 1, 1, 1, 1, 4]


@pytest.mark.parametrize(("status", "kind"), [(404, S), (403, S), (429, N), (503, N)])
def test_a_refusal_is_a_changed_source_and_trouble_of_its_server_is_the_network(status: int, kind: FailureClass) -> None:
    request = httpx.Request("GET", "http://127.0.0.1/")
    error = httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, request=request))
    assert classify(error) is kind


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (500, "InternalError", DOWN),
        (429, "TooManyRequests", DOWN),
        (400, "RequestTimeout", DOWN),
        (507, "InsufficientStorage", R),
        (403, "AccessDenied", C),
        (404, "NoSuchBucket", C),
    ],
)
def test_trouble_of_object_storage_may_pass_and_a_refusal_is_a_setting(status: int, code: str, kind: FailureClass) -> None:
    assert classify(s3_answers(status, code)) is kind


@pytest.mark.parametrize(
    "error",
    [
        IncompleteReadError(actual_bytes=3, expected_bytes=5),
        ResponseStreamingError(error="the connection broke"),
        ChecksumError(checksum_type="crc32", expected_checksum="a", actual_checksum="b"),
        FlexibleChecksumError(error_msg="Expected checksum a did not match calculated checksum: b"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_object_that_did_not_come_whole_is_no_fault_of_the_code_and_is_read_again(error: Exception) -> None:
    assert classify(error) is DOWN


def test_a_failed_blocking_check_is_a_failure_of_the_data(instance: dg.DagsterInstance) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("adds_up", asset="checked", blocking=True)])
    def checked() -> dg.MaterializeResult:
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False)])

    result = dg.materialize([checked], instance=instance, raise_on_error=False)
    (event,) = result.get_step_failure_events()
    assert classify_event(event) is FailureClass.DATA


def test_a_run_that_never_gets_its_turn_ends_before_its_steps_and_is_classed_all_the_same(
    database: Urls, instance: dg.DagsterInstance
) -> None:
    @dg.resource
    def turn(_: dg.InitResourceContext) -> Iterator[None]:
        with alone(database.ingest, timedelta(milliseconds=50), lambda: None):
            yield

    @dg.asset(required_resource_keys={"turn"})
    @under_policy
    def waiting() -> None:
        raise AssertionError("it never had its turn")

    job = dg.Definitions(assets=[waiting], resources={"turn": turn}, jobs=[dg.define_asset_job("day")]).resolve_job_def("day")
    with alone(database.ingest, timedelta(0), lambda: None):
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    event = result.get_run_failure_event()
    assert not result.get_step_failure_events()
    assert classify_event(event) is FailureClass.DEPENDENCY_DOWN


def test_a_cluster_that_takes_no_jobs_is_a_dependency_that_is_down() -> None:
    """As Dagster keeps it of a run that could make no pod for a step: the bare name of dagster-k8s's exception."""
    error = SerializableErrorInfo("Retry limit of 3 exceeded", [], DagsterK8sAPIRetryLimitExceeded.__name__)
    failed = dg.DagsterEvent("PIPELINE_FAILURE", "backtest", event_specific_data=JobFailureData(error))
    assert classify_event(failed) is FailureClass.DEPENDENCY_DOWN


def test_outside_a_run_the_exception_passes_as_it_is() -> None:
    def broken() -> None:
        raise KeyError("nothing")

    with pytest.raises(KeyError, match="nothing"):
        under_policy(broken)()


def test_every_step_that_makes_an_asset_obeys_the_table_and_none_has_a_policy_beside_it() -> None:
    ensure_manifest()
    from pipelines.definitions import defs

    obeying = {}
    for job in defs().resolve_all_job_defs():
        for node in job.all_node_defs:
            if isinstance(node, dg.OpDefinition):
                assert node.retry_policy is None, node.name
                function = getattr(node.compute_fn, "decorated_fn", None)
                obeying[node.name] = hasattr(
                    inspect.unwrap(function, stop=lambda f: hasattr(f, "is_under_policy")), "is_under_policy"
                )
    checks = {made.node_def.name for made in defs().resolve_asset_graph().assets_defs if made.check_keys and not made.keys}
    assert {name for name, obeys in obeying.items() if not obeys} <= checks
    assert {"ingestion", "transformation", "publication", "season"} <= {name for name, obeys in obeying.items() if obeys}


def test_the_runbook_says_what_the_table_of_policies_says() -> None:
    runbook = (ROOT / failures.RUNBOOK).read_text("utf-8")
    # And what fails no run, be it old, unpassed, drifted or pinned; what sensors and conditions ask for; and the table.
    assert runbook.count("\n## ") == len(FailureClass) + 7
    for kind, policy in POLICIES.items():
        section = runbook.partition(f"\n## {kind.value}\n")[2].partition("\n## ")[0]
        for said in (policy.meaning, policy.advice, policy.response.value, f"Attempts: {1 + policy.n_retries}."):
            assert said in " ".join(section.split()), (kind, said)


def test_the_runbooks_table_is_what_these_cases_did() -> None:
    assert table() in (ROOT / failures.RUNBOOK).read_text("utf-8")


def test_each_loss_of_the_runbook_names_a_test_that_there_is() -> None:
    losses = (ROOT / failures.RUNBOOK).read_text("utf-8").partition("\n### What a loss in the middle did")[2]
    named = re.findall(r"\| \[(.+)\]\(\.\./\.\./(tests/.+\.py)\) \|$", losses, re.MULTILINE)
    assert len(named) == losses.count("\n| ") - 2, "each row but the head's two names one"
    missing = [name for name, file in named if f"def test_{name.replace(' ', '_')}(" not in (ROOT / file).read_text("utf-8")]
    assert missing == []
