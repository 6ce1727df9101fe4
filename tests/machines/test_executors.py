"""Which executor a setting chooses, and what it lacks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import kubernetes_validate
import pytest
import yaml

from deploy.edition import LIVE
from deploy.installation import Installation
from deploy.programs import SERVICE_ONLY, lay_out
from deploy.settings import Settings as DeploySettings
from pipelines.defs.resources import Turn, resources
from pipelines.machines import celery_settings, executor, worker_app
from pipelines.settings import LEAST_BROKER_PATIENCE_SECONDS, Settings, SettingsError
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
        sys.modules.pop("pipelines.pods", None)
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
        (
            {"BROKER_PATIENCE_SECONDS": "3600"},
            "BROKER_PATIENCE_SECONDS=3600 is too short: a step may wait 60 minutes for its turn",
        ),
    ],
)
def test_what_an_executor_lacks_is_said(environment: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        executor(Settings.read(environment))


def test_a_worker_gives_back_what_it_did_not_finish() -> None:
    configuration = worker_app(Settings.read(CELERY)).conf
    assert (configuration.task_acks_late, configuration.task_reject_on_worker_lost) == (True, True)
    assert configuration.broker_transport_options["visibility_timeout"] == 7200
    sent = celery_settings(Settings.read(CELERY))
    assert "secret" not in str(sent), "what a run's configuration says is shown in the UI"


def test_a_step_that_waits_for_its_turn_and_then_works_for_an_hour_is_not_given_to_others() -> None:
    assert Settings.read(CELERY).broker_patience_seconds >= Turn().within_minutes * 60 + 3600
    least = Settings.read({**CELERY, "BROKER_PATIENCE_SECONDS": str(LEAST_BROKER_PATIENCE_SECONDS)})
    assert least.broker_patience_seconds > Turn().within_minutes * 60


def test_steps_are_pods_only_of_runs_that_are(tmp_path: Path) -> None:
    with (
        patch.dict(os.environ, {**K8S, "STATE_DIR": str(tmp_path)}),
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        pytest.raises(dg.DagsterInvariantViolationError, match="an instance whose runs are pods"),
    ):
        dg.execute_job(world.reconstructable("backtest", "k8s"), instance=instance, raise_on_error=True)


@pytest.mark.parametrize(("asked", "memory"), [({}, "4Gi"), ({"K8S_MEMORY": "16Gi"}, "16Gi")])
def test_what_a_pod_may_have_at_most_is_a_setting(tmp_path: Path, asked: dict[str, str], memory: str) -> None:
    lay_out(Installation(DeploySettings.read({"LOCAL_DIR": str(tmp_path), **K8S, **asked})), LIVE)
    written = yaml.safe_load((tmp_path / "live/dagster/dagster.yaml").read_text())
    assert written["run_launcher"]["config"]["resources"]["limits"] == {"memory": memory}


def test_what_pods_are_told_is_printed_as_a_secret_without_what_is_the_services_own(tmp_path: Path) -> None:
    # In a process of its own: the command line gives the others' commands an edition's environment, for good.
    environment = {**os.environ, "LOCAL_DIR": str(tmp_path), "EDITION": "live", "K8S_NAMESPACE": "matches", **K8S}
    printed = subprocess.check_output([sys.executable, "-m", "deploy", "env", "--secret"], env=environment, cwd=world.ROOT)
    secret = json.loads(printed)
    kubernetes_validate.validate(secret, "1.36", strict=True)
    assert secret["metadata"] == {"name": "football-live", "namespace": "matches"}
    assert (secret["stringData"]["EXECUTOR"], secret["stringData"]["STATE_DIR"]) == ("k8s", str(tmp_path / "live"))
    assert not set(SERVICE_ONLY).intersection(secret["stringData"])
