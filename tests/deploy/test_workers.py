"""With EXECUTOR=celery and no broker named, a broker and a worker run under the process manager: real ones, in an installation apart."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu.exceptions import OperationalError

from deploy import operate
from deploy.edition import DEMO
from deploy.installation import Installation
from deploy.settings import Settings
from pipelines.machines import worker_app
from pipelines.settings import Settings as PipelineSettings
from tests.deploy.test_servers import remove_home

Ask = Callable[..., Installation]


def wait_until(is_so: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def has_worker(app: Any) -> bool:
    """Whether a worker answers over the broker."""
    try:
        return bool(app.control.ping(timeout=1))
    except (redis.ConnectionError, OperationalError):  # the broker was killed under it
        return False


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """The installation in a folder of its own, as the environment asks for it; stopped at the end."""
    local = tmp_path / ".local"

    def installation(**environ: str) -> Installation:
        return Installation(Settings.read({"LOCAL_DIR": str(local), "EDITION": "demo", **environ}))

    yield installation
    operate.stop(installation())
    remove_home(local)


def test_a_broker_and_a_worker_come_up_come_back_when_killed_and_go_with_the_setting(ask: Ask) -> None:
    here = ask(EXECUTOR="celery")
    operate.start_servers(here, DEMO, lambda what: nullcontext())
    assert operate.start_applications(here, DEMO, ["worker"]) == ["worker"]
    app = worker_app(PipelineSettings.read(here.environment(DEMO)))
    wait_until(lambda: has_worker(app))
    with redis.Redis.from_url(here.broker().url) as client:
        assert client.info("memory")["maxmemory_policy"] == "noeviction"
        assert client.info("persistence")["aof_enabled"] == 1
    assert operate.start_applications(here, DEMO, ["worker"]) == [], "what runs is left alone"
    assert {line.name: line.is_answering for line in operate.status(here) if line.name in ("broker", "worker")} == {
        "broker": True,
        "worker": None,
    }

    first = {name: state.pid for name, state in here.supervisor.states().items() if name in ("broker", "worker")}
    for pid in first.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(here.supervisor.states()[name].pid not in (0, pid) for name, pid in first.items()))
    wait_until(here.broker().is_ready)
    wait_until(lambda: has_worker(app))

    back = ask(EXECUTOR="in_process")
    operate.start_applications(back, DEMO, [])
    assert [name for name, state in back.supervisor.states().items() if state.is_up] == ["postgres", "valkey"]
    assert {line.name for line in operate.status(back)}.isdisjoint(("broker", "worker"))
