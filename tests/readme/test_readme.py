"""The README followed as a stranger would: every command it shows, in a checkout of its own.

Belongs here: reading the commands out of the README and running them. What they do in detail is tested elsewhere.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.settings import PROJECT_DIR
from pipelines.sources.simulated import write_site
from tests.deploy.test_servers import remove_home

README = (PROJECT_DIR / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """The lines of the README's console blocks, in order, without what is said beside them."""
    blocks = re.findall(r"^```console\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [line.partition("  #")[0].rstrip() for block in blocks for line in block.splitlines()]


@dataclass
class Checkout:
    """A copy of the project, a mirror of simulated files, and a shell in which neither this tree's nor the user's settings count."""

    folder: Path
    mirror: Path
    today: datetime

    def run(self, command: str) -> str:
        """What the command prints; it must exit 0."""
        done = subprocess.run(
            ["sh", "-c", self._as_typed(command)],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def address(self, name: str) -> str:
        """One of the addresses that `football env` prints."""
        lines = self.run(".venv/bin/football env").splitlines()
        return dict(line.split("=", 1) for line in lines)[name]

    def page(self, name: str, path: str, unfinished: str = "\0") -> str:
        """What a browser gets, as soon as it no longer says `unfinished`."""
        deadline = time.monotonic() + 240
        while True:
            with urllib.request.urlopen(self.address(name) + path, timeout=30) as answer:
                text = str(answer.read().decode())
            if unfinished not in text:
                return text
            assert time.monotonic() < deadline, text
            time.sleep(2)

    def _as_typed(self, command: str) -> str:
        """The placeholders filled in: the mirror, a day that it knows, the port."""
        command = command.replace("file:///data/football-data", self.mirror.as_uri())
        command = re.sub(r"AS_OF=\S+", f"AS_OF={self.today - timedelta(days=40):%Y-%m-%dT12:00Z}", command)
        if "127.0.0.1:…" in command:
            command = command.replace("http://127.0.0.1:…", self.address("API_URL"))
        return command

    def _environment(self) -> dict[str, str]:
        # Installing wants what this machine says of its package index and its caches.
        kept = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_", "XDG_"))}
        return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "FOOTBALL_DATA_URL": self.mirror.as_uri(), **kept}


def take_over_compiled(environment: Path) -> None:
    """Give an environment what is compiled in this one, from the same lock file: compiling takes a minute of both cores.

    As links that Python replaces and never writes to; what it finds to be of other sources it compiles by itself.
    """
    for compiled in Path(sys.prefix).rglob("lib/**/__pycache__/*.pyc"):
        place = environment / compiled.relative_to(sys.prefix)
        if not place.parent.parent.is_dir() or place.exists():
            continue
        place.parent.mkdir(exist_ok=True)
        try:
            place.hardlink_to(compiled)
        except OSError:  # another file system
            shutil.copy(compiled, place)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("checkout") / "football"
    listed = subprocess.check_output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=PROJECT_DIR)
    for name in filter(None, listed.decode().split("\0")):
        if (PROJECT_DIR / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT_DIR / name, folder / name)
    today = datetime.now(UTC)
    write_site(folder.parent / "mirror", today.date(), 1)
    place = Checkout(folder, folder.parent / "mirror", today)
    place.run("UV_COMPILE_BYTECODE=0 make install")
    take_over_compiled(folder / ".venv")
    yield place
    subprocess.run(["make", "stop"], cwd=folder, check=False, capture_output=True)
    remove_home(folder / ".local")


def test_every_command_of_the_readme_does_what_it_says(checkout: Checkout) -> None:
    shown = {}
    for command in commands():
        shown[command] = checkout.run(command)
        if command == "make demo":
            assert "The warehouse" in checkout.page("DOCS_URL", "/index.html", "being built")
            assert "fct_match" in checkout.page("DOCS_URL", "/dbt/index.html")

    demo = shown["make demo"]
    assert "SIMULATED" in demo
    assert "demo is up" in demo
    assert re.search(r"\d\d% +│? *\d\d%", demo), "probabilities as a table"
    (curl,) = (output for command, output in shown.items() if command.startswith("curl"))
    assert '"p_home"' in curl
    assert shown["make stop"] == "Stopped.\n"
    assert "live is up" in shown["make run"]
    (rehearsal,) = (output for command, output in shown.items() if "AS_OF" in command)
    assert "A rehearsal of" in rehearsal
    assert re.search(r"\d\d% +│? *\d\d%", rehearsal)
    (backtest,) = (output for command, output in shown.items() if command.startswith("make backtest"))
    assert "used: edition live" in backtest
    assert (checkout.folder / "forecasts.csv").read_text().startswith("source_division,match_date,source_home,source_away,p_home")
    assert "make" not in shown["make help"].split("\n")[0]
    assert "running" in shown["make status"]
    assert "refresh" in shown[".venv/bin/football --help"]
    assert "API_URL=" in shown[".venv/bin/football env"]
    assert "Coming fixtures" in shown[".venv/bin/football predictions"]
    assert "stand as they were issued" in shown[".venv/bin/football ledger verify"]


def test_what_the_readme_links_to_is_there() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (PROJECT_DIR / target).exists(), target
