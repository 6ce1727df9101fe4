"""A second process: what it returns and raises, and what becomes of it when it is killed or waited for in vain."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from pipelines.beside import Beside, BesideStopped


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    process = Beside()
    yield process
    process.end()


def test_what_it_returns_and_raises_is_what_the_function_does(beside: Beside) -> None:
    assert beside.ask(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        beside.ask(divmod, 7, 0)


def test_whoever_asks_after_it_was_killed_has_another_one(beside: Beside) -> None:
    first = beside.ask(os.getpid)
    with pytest.raises(BesideStopped, match="the process of kill was ended"):
        beside.ask(os.kill, first, signal.SIGKILL)
    assert beside.ask(os.getpid) != first


def test_what_is_waited_for_in_vain_is_ended(beside: Beside) -> None:
    pid = beside.ask(os.getpid)
    with pytest.raises(BesideStopped, match="sleep was not done after 0 seconds"):
        beside.ask(time.sleep, 60, within_seconds=0.1)
    assert psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=30)[1] == []


def _ask_and_leave() -> None:
    Beside().ask(os.getpid)


def test_it_keeps_no_child_of_multiprocessing_from_its_end() -> None:
    """As each step of Dagster's multiprocess executor is one."""
    child = multiprocessing.get_context("spawn").Process(target=_ask_and_leave)
    child.start()
    child.join(120)
    code = child.exitcode
    child.kill()
    assert code == 0


def test_it_may_be_one_of_a_child_of_celery() -> None:
    """Those are daemons, which may have no children of their own unless `_may_have_children` was called in them."""
    code = """
import os
from billiard import Process
from pipelines.beside import Beside
from pipelines.machines import _may_have_children

def work(is_told):
    if is_told:
        _may_have_children()
    beside = Beside()
    beside.ask(os.getpid)
    beside.end()

if __name__ == "__main__":
    for is_told in (False, True):
        child = Process(target=work, args=(is_told,))
        child.daemon = True
        child.start()
        child.join(60)
        print(is_told, child.exitcode)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["False", "1", "True", "0"], done.stderr
