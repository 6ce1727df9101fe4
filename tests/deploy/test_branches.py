"""The gate of branches, over what coverage itself reports."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.settings import PROJECT_DIR

PROGRAM = "for n in range(3):\n    if n < 3:\n        print(n)\n" + "x = 1\n" * 96
"""A hundred lines, all of which run, and four branches: the condition is never false."""


@pytest.mark.parametrize(("minimum", "exit_code", "told"), [(75, 0, "no less than 75 %"), (76, 1, "less than 76 %")])
def test_branches_are_counted_without_the_lines_beside_them(tmp_path: Path, minimum: int, exit_code: int, told: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    coverage = [sys.executable, "-m", "coverage"]
    environment = {"PATH": "/usr/bin:/bin"}
    subprocess.run([*coverage, "run", "--branch", "program.py"], cwd=tmp_path, env=environment, check=True)
    report = subprocess.run(
        [*coverage, "json", "--quiet", "-o", "-"], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    gate = [sys.executable, "-m", "deploy.branches", str(minimum)]
    done = subprocess.run(gate, cwd=PROJECT_DIR, input=report.stdout, capture_output=True, check=False)
    assert (done.returncode, done.stdout.decode()) == (exit_code, f"3 of 4 branches: 75.0 %, {told}\n")
