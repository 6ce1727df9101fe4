"""What runs in the background for an edition, and what each of them may know.

Every program gets only the variables and the database role it needs: the service cannot see the warehouse, the Dagster UI and
MLflow see their own databases alone.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.edition import Edition
from deploy.installation import NO_TELEMETRY, PATIENT_THREADS, Installation
from deploy.local.server import Server
from deploy.local.supervision import Program
from deploy.settings import PROJECT_DIR, S3_VARIABLES

SERVICE_ONLY = ("API_DATABASE_URL", "JWT_SECRET_FILE", "DEMO_LOGIN_FILE")
"""What the pipelines have no business with."""

BEING_BUILT = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="10"><title>Documentation</title>
<p style="font:16px/1.5 system-ui,sans-serif;margin:3rem">The pages are being built behind the first run. This one
reloads by itself.</p>
"""

WORKSPACE = """\
# Webserver and daemon share one process that has the definitions loaded.
load_from:
  - grpc_server:
      host: 127.0.0.1
      port: {port}
      location_name: pipelines
"""


K8S_MEMORY = "4Gi"
"""What a pod may have at most: the week's training takes 3.0 GB (deploy/runbooks/scaling.md)."""

RUN_LAUNCHER = """
# Steps are pods of a run that is one itself. Who asks for them is in the cluster, too.
run_launcher:
  module: dagster_k8s
  class: K8sRunLauncher
  config: {}
"""


def server_program(name: str, server: Server) -> Program:
    """An embedded server as a program of the process manager; lays it out first."""
    return Program(
        name,
        server.prepare(),
        {"LC_ALL": "C", "TZ": "UTC"},
        uid=server.account.uid,
        stop_signal=int(server.stop_signal),
    )


def lay_out(installation: Installation, edition: Edition) -> None:
    """The folders and files that the edition's programs expect."""
    environment = installation.environment(edition)
    for name in ("DAGSTER_HOME", "LANDING_DIR", "INBOX_DIR", "DOCS_DIR", "SIMULATED_DIR", "EVIDENCE_DIR"):
        Path(environment[name]).mkdir(parents=True, exist_ok=True)
    start_page = Path(environment["DOCS_DIR"]) / "index.html"
    if not start_page.exists():
        start_page.write_text(BEING_BUILT)
    home = Path(environment["DAGSTER_HOME"])
    instance = (PROJECT_DIR / "deploy/dagster/dagster.yaml").read_text()
    (home / "dagster.yaml").write_text(instance + _run_launcher(installation, edition))
    (home / "workspace.yaml").write_text(WORKSPACE.format(port=installation.ports.get("dagster-code")))


def _run_launcher(installation: Installation, edition: Edition) -> str:
    """Where runs begin if not on this machine, for the instance: with EXECUTOR=k8s in pods of one image, which get their
    variables from a Secret (`pods_secret`), and the edition's folder, the instance in it, from a claim of the same name."""
    asked, name, environment = installation.scope(edition), _name_of_pods(edition), installation.environment(edition)
    if asked.get("EXECUTOR") != "k8s":
        return ""
    state = installation.state_dir(edition)
    config = {
        "job_image": asked.get("K8S_IMAGE", ""),
        "job_namespace": _namespace(installation, edition),
        "service_account_name": "football",
        "dagster_home": str(state / "dagster"),
        "instance_config_map": name,  # is asked for, and nothing is mounted of it
        "env_secrets": [name],
        "volumes": [{"name": "state", "persistentVolumeClaim": {"claimName": name}}],
        "volume_mounts": [
            {"name": "state", "mountPath": str(state)},
            {"name": "state", "mountPath": environment["EVIDENCE_DIR"], "subPath": "evidence"},
        ],
        "resources": {
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"memory": asked.get("K8S_MEMORY", K8S_MEMORY)},
        },
        "security_context": {"allow_privilege_escalation": False, "capabilities": {"drop": ["ALL"]}},
        "run_k8s_config": {
            "pod_spec_config": {"security_context": {"run_as_non_root": True, "seccomp_profile": {"type": "RuntimeDefault"}}}
        },
    }
    return RUN_LAUNCHER.format(json.dumps(config))


def pods_secret(installation: Installation, edition: Edition) -> dict[str, Any]:
    """The Secret that an edition's pods get their variables from, as the API of Kubernetes takes it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _name_of_pods(edition), "namespace": _namespace(installation, edition)},
        "stringData": pipelines_environment(installation, edition),
    }


def _name_of_pods(edition: Edition) -> str:
    """How what an edition's pods take is named."""
    return f"football-{edition.name}"


def _namespace(installation: Installation, edition: Edition) -> str:
    return installation.scope(edition).get("K8S_NAMESPACE", "football")


def applications(installation: Installation, edition: Edition) -> list[Program]:
    """The edition's own programs, in the order in which they are best started."""
    everything = installation.environment(edition)
    machine = base_environment(installation)
    identity = installation.identity(edition)

    def program(name: str, *command: str, environment: dict[str, str], wait_for: Sequence[int] = ()) -> Program:
        variables = machine | NO_TELEMETRY | environment
        return Program(name, [sys.executable, "-m", *command], variables, folder=str(PROJECT_DIR), wait_for_ports=wait_for)

    def pick(*names: str) -> dict[str, str]:
        return {name: everything[name] for name in names}

    def address(name: str) -> tuple[str, str]:
        return "127.0.0.1", str(installation.ports.get(name))

    code_host, code_port = address("dagster-code")
    web_host, web_port = address("dagster-webserver")
    mlflow_host, mlflow_port = address("mlflow")
    docs_host, docs_port = address("docs")
    workspace = str(Path(everything["DAGSTER_HOME"]) / "workspace.yaml")
    state = installation.state_dir(edition)

    bucket = installation.bucket(edition)
    s3 = {name: everything[name] for name in S3_VARIABLES if name in everything} if bucket else {}
    if "S3_ENDPOINT_URL" in s3:
        s3["MLFLOW_S3_ENDPOINT_URL"] = s3["S3_ENDPOINT_URL"]
    programs = [
        program(
            *("mlflow", "mlflow", "server", "--host", mlflow_host, "--port", mlflow_port, "--workers", "1", "--serve-artifacts"),
            environment={
                "MLFLOW_BACKEND_STORE_URI": everything["MLFLOW_DATABASE_URL"],
                "MLFLOW_ARTIFACTS_DESTINATION": f"{bucket}/artifacts" if bucket else str(state / "artifacts"),
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            }
            | s3,
        ),
        program(
            *("api", "serving"),
            environment=identity
            | pick("API_DATABASE_URL", "REDIS_URL", "JWT_SECRET_FILE", "DOCS_URL")
            | {"API_PORT": str(installation.ports.get("api"))}
            | dict(installation.settings.service),
        ),
        program(
            *("dagster-code", "dagster", "api", "grpc", "--host", code_host, "--port", code_port, "--location-name", "pipelines"),
            *("--module-name", "pipelines.definitions", "--working-directory", str(PROJECT_DIR)),
            environment=pipelines_environment(installation, edition),  # it starts the runs
        ),
        program(
            *("dagster-webserver", "dagster_webserver", "-w", workspace, "-h", web_host, "-p", web_port),
            environment=identity | pick("DAGSTER_HOME", "DAGSTER_DATABASE_URL"),
            wait_for=[int(code_port)],
        ),
        program(
            *("dagster-daemon", "dagster._daemon", "run", "-w", workspace),
            environment=identity | pick("DAGSTER_HOME", "DAGSTER_DATABASE_URL"),
            wait_for=[int(code_port)],
        ),
        program("docs", "http.server", docs_port, "--bind", docs_host, "--directory", everything["DOCS_DIR"], environment={}),
        program("worker", "pipelines", "worker", environment=pipelines_environment(installation, edition)),
    ]
    is_there = {"mlflow": installation.is_mlflow_ours, "worker": installation.has_worker(edition)}
    return [each for each in programs if is_there.get(each.name, True)]


def pipelines_environment(installation: Installation, edition: Edition) -> dict[str, str]:
    """The environment of `python -m pipelines`."""
    everything = installation.environment(edition)
    return base_environment(installation) | {name: value for name, value in everything.items() if name not in SERVICE_ONLY}


def base_environment(installation: Installation) -> dict[str, str]:
    """What any Python program of ours needs of the machine."""
    return dict(installation.settings.machine) | {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
        **PATIENT_THREADS,
    }
