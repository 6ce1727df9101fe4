"""Where the steps of a run are executed, by the setting EXECUTOR alone: the definitions are the same everywhere.

Belongs here: Dagster's executor for each value of the setting, and the Celery application that submits steps and executes them.
Does not belong here: which steps there are (`pipelines.defs`), and starting a broker (`deploy`). What Celery and Kubernetes need
are the packages of the group `machines`, imported where they are chosen.
"""

import multiprocessing
from multiprocessing.process import AuthenticationString  # type: ignore[attr-defined]  # of the stubs, not of Python
from typing import TYPE_CHECKING, Any

import dagster as dg

from pipelines.settings import Settings, SettingsError

if TYPE_CHECKING:
    from celery import Celery


def executor(settings: Settings) -> dg.ExecutorDefinition:
    """The executor of every job.

    In one process by default: importing everything anew for each step would cost more than the step. The others want the
    edition's folder on a disk that all machines share: a step reads there what another has written.

    Raises:
        SettingsError: a package or an address is missing that this executor needs.
    """
    match settings.executor:
        case "multiprocess":
            return dg.multiprocess_executor
        case "celery":
            return _celery(settings)
        case "k8s":
            return _k8s(settings)
        case _:
            return dg.in_process_executor


def celery_settings(settings: Settings) -> dict[str, Any]:
    """How Celery treats a step whose worker is lost: another worker executes it again, which every step allows.

    A worker says that it has done with a step when it has. When its child was killed, the worker gives the step back at once.
    Of a machine that is gone nobody knows: after `broker_patience_seconds` its steps are given to others, so no step may take
    longer, or it is done twice. What a step waits for its turn is part of what it takes: the settings refuse no more than that.
    """
    return {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,  # what a worker cannot do yet, another can
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {
            "visibility_timeout": settings.broker_patience_seconds,
            # Editions may share a broker: a worker reads and writes its own alone.
            "global_keyprefix": f"{settings.edition}:",
            # How often is looked for them, and at each look: by default every hundred seconds.
            "unacked_restore_interval": max(1, min(10, settings.broker_patience_seconds // 10)),
            "unacked_restore_throttle": 1,
        },
        "result_backend_transport_options": {
            "visibility_timeout": settings.broker_patience_seconds,
            "global_keyprefix": f"{settings.edition}:",
        },
    }


def worker_app(settings: Settings) -> "Celery":
    """The Celery application of a worker, which executes the steps that runs submit.

    Raises:
        SettingsError: as `executor`.
    """
    _celery(settings)
    from celery.signals import worker_process_init
    from dagster_celery.config import DEFAULT_CONFIG, dict_wrapper
    from dagster_celery.make_app import make_app
    from dagster_celery.tasks import create_task

    app = make_app(
        {
            "broker": settings.broker_url,
            "backend": settings.broker_url,
            "config_source": dict_wrapper(DEFAULT_CONFIG | celery_settings(settings)),
        }
    )
    create_task(app)
    worker_process_init.connect(_may_have_children)
    return app


def _may_have_children(**_: Any) -> None:
    """Let Celery's child start processes, as Great Expectations and the ratings do: it is a daemon, which may not.

    Celery's fork of multiprocessing puts its own object where that one keeps the current process, with a key of its own kind,
    which that one refuses to hand to a child.
    """
    config = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    config["daemon"] = False
    config["authkey"] = AuthenticationString(bytes(config["authkey"]))


def _celery(settings: Settings) -> dg.ExecutorDefinition:
    if not settings.broker_url:
        raise SettingsError("EXECUTOR=celery needs BROKER_URL, a Valkey or Redis that never evicts: redis://…")
    try:
        from dagster_celery import celery_executor
    except ModuleNotFoundError as error:
        raise SettingsError(_MISSING.format(settings.executor)) from error
    # The address carries a password: it is read where it is used, and stands in no run's configuration.
    address = {"env": "BROKER_URL"}
    by_workers: dg.ExecutorDefinition = celery_executor.configured(
        {"broker": address, "backend": address, "config_source": celery_settings(settings)}
    )
    return by_workers


def _k8s(settings: Settings) -> dg.ExecutorDefinition:
    if not settings.k8s_image:
        raise SettingsError("EXECUTOR=k8s needs K8S_IMAGE, the image that has this project installed")
    try:
        from pipelines.pods import in_pods
    except ModuleNotFoundError as error:
        raise SettingsError(_MISSING.format(settings.executor)) from error
    return in_pods


_MISSING = "EXECUTOR={} needs packages that are not installed: `uv sync --group machines`"
