"""Great Expectations in a process of its own."""

import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest

from expectations.run import validate
from expectations.worker import judge

FRAME = pd.DataFrame({"name": ["L", "L"], "date": ["2024-01-01", "soon"], "team1": ["A", "B"], "team2": ["C", "D"]})


def test_its_verdict_is_the_one_given_here() -> None:
    there, here = judge("openfootball", FRAME), validate("openfootball", FRAME)
    assert (there.passed, there.summary, there.failures) == (here.passed, here.summary, here.failures)
    assert not there.passed


def test_a_suite_that_does_not_exist_is_the_same_error_as_here() -> None:
    with pytest.raises(KeyError, match="there is no suite"):
        judge("nothing", FRAME)


def test_it_ends_with_a_run_that_was_killed() -> None:
    code = "from expectations.worker import prepare; import time\nif __name__ == '__main__':\n prepare(); print('on', flush=True); time.sleep(60)"
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "on\n"
    children = psutil.Process(run.pid).children(recursive=True)
    assert children
    time.sleep(2)  # past the start of its interpreter, before which nothing of ours runs in it
    run.send_signal(signal.SIGKILL)
    run.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
