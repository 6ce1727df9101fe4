"""How long the pipeline takes beside the least it could take.

Belongs here: running builds of an empty edition as processes, watching their time and memory from outside, and the
floor: reading the same files, copying the same rows, one fit. Every figure is measured in this one run.
"""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pipelines.settings import PROJECT_DIR, Settings
from pipelines.store.warehouse import Warehouse

N_CHANGED = 22
"""Files that change on a busy day: one for each division of the site."""

REFRESH_SECONDS = 15.0
"""A day's refresh may take, beyond the interpreter's start-up."""

Echo = Callable[[str], None]


@dataclass
class Measured:
    """One run as a process: wall seconds of it and of its stages, and peaks of memory in bytes."""

    seconds: float = 0.0
    startup_seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)

    @property
    def peak_bytes(self) -> int:
        return max(self.peaks.values(), default=0)


def measure_run(*command: str, environment: Mapping[str, str], echo: Echo) -> Measured:
    """Run `python -m pipelines …` and follow its progress lines: a stage lasts from its first line to its last.

    Memory is the sum of the proportional set sizes of the process and its children, looked at once a second, for more would
    slow what is timed; PostgreSQL's own is not in it. Start-up is what passes before the first stage begins.

    Raises:
        RuntimeError: the run failed; the message holds its last words.
    """
    result = Measured()
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", *command],
        env=dict(environment),
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stage = ["start-up"]
    watcher = threading.Thread(target=_watch, args=(process, stage, result), daemon=True)
    watcher.start()
    lines: list[str] = []
    started: dict[str, float] = {}
    assert process.stdout is not None  # noqa: S101 - asked for above
    for line in process.stdout:
        lines.append(line)
        words = line.split()
        if len(words) >= 2 and words[0] == "·":
            stage[0] = words[1]
            started[stage[0]] = time.monotonic()
            result.startup_seconds = result.startup_seconds or time.monotonic() - begin
        elif len(words) >= 2 and words[0] == "✓":
            result.stages[words[1]] = time.monotonic() - started.get(words[1], begin)
            echo(f"  {words[1]:<28} {result.stages[words[1]]:7.1f} s")
    if process.wait() != 0:
        raise RuntimeError("".join(lines[-20:]))
    result.seconds = time.monotonic() - begin
    watcher.join(timeout=5)
    return result


def _watch(process: "subprocess.Popen[str]", stage: list[str], result: Measured) -> None:
    while process.poll() is None:
        try:
            parent = psutil.Process(process.pid)
            total = sum(each.memory_full_info().pss for each in (parent, *parent.children(recursive=True)))
        except psutil.Error:
            continue
        result.peaks[stage[0]] = max(result.peaks.get(stage[0], 0), total)
        time.sleep(1.0)


def measure_floor(settings: Settings, warehouse: Warehouse, echo: Echo) -> dict[str, float]:
    """Seconds of the least that any pipeline must do with the same bytes: read, copy, fit once.

    The fit learns from the matches that the build has just put into `gold`, as many as the default recipe learns from, with
    LightGBM's own settings: a hundred trees.
    """
    import lightgbm
    import pandas as pd

    from pipelines.defs.training import matrix
    from pipelines.forecast.metrics import outcome_of
    from pipelines.forecast.models import MODELS
    from pipelines.forecast.splits import is_played
    from pipelines.store.floor import copy_as_text
    from pipelines.store.gold import n_played

    root = Path(settings.football_data_url.removeprefix("file://"))
    paths = sorted([*root.glob("mmz4281/*/*.csv"), *root.glob("new/*.csv")])
    floor: dict[str, float] = {}
    with _timed(floor, "pandas reads the files", echo):
        for path in paths:
            pd.read_csv(path, dtype=str, encoding="latin-1", on_bad_lines="skip", index_col=False)
    lines = [path.read_text(encoding="latin-1").splitlines() for path in paths]
    with _timed(floor, "COPY of the rows as text", echo):
        copy_as_text(warehouse, lines)
    del lines
    matches, features, _ = matrix(warehouse, [next(iter(MODELS.values()))], max(n_played(warehouse)))
    played = is_played(matches)
    outcomes = outcome_of(matches.loc[played, "home_goals"], matches.loc[played, "away_goals"])
    with _timed(floor, "one LightGBM fit", echo):
        # As LightGBM comes, whatever our recipes make of it.
        parameters = {"objective": "multiclass", "num_class": 3, "num_threads": 2, "verbose": -1}
        lightgbm.train(parameters, lightgbm.Dataset(features[played].to_numpy(), outcomes), num_boost_round=100)
    return floor


@contextmanager
def _timed(into: dict[str, float], name: str, echo: Echo) -> Iterator[None]:
    begin = time.monotonic()
    yield
    into[name] = time.monotonic() - begin
    echo(f"  {name:<28} {into[name]:7.1f} s")


def change_files(site: Path, folder: Path, n: int = N_CHANGED) -> str:
    """A mirror of `site` in which `n` of the newest league files have one match more; its address.

    Unchanged files are copies that keep their times, as a mirror's would.
    """
    for part in ("mmz4281", "new"):
        shutil.copytree(site / part, folder / part)
    newest = sorted(folder.glob("mmz4281/*/*.csv"), key=lambda path: (path.parent.name[0] != "9", path.parent.name), reverse=True)
    for path in newest[:n]:
        path.chmod(0o644)
        lines = path.read_bytes().rstrip().splitlines()
        header, last = lines[0].split(b","), lines[-1].split(b",")
        home, away = (
            next(i for i, name in enumerate(header) if name in names) for names in ((b"HomeTeam", b"HT"), (b"AwayTeam", b"AT"))
        )
        # The last line once more with the sides changed: a match that no file has yet on that day.
        last[home], last[away] = last[away], last[home]
        path.write_bytes(b"\r\n".join([*lines, b",".join(last)]) + b"\r\n")
    return folder.as_uri()
