"""Which executor a setting chooses, and what it lacks; what Kubernetes would be asked for, where there is no cluster."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

import dagster as dg
import pytest
import yaml
from dagster._core.launcher import LaunchRunContext

from deploy.edition import LIVE
from deploy.installation import Installation
from deploy.programs import lay_out
from deploy.settings import Settings as DeploySettings
from pipelines.defs.resources import resources
from pipelines.machines import celery_settings, executor, worker_app
from pipelines.settings import Settings, SettingsError
from tests.machines import world

CELERY = {"EXECUTOR": "celery", "BROKER_URL": "redis://football:secret@127.0.0.1:1/0"}
K8S = {"EXECUTOR": "k8s", "K8S_IMAGE": "registry.example.org/football:1"}


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "in_process"),
        ({"EXECUTOR": "multiprocess"}, "multiprocess"),
        (CELERY, "celery"),
        (K8S, "k8s"),
    ],
)
def test_every_job_is_executed_where_the_setting_says(environment: dict[str, str], name: str) -> None:
    with patch.dict(os.environ, environment):
        chosen = resources().executor
    assert isinstance(chosen, dg.ExecutorDefinition)
    assert chosen.name == name


def test_without_the_setting_nothing_of_celery_and_kubernetes_is_imported() -> None:
    with patch.dict(sys.modules, {"dagster_celery": None, "dagster_k8s": None}):
        assert executor(Settings.read({})) is dg.in_process_executor
        for environment in (CELERY, K8S):
            with pytest.raises(SettingsError, match="not installed: `uv sync --group machines`"):
                executor(Settings.read(environment))


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"EXECUTOR": "celery"}, "BROKER_URL"),
        ({"EXECUTOR": "k8s"}, "K8S_IMAGE"),
        ({"EXECUTOR": "slurm"}, "none of in_process, multiprocess, celery, k8s"),
        ({"BROKER_PATIENCE_SECONDS": "0"}, "whole number"),
    ],
)
def test_what_an_executor_lacks_is_said(environment: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        executor(Settings.read(environment))


def test_a_worker_gives_back_what_it_did_not_finish() -> None:
    configuration = worker_app(Settings.read(CELERY)).conf
    assert (configuration.task_acks_late, configuration.task_reject_on_worker_lost) == (True, True)
    assert configuration.broker_transport_options["visibility_timeout"] == 1800
    sent = celery_settings(Settings.read(CELERY))
    assert "secret" not in str(sent), "what a run's configuration says is shown in the UI"


class Asked(Exception):
    """What would have gone to the cluster."""


class Cluster:
    """The client that would speak to a cluster, which is the one thing that is replaced, and an instance as `football up` lays it out."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "live"
        lay_out(Installation(DeploySettings.read({"LOCAL_DIR": str(folder), **K8S})), LIVE)
        self.launcher = yaml.safe_load((self.state / "dagster/dagster.yaml").read_text())["run_launcher"]
        self.client = MagicMock()
        self.client.create_namespaced_job_with_retries.side_effect = Asked

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        with (
            patch.dict(os.environ, K8S),
            patch("kubernetes.config.load_incluster_config"),
            patch("dagster_k8s.client.DagsterKubernetesClient.production_client", return_value=self.client),
            dg.DagsterInstance.local_temp(overrides={"run_launcher": self.launcher}) as instance,
        ):
            yield instance

    def asked(self) -> Any:
        """The container of the one pod that was asked for, which is our image with the edition's secret, and its folder with the instance in it."""
        ((_, asked),) = self.client.create_namespaced_job_with_retries.call_args_list
        assert asked["namespace"] == "football"
        pod = asked["body"].spec.template.spec
        (container,) = pod.containers
        assert pod.service_account_name == "football"
        assert container.image == K8S["K8S_IMAGE"]
        assert [source.secret_ref.name for source in container.env_from] == ["football-live"]
        assert {each.name: each.value for each in container.env}["DAGSTER_HOME"] == str(self.state / "dagster")
        assert [(mount.name, mount.mount_path) for mount in container.volume_mounts] == [("state", str(self.state))]
        (volume,) = pod.volumes
        assert (volume.name, volume.persistent_volume_claim.claim_name) == ("state", "football-live")
        return container


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def test_kubernetes_is_asked_for_a_pod_for_a_run(cluster: Cluster) -> None:
    with cluster.instance() as instance:
        job = world.reconstructable("backtest", "k8s")
        run = instance.create_run_for_job(job.get_definition(), job_code_origin=job.get_python_origin())
        with pytest.raises(Asked):
            instance.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
    assert cluster.asked().args[:3] == ["dagster", "api", "execute_run"]


def test_kubernetes_is_asked_for_a_pod_for_a_step(cluster: Cluster) -> None:
    with cluster.instance() as instance:
        dg.execute_job(world.reconstructable("backtest", "k8s"), instance=instance, raise_on_error=False)
    container = cluster.asked()
    assert container.args[:3] == ["dagster", "api", "execute_step"]
    assert {each.name: each.value for each in container.env}["DAGSTER_RUN_STEP_KEY"] == "forecast__backtest.seasons"
