"""The compiled loops are made ahead of the run that needs them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import pipelines
from pipelines import machine_code
from pipelines.forecast import features, innovations, national, replay, standings, statespace


def test_every_loop_that_a_day_needs_is_called() -> None:
    machine_code.call_every_loop()

    for rating in [*features.RATINGS.values(), *national.RATINGS]:
        run, *_ = replay._compiled(rating)
        assert len(run.signatures) == 1
    assert len(standings._compiled().signatures) == 1
    assert len(statespace._compiled().signatures) == 1
    assert len(innovations._compiled().signatures) == 1
    assert machine_code.is_made()


def test_code_older_than_its_source_is_made_anew(tmp_path: Path) -> None:
    machine_code.make()
    folder = tmp_path / "forecast"
    shutil.copytree(Path(pipelines.__file__).parent / "forecast", folder)
    assert machine_code.is_made(folder)

    code = max(index.stat().st_mtime for index in folder.glob("**/elo.*.nbi"))
    os.utime(folder / "ratings" / "elo.py", (code + 1, code + 1))

    assert not machine_code.is_made(folder)


def test_nothing_is_started_where_the_code_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    machine_code.make()
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))

    assert machine_code.make_beside() is None


def test_a_process_makes_it_where_it_is_missing(tmp_path: Path) -> None:
    (tmp_path / "ratings").mkdir()

    process = machine_code.make_beside(tmp_path)  # a folder without any code: the real one is made, or found

    assert process is not None
    assert process.wait(120) == 0
