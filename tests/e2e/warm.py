"""`python -m pipelines …` in a process of its own that finds the libraries imported, which takes longer than most commands.

Belongs here: one process per run of the tests that has imported what others wrote and nothing of ours, and from which a process
is forked for each command. Does not belong here: commands that start by themselves, as people start them (`test_reproduction`,
`tests/readme`).
"""

import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import coverage

from deploy.installation import NO_TELEMETRY, PATIENT_THREADS
from tests.conftest import unmeasured

PROJECT = Path(__file__).resolve().parents[2]

LIBRARIES = (
    *("adbc_driver_postgresql.dbapi", "dagster", "dagster_dbt", "dagster_postgres", "dbt.adapters.postgres", "dbt.cli.main"),
    *("great_expectations", "httpx", "lightgbm", "matplotlib.pyplot", "mlflow.pyfunc", "numba", "pandas", "psycopg"),
    *("pyarrow", "rich", "scipy.optimize", "scipy.stats", "sklearn.linear_model", "sqlalchemy", "stamina"),
)


class Warm:
    """A command that was started; what it prints goes to two files of the folder, in place of what an earlier one left there."""

    def __init__(self, command: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._command = command
        self._out, self._err = folder / "out", folder / "err"
        for path in (self._out, self._err):
            path.write_bytes(b"")
        context = multiprocessing.get_context("forkserver")
        # The first call starts the process that imports. Whether to tell anybody, some libraries decide when they are imported.
        context.set_forkserver_preload([*LIBRARIES])
        quiet = {**unmeasured(os.environ), **NO_TELEMETRY, **PATIENT_THREADS}
        with patch.dict(os.environ, quiet, clear=True):
            forkserver.ensure_running()
        self._process = context.Process(target=_become, args=(command, dict(environment), self._out, self._err))
        self._process.start()

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def finish(self, within_seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it took too long, and was killed.
        """
        self._process.join(within_seconds)
        if self._process.exitcode is None:
            self.kill()
            raise subprocess.TimeoutExpired(self._command, within_seconds, self.out, self.err)
        return subprocess.CompletedProcess(self._command, self._process.exitcode, self.out, self.err)

    def kill(self) -> None:
        """Kill it with all its children."""
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join()


def _become(command: tuple[str, ...], environment: Mapping[str, str], out: Path, err: Path) -> None:
    """What `python -m pipelines` does, in the process that was forked for it."""
    os.setsid()
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(PROJECT)
    sys.argv = ["pipelines", *command]
    if "COVERAGE_PROCESS_CONFIG" in environment:
        coverage.process_startup(force=True)
    import expectations.worker

    # Great Expectations is imported, too: its process is forked, not spawned (which `tests/expectations` shows).
    expectations.worker.multiprocessing = SimpleNamespace(  # type: ignore[assignment]
        get_context=lambda _: multiprocessing.get_context("fork"), parent_process=multiprocessing.parent_process
    )
    runpy.run_module("pipelines", run_name="__main__", alter_sys=True)
