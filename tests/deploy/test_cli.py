"""The command line and the targets in front of it: what they print, and how they fail."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
import psutil
import pytest
from click.testing import CliRunner

from deploy import cli, judging, operate
from deploy.installation import APPLICATIONS, SERVERS, WITH_CELERY
from deploy.local.ports import Ports, is_open
from deploy.settings import PROJECT_DIR, SCOPE_VARIABLES
from tests.deploy.test_servers import remove_home

HEAVY = ("dagster", "mlflow", "great_expectations", "pandas", "sqlalchemy", "lightgbm", "dbt", "litestar", "psycopg")


def football(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    measuring = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LOCAL_DIR": str(folder / ".local"), **measuring, **environ}
    command = [sys.executable, "-m", "deploy", *arguments]
    return subprocess.run(command, env=environment, cwd=PROJECT_DIR, capture_output=True, text=True, check=False, timeout=300)


def test_help_lists_the_commands_of_every_package_and_touches_nothing(tmp_path: Path) -> None:
    result = football(tmp_path, "--help")
    assert result.returncode == 0, result.stderr
    listed = set(re.findall(r"^  ([a-z-]+) ", result.stdout.partition("Commands:")[2], flags=re.MULTILINE))
    assert {
        "up",
        "demo",
        "run",
        "stop",
        "status",
        "env",
        "migrate",
        "doctor",
        "predictions",
        "refresh",
        "train",
        "token",
        "backtest",
    } <= listed
    assert not (tmp_path / ".local").exists()


def test_help_imports_nothing_heavy_because_it_must_answer_at_once() -> None:
    code = f"import sys, deploy.cli; deploy.cli.main.all_commands; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_DIR)
    assert result.stdout.strip() == "[]"
    assert result.stderr == ""


def test_env_prints_the_urls_in_force_for_a_shell(tmp_path: Path) -> None:
    result = football(tmp_path, "env")
    lines = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert list(lines) == ["API_URL", "DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "DAGSTER_URL", "DOCS_URL"]
    assert re.fullmatch(r"postgresql://football_owner:[\w-]{43}@127\.0\.0\.1:\d{5}/football_demo", lines["DATABASE_URL"])
    assert "nothing is running" in result.stderr
    assert "ALERT" not in result.stderr
    old = football(tmp_path, "env", ALERT_WEBHOOK_URL="https://hooks.example/x")
    assert "ALERT_WEBHOOK_URL says nothing any more: set ALERT_URLS instead" in old.stderr
    assert old.stdout == result.stdout
    script = f'set -eu; . {tmp_path}/env; echo "$API_URL"'
    (tmp_path / "env").write_text(result.stdout)
    assert subprocess.check_output(["sh", "-c", script], text=True).strip() == lines["API_URL"]
    assert football(tmp_path, "env").stdout == result.stdout, "ports and passwords are remembered"


def test_env_all_gives_what_the_programs_are_started_with(tmp_path: Path) -> None:
    names = [
        line.partition("=")[0]
        for line in football(tmp_path, "env", "--all", COMPETITIONS="E0", EDITION="live").stdout.splitlines()
    ]
    assert names == sorted(names)
    assert {"INGEST_DATABASE_URL", "DAGSTER_HOME", "DEMO_LOGIN_FILE", "COMPETITIONS", "DATA_CUTOFF"} <= set(names)


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (["env"], {"EDITION": "prod"}, "it should be demo, live"),
        (["run"], {"AS_OF": "2023-05-01"}, "an instant with its zone"),
        (
            ["migrate"],
            {"DATABASE_URL": "postgresql://me:pw@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1"},
            "PostgreSQL at 127.0.0.1:1",
        ),
    ],
)
def test_a_failure_is_a_sentence_unless_a_traceback_is_asked_for(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], message: str
) -> None:
    result = football(tmp_path, *arguments, **environ)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in football(tmp_path, "--debug", *arguments, **environ).stderr


def test_nothing_running_is_a_state_and_not_a_failure(tmp_path: Path) -> None:
    result = football(tmp_path, "status", "--json")
    assert result.returncode == 0, result.stderr
    status = json.loads(result.stdout)
    assert status["edition"] is None
    assert {program["state"] for program in status["programs"]} == {"stopped"}
    assert football(tmp_path, "stop").stdout == "Nothing was running.\n"


def test_parts_that_are_somebody_elses_are_shown_as_such(tmp_path: Path) -> None:
    text = football(tmp_path, "status", REDIS_URL="redis://cache.example:6379").stdout
    assert "set by REDIS_URL" in text


def test_one_broken_package_does_not_take_the_other_commands_away(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        name, module = "broken", "broken.cli"

        def load(self) -> list[click.Command]:
            raise ModuleNotFoundError("No module named 'broken'")

    monkeypatch.setattr(cli.importlib.metadata, "entry_points", lambda group: [Broken()])
    result = CliRunner().invoke(cli.Football("football", params=cli.main.params, callback=lambda debug: None), ["stop", "--help"])
    assert result.exit_code == 0
    assert "The commands of broken cannot be loaded: No module named 'broken'" in result.stderr


@pytest.mark.parametrize(
    ("in_service", "is_built", "environ", "expected"),
    [
        (None, False, {}, "live"),
        ("demo", True, {}, "demo"),
        ("demo", False, {}, "live"),  # only started: there is nothing to forecast yet
        ("demo", True, {"COMPETITIONS": "E0"}, "live"),  # simulated data take no orders
        ("demo", True, {"ALERT_URLS": "http://127.0.0.1:9"}, "demo"),
        ("live", False, {}, "live"),
        ("as-of-2023-05-01t1200", True, {}, "as-of-2023-05-01t1200"),
        (None, False, {"EDITION": "demo", "COMPETITIONS": "E0"}, "demo"),
        ("demo", True, {"AS_OF": "2023-05-01T12:00Z"}, "as-of-2023-05-01t1200"),
    ],
)
def test_a_backtest_takes_what_is_built_and_real_matches_where_nothing_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_service: str | None,
    is_built: bool,
    environ: dict[str, str],
    expected: str,
) -> None:
    started, called = [], []
    monkeypatch.setattr(operate, "start", lambda here, edition, step: started.append(edition.name))
    monkeypatch.setattr(judging.subprocess, "call", lambda command, env, cwd: called.append((command, env)) or 3)
    for name in ("EDITION", "AS_OF", *SCOPE_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    for name, value in (environ | {"LOCAL_DIR": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    if in_service:
        (tmp_path / "edition").write_text(in_service)
        (tmp_path / in_service).mkdir()
        if is_built:
            (tmp_path / in_service / "built-on").write_text("2026-11-25")
    result = CliRunner().invoke(
        judging.backtest, ["--leagues"], env={"FROM": "2020", "SET": "history", "OUT": "f.csv", "AT_MOST": "0.01"}
    )
    assert result.exit_code == 3, "how it ended is how the pipelines' command ended"
    assert started == [expected]
    ((command, handed),) = called
    is_asked = "COMPETITIONS" in environ
    assert command[1:] == [
        *("-m", "pipelines", "backtest", "--from=2020", "--set=history", f"--out={Path.cwd() / 'f.csv'}", "--at-most=0.01"),
        *("--leagues", *(["--data"] * is_asked)),
    ]
    assert handed["EDITION"] == expected


def test_the_benchmark_of_the_service_is_told_where_all_that_it_measures_is_and_nothing_of_the_warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    ended = subprocess.CompletedProcess([], 4)
    monkeypatch.setattr(judging.subprocess, "run", lambda command, env, cwd, check: called.append((command, env)) or ended)
    for name in ("EDITION", "AS_OF", "DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOCAL_DIR", str(tmp_path))
    result = CliRunner().invoke(judging.bench_serving, ["--seconds", "2", "--soak", "0.5"])
    assert result.exit_code == 4, result.output
    ((command, handed),) = called
    assert command[1:3] == ["-m", "serving.bench"]
    assert set(command[3:]) == {"--seconds=2.0", "--workers=1", "--soak=0.5", f"--evidence={tmp_path}/evidence"}
    assert {"API_DATABASE_URL", "REDIS_URL", "JWT_SECRET_FILE", "MLFLOW_TRACKING_URI"} <= handed.keys()
    assert [name for name in handed if name.endswith("DATABASE_URL")] == ["API_DATABASE_URL"]


def answers(folder: Path, **environ: str) -> dict[str, bool | None]:
    programs = json.loads(football(folder, "status", "--json", **environ).stdout)["programs"]
    return {program["name"]: program["is_answering"] for program in programs}


def processes_of(folder: Path) -> list[psutil.Process]:
    """Those whose command or environment names the folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(folder) in " ".join([*process.cmdline(), *process.environ().values()]):
                found.append(process)
    return found


def test_everything_comes_up_comes_back_when_killed_and_goes_down_again(tmp_path: Path) -> None:
    everything = {name: name != "dagster-daemon" or None for name in (*SERVERS, *APPLICATIONS) if name not in WITH_CELERY}
    try:
        first = football(tmp_path, "up")
        assert first.returncode == 0, first.stdout + first.stderr
        assert "PostgreSQL, for the first time" in first.stdout
        assert answers(tmp_path) == everything
        again = football(tmp_path, "up")
        assert "PostgreSQL" not in again.stdout, "what runs is left alone"

        findings = football(tmp_path, "doctor")
        assert findings.returncode == 0, findings.stdout
        assert re.search(r"^ok +postgres: PostgreSQL 18\.\d+, checksums on$", findings.stdout, flags=re.MULTILINE)
        assert re.search(r"^ok +valkey: 9\.", findings.stdout, flags=re.MULTILINE)

        # With the day's build behind it, `demo` only shows where everything is.
        (tmp_path / ".local/demo/built-on").write_text(f"{datetime.now(UTC):%Y-%m-%d}")
        demo = football(tmp_path, "demo")
        assert demo.returncode == 0, demo.stdout + demo.stderr
        assert "simulated matches, not real ones" in demo.stdout
        (line,) = [line for line in demo.stdout.splitlines() if line.startswith("curl ")]
        answer = subprocess.check_output(["bash", "-c", line], text=True, env={"PATH": os.environ["PATH"], "NO_PROXY": "*"})
        assert "Nothing has been published yet" in json.loads(answer)["detail"], "logged in, and told the truth"

        pids = {p["name"]: p["pid"] for p in json.loads(football(tmp_path, "status", "--json").stdout)["programs"]}
        for name in ("postgres", "api"):
            os.kill(pids[name], signal.SIGKILL)
        deadline = time.monotonic() + 60
        while answers(tmp_path) != everything:
            assert time.monotonic() < deadline
            time.sleep(0.5)

        # A source that cannot be reached: a sentence, not zero, and everything else stays up.
        failed = football(tmp_path, "run", FOOTBALL_DATA_URL=f"file://{tmp_path}/nowhere")
        assert failed.returncode != 0
        assert "Traceback" not in failed.stderr
        assert f"{tmp_path}/nowhere" in failed.stdout + failed.stderr
    finally:
        assert football(tmp_path, "stop").stdout == "Stopped.\n"
        remove_home(tmp_path / ".local")
    assert not is_open(Ports(tmp_path / ".local/ports.json").get("postgres"))
    _, left = psutil.wait_procs(processes_of(tmp_path), timeout=60)
    assert left == [], "what was killed left nothing behind either"


def test_make_help_gives_every_target_a_line() -> None:
    text = (PROJECT_DIR / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (.+)$", text, flags=re.MULTILINE))
    result = subprocess.check_output(["make", "--no-print-directory", "help"], cwd=PROJECT_DIR, text=True)
    assert {line.split()[0] for line in result.splitlines()} == targets
    assert {"demo", "run", "stop", "status", "test", "check", "help", "backtest", "bench-pipeline", "docs"} <= targets


def test_the_bootstrap_says_what_to_install_where_there_is_no_suitable_python(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    for tool in ("dirname", "sh"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    script = tmp_path / "deploy/bootstrap"
    script.write_text((PROJECT_DIR / "deploy/bootstrap").read_text())
    result = subprocess.run(["/bin/sh", str(script)], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Python 3.11, 3.12 or 3.13 is needed" in result.stderr
    assert "apt install python3" in result.stderr
