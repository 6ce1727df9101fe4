"""The process manager, with small programs of our own in place of the platform's."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.ports import Ports, is_open
from deploy.local.supervision import Program, Stopping, Supervisor
from deploy.settings import PROJECT_DIR


def wait_until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    # A path with blanks and a percent sign, which the configuration file has its own ideas about.
    folder = tmp_path / "100% of it"
    manager = Supervisor(folder / "supervisor", folder / "logs", PROJECT_DIR, {"web": Stopping(), "last": Stopping(is_last=True)})
    yield manager
    manager.shutdown()


@pytest.fixture
def web(tmp_path: Path) -> Program:
    port = Ports(tmp_path / "ports.json").claim("web")
    environment = {"PASSWORD": "open sesame"}
    return Program(
        "web", [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"], environment, folder=str(tmp_path)
    )


def test_a_program_runs_comes_back_when_killed_and_ends_with_its_manager(supervisor: Supervisor, web: Program) -> None:
    port = int(web.command[3])
    supervisor.ensure()
    assert supervisor.run(web)
    wait_until(lambda: is_open(port))
    assert not supervisor.run(web), "an unchanged program is left alone"

    first = supervisor.states()["web"].pid
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: supervisor.states()["web"].pid not in (0, first))
    wait_until(lambda: is_open(port))

    second = supervisor.states()["web"].pid
    assert supervisor.run(replace(web, environment={"PASSWORD": "changed"})), "a changed one is restarted"
    wait_until(lambda: supervisor.states()["web"].pid not in (0, second))
    wait_until(lambda: is_open(port))

    supervisor.stop("web")
    assert supervisor.states()["web"].state == "STOPPED"
    assert supervisor.run(web)
    wait_until(lambda: is_open(port))
    supervisor.shutdown()
    assert not supervisor.is_running()
    assert not is_open(port)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to the end of its parent")
def test_nothing_is_left_running_when_the_manager_itself_is_killed(supervisor: Supervisor, web: Program) -> None:
    supervisor.ensure()
    supervisor.run(web)
    wait_until(lambda: is_open(int(web.command[3])))
    os.kill(int((supervisor.folder / "supervisord.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: not is_open(int(web.command[3])))
    assert not supervisor.is_running()
    supervisor.ensure()
    assert supervisor.run(web)


_PRINT_VARIABLES = """
import os, time
print({name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}, flush=True)
time.sleep(60)
"""


def test_a_program_gets_its_own_variables_and_no_others_and_they_are_nobody_elses_to_read(
    supervisor: Supervisor, web: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "x")
    supervisor.ensure()
    supervisor.run(
        # What measures coverage passes its settings on in a variable of its own, a long one.
        replace(web, command=[sys.executable, "-c", _PRINT_VARIABLES])
    )
    wait_until(lambda: "open sesame" in supervisor.last_words("web"))
    assert "SECRET_OF_THE_CALLER" not in supervisor.last_words("web")
    for path in (supervisor.folder, supervisor.logs, *supervisor.folder.iterdir(), supervisor.logs / "web.log"):
        if path.name != "supervisord.pid":
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_program_waits_for_the_port_it_depends_on(supervisor: Supervisor, web: Program) -> None:
    supervisor.ensure()
    port = int(web.command[3])
    late = Program(
        "last", [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60)"], {}, wait_for_ports=[port]
    )
    supervisor.run(late)
    time.sleep(1)
    assert supervisor.last_words("last") == ""
    supervisor.run(web)
    wait_until(lambda: "begun" in supervisor.last_words("last"))


def test_a_deep_checkout_gets_a_socket_in_a_short_path_because_the_system_allows_108_bytes(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 100)
    manager = Supervisor(deep, deep / "logs", PROJECT_DIR, {"web": Stopping()})
    assert len(os.fsencode(manager.socket)) < 90
    try:
        manager.ensure()
        assert manager.is_running()
        assert manager.socket.parent.stat().st_mode & 0o077 == 0
    finally:
        manager.shutdown()
        manager.socket.parent.rmdir()
