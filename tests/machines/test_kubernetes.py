"""Runs and steps as pods, by the instance that `football up` lays out, on a stand-in for a cluster (see there what that does not show)."""

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import dagster as dg
import pytest
import yaml
from dagster._core.launcher import LaunchRunContext
from dagster._daemon.monitoring.run_monitoring import monitor_started_run
from dagster_k8s.client import DagsterK8sUnrecoverableAPIError
from kubernetes import client as kube
from kubernetes.utils import create_from_dict

from deploy import database as deploy_database
from deploy.edition import LIVE
from deploy.installation import Installation
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from deploy.programs import lay_out, pipelines_environment, pods_secret
from deploy.settings import Settings as DeploySettings
from pipelines.defs.failures import FailureClass, classify_event, sentence_of
from tests.conftest import TEMPLATE
from tests.machines import cluster as stand_in
from tests.machines import world
from tests.machines.cluster import Cluster, Object

pytestmark = pytest.mark.skipif(not stand_in.is_possible(), reason="pods need namespaces, which root on Linux may make")

T = TypeVar("T")
IMAGE = "registry.example.org/football:1"
NAME = "football_pods"
SEASONS = [f"forecast__backtest.season[{year}]" for year in range(world.FIRST, world.LAST + 1)]
OTHERS = ["forecast__backtest.seasons", "forecast__backtest.evidence"]


@dataclass
class Platform:
    """An installation in a pod of the cluster: whatever it does, a thread does that sees what the pod would see."""

    cluster: Cluster
    pod: ThreadPoolExecutor
    instance: dg.DagsterInstance
    disk: Path
    """The edition's folder, as the cluster keeps it."""

    def ask(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return self.pod.submit(function, *args, **kwargs).result(120)

    def launch(self, **tags: str) -> str:
        job = world.reconstructable("backtest", "k8s")

        def launch() -> str:
            run = self.instance.create_run_for_job(job.get_definition(), job_code_origin=job.get_python_origin(), tags=tags)
            self.instance.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
            return run.run_id

        return self.ask(launch)

    def pod_of(self, run_id: str, step: str) -> Object | None:
        """The newest pod of a run's step, or of the run itself."""
        found = [each for each in self.cluster.pods(step) if of_run(each) == run_id]
        return found[-1] if found else None

    def pod_when_there(self, run_id: str, step: str) -> Object:
        return self.cluster.wait_for(partial(self.pod_of, run_id, step))  # type: ignore[no-any-return]

    def lost(self, run_id: str, step: str) -> list[str]:
        """Why a step began anew, each time that it did."""
        entries = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY)
        events = [each.dagster_event for each in entries if each.step_key == step and each.dagster_event]
        said = [event.step_retry_data.error.message for event in events if event.step_retry_data.error]
        return [each.removeprefix(f"The pod of {step} is lost: ").removesuffix(".") for each in said]

    def end_of(self, run_id: str, seconds: float = 180) -> dg.DagsterRunStatus:
        run = self.cluster.wait_for(lambda: (run := self.instance.get_run_by_id(run_id)) and run.is_finished and run, seconds)
        return run.status  # type: ignore[no-any-return]

    def begun(self, run_id: str) -> set[str]:
        entries = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_START)
        return {each.step_key for each in entries if each.step_key}


def of_run(found: Object) -> str:
    return str(found["metadata"]["labels"]["dagster/run-id"])


@pytest.fixture(scope="module")
def platform(
    postgres: PostgresServer, database_template: Secrets, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("cluster")
    cluster = Cluster(folder, IMAGE)
    asked = {"LOCAL_DIR": str(folder / "local"), "EXECUTOR": "k8s", "K8S_IMAGE": IMAGE, **cluster.variables}
    installation = Installation(DeploySettings.read(asked))
    urls = deploy_database.copy(postgres.url(), TEMPLATE, NAME, database_template, with_tools=True)
    of_test = {f"{role.upper()}_DATABASE_URL": url for role, url in asdict(urls).items() if role != "owner"}
    secret = pods_secret(installation, LIVE)
    secret["stringData"] |= of_test
    environment = pipelines_environment(installation, LIVE) | of_test
    everything = cluster.admin()
    for document in yaml.safe_load_all((world.ROOT / "deploy/kubernetes/football.yaml").read_text()):
        create_from_dict(everything, document)
    create_from_dict(everything, secret)
    create_from_dict(everything, claim("football-live"))
    disk = cluster.claim("football-live")
    state, evidence = installation.state_dir(LIVE), Path(environment["EVIDENCE_DIR"])
    (disk / "evidence").mkdir()
    with (
        cluster.inside("football", {state: disk, evidence: disk / "evidence"}) as pod,
        patch.dict(os.environ, environment),
    ):
        pod.submit(lay_out, installation, LIVE).result(120)
        instance = pod.submit(dg.DagsterInstance.get).result(120)
        try:
            yield Platform(cluster, pod, instance, disk)
        finally:
            cluster.stop()
            instance.dispose()
    deploy_database.drop(postgres.url(), NAME)


def claim(name: str) -> Object:
    wanted = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "10Gi"}}}
    return {
        **{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": wanted},
        "metadata": {"name": name, "namespace": "football"},
    }


@pytest.fixture(scope="module")
def alone(platform: Platform) -> bytes:
    """The file that one process makes."""
    run = platform.ask(dg.execute_job, world.reconstructable("backtest", "in_process"), instance=platform.instance)
    assert run.success
    return (platform.disk / "out.csv").rename(platform.disk / "alone.csv").read_bytes()


def test_a_backtest_in_pods_survives_the_loss_of_two_with_the_result_of_one_process(platform: Platform, alone: bytes) -> None:
    n_before = len(platform.cluster.posted)
    (platform.disk / world.HOLD).touch()
    run_id = platform.launch()
    lost_at_once, lost_at_work, _ = SEASONS
    platform.cluster.evict(platform.pod_when_there(run_id, lost_at_once))
    platform.cluster.wait_for(lambda: platform.begun(run_id).issuperset(set(SEASONS) - {lost_at_once}))
    drained = platform.pod_when_there(run_id, lost_at_work)
    platform.cluster.drain(drained)
    platform.cluster.wait_for(lambda: drained["metadata"]["name"] not in platform.cluster.phases())
    (platform.disk / world.HOLD).unlink()
    assert platform.end_of(run_id) is dg.DagsterRunStatus.SUCCESS, platform.cluster.logs()[-3000:]
    assert (platform.disk / "out.csv").read_bytes() == alone
    assert (platform.disk / "evidence" / "backtest-results-logit.json").exists(), (
        "what is outside the edition's folder is kept, too"
    )
    run, *steps = [variables(job) for job in platform.cluster.posted[n_before:]]
    assert "DAGSTER_RUN_STEP_KEY" not in run
    assert Counter(each["DAGSTER_RUN_STEP_KEY"] for each in steps) == Counter([*OTHERS, *SEASONS, *SEASONS[:2]])
    assert [platform.lost(run_id, step) for step in SEASONS] == [["Evicted, exit code 137"], ["it was deleted"], []]


def variables(job: Object) -> dict[str, str]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


@pytest.fixture(scope="module")
def troubled(platform: Platform) -> dict[str, str]:
    """Runs beside each other that came to grief while their first step began: one's own pod was evicted, one was terminated, of one
    the step took too much memory."""
    runs = {name: platform.launch() for name in ("evicted", "terminated", "out of memory")}
    for name in ("out of memory", "terminated", "evicted"):
        run_id = runs[name]
        step = platform.pod_when_there(run_id, OTHERS[0])
        if name == "out of memory":
            platform.cluster.out_of_memory(step)
        elif name == "terminated":
            assert platform.ask(platform.instance.run_launcher.terminate, run_id)
        else:
            platform.cluster.evict(platform.pod_when_there(run_id, ""))
            platform.cluster.evict(step)  # which nobody waits for any more
    return runs


def test_terminating_a_run_deletes_its_jobs_and_ends_what_is_in_their_pods(platform: Platform, troubled: dict[str, str]) -> None:
    run_id = troubled["terminated"]
    assert platform.end_of(run_id) is dg.DagsterRunStatus.CANCELED
    platform.cluster.wait_for(lambda: not platform.pod_of(run_id, "") and not platform.pod_of(run_id, OTHERS[0]))
    assert not [key for key, each in platform.cluster.objects.items() if key[0] == "jobs" and of_run(each) == run_id]


def test_a_run_whose_pod_is_lost_is_found_out_and_marked_to_begin_anew(platform: Platform, troubled: dict[str, str]) -> None:
    def look() -> None:
        record = platform.instance.get_run_record_by_id(troubled["evicted"])
        monitor_started_run(platform.instance, None, record, logging.getLogger("test"))  # as the daemon does every two minutes

    platform.ask(look)
    run = platform.instance.get_run_by_id(troubled["evicted"])
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert run.tags["dagster/will_retry"] == "true"
    (said,) = platform.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert "The node was low on resource: memory." in said.message


def test_a_step_that_took_too_much_memory_fails_as_such_and_is_not_tried_again(
    platform: Platform, troubled: dict[str, str]
) -> None:
    run_id = troubled["out of memory"]
    assert platform.end_of(run_id) is dg.DagsterRunStatus.FAILURE
    (failed,) = platform.instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    assert failed.dagster_event
    assert classify_event(failed.dagster_event) is FailureClass.RESOURCE
    assert sentence_of(failed.dagster_event) == f"{OTHERS[0]}: The pod of {OTHERS[0]} is lost: OOMKilled, exit code 137."


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"container_config": {"liveness_probe": {"tcp_socket": {"port": ["http"]}}}},
            "spec.template.spec.containers.0.livenessProbe.tcpSocket.port: ['http'] is not valid under any of the given schemas",
        ),
        (
            {"container_config": {"resources": {"limits": {"memory": "much"}}}},
            "spec.template.spec.containers[0].resources.limits.memory: 'much' is no quantity",
        ),
    ],
)
def test_what_a_cluster_does_not_understand_is_refused_by_name(platform: Platform, config: Object, said: str) -> None:
    n_before = len(platform.cluster.posted)
    with pytest.raises(DagsterK8sUnrecoverableAPIError) as refused:
        platform.launch(**{"dagster-k8s/config": json.dumps(config)})
    assert said in json.loads(refused.value.k8s_api_exception.body)["message"]
    assert len(platform.cluster.posted) == n_before


def test_without_its_role_the_account_may_do_nothing(platform: Platform) -> None:
    rights = kube.RbacAuthorizationV1Api(platform.cluster.admin())
    role = yaml.safe_load(json.dumps(platform.cluster.objects["rolebindings", "football", "football"]))
    rights.delete_namespaced_role_binding("football", "football")
    try:
        with pytest.raises(DagsterK8sUnrecoverableAPIError) as refused:
            platform.launch()
    finally:
        create_from_dict(platform.cluster.admin(), role)
    assert 'cannot create resource "jobs"' in json.loads(refused.value.k8s_api_exception.body)["message"]


def test_what_a_pod_waits_for_in_vain_is_told(platform: Platform) -> None:
    core = kube.CoreV1Api(platform.cluster.admin())
    kept = platform.cluster.objects["secrets", "football", "football-live"]
    core.delete_namespaced_secret("football-live", "football")
    try:
        run_id = platform.launch()
    finally:
        create_from_dict(platform.cluster.admin(), kept)
    run = platform.instance.get_run_by_id(run_id)
    said = platform.ask(platform.instance.run_launcher.get_run_worker_debug_info, run)
    assert 'CreateContainerConfigError: secret "football-live" not found' in said


def test_pods_are_asked_for_with_no_more_rights_than_they_need(platform: Platform) -> None:
    """What the standard `restricted` of Kubernetes' pod security wants, and that nothing secret stands in a manifest."""
    posted = platform.cluster.posted
    assert posted
    hidden = [value for name, value in os.environ.items() if name.endswith("_DATABASE_URL")]
    assert len(hidden) >= 5
    for job in posted:
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert container["resources"] == {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "4Gi"}}
        assert container["image"] == IMAGE
        assert pod["serviceAccountName"] == "football"
        assert pod["automountServiceAccountToken"] is ("DAGSTER_RUN_STEP_KEY" not in variables(job)), "a step asks for nothing"
        assert (job["spec"]["backoffLimit"], job["spec"]["ttlSecondsAfterFinished"]) == (0, 86_400)
        assert not [value for value in hidden if value in json.dumps(job)]
