"""Which executor a setting chooses, and what it lacks; what Kubernetes would be asked for, where there is no cluster."""

import os
import sys
from unittest.mock import MagicMock, patch

import dagster as dg
import pytest

from pipelines.defs.resources import resources
from pipelines.machines import celery_settings, executor, worker_app
from pipelines.settings import Settings, SettingsError
from tests.machines import world

CELERY = {"EXECUTOR": "celery", "BROKER_URL": "redis://football:secret@127.0.0.1:1/0"}
K8S = {
    "EXECUTOR": "k8s",
    "K8S_IMAGE": "registry.example.org/football:1",
    "EDITION": "live",
    "STATE_DIR": "/var/lib/football/live",
}


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


LAUNCHER = {
    "module": "dagster_k8s",
    "class": "K8sRunLauncher",
    "config": {"service_account_name": "football", "instance_config_map": "football-dagster", "dagster_home": "/opt/dagster"},
}
"""As in the instance's `dagster.yaml`: steps become pods only of runs that are pods themselves."""


class Asked(Exception):
    """What would have gone to the cluster."""


def test_kubernetes_is_asked_for_a_pod_of_our_image_with_the_editions_secret_and_folder() -> None:
    """There is no cluster here: the client that would speak to it is the one thing that is replaced."""
    client = MagicMock()
    client.create_namespaced_job_with_retries.side_effect = Asked
    with (
        patch.dict(os.environ, K8S),
        patch("kubernetes.config.load_incluster_config"),
        patch("dagster_k8s.client.DagsterKubernetesClient.production_client", return_value=client),
        dg.DagsterInstance.local_temp(overrides={"run_launcher": LAUNCHER}) as instance,
    ):
        dg.execute_job(world.reconstructable("backtest", "k8s"), instance=instance, raise_on_error=False)
    ((_, asked),) = client.create_namespaced_job_with_retries.call_args_list
    assert asked["namespace"] == "football"
    pod = asked["body"].spec.template.spec
    (container,) = pod.containers
    assert pod.service_account_name == "football"
    assert container.image == K8S["K8S_IMAGE"]
    assert container.args[:3] == ["dagster", "api", "execute_step"]
    assert [source.secret_ref.name for source in container.env_from] == ["football-live"]
    assert [(mount.name, mount.mount_path) for mount in container.volume_mounts] == [("state", K8S["STATE_DIR"])]
    assert {each.name: each.value for each in container.env}["DAGSTER_RUN_STEP_KEY"] == "forecast__backtest.seasons"
    (volume,) = pod.volumes
    assert volume.persistent_volume_claim.claim_name == "football-live"
