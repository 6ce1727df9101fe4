"""How long the pipeline takes beside the least it could take.

Belongs here: running builds of an empty edition as processes, watching their time and memory from outside, and the
floor: reading the same files, copying the same rows, one fit. Every figure is measured in this one run.
"""

import csv
import io
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from pipelines.settings import PROJECT_DIR, Settings
from pipelines.store.warehouse import Warehouse

N_CHANGED = 22
"""Files that change on a busy day: one for each division of the site."""


@dataclass
class Measured:
    """One process run: wall seconds, and the peak of its own and its children's memory."""

    seconds: float = 0.0
    peak_bytes: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    startup_seconds: float = 0.0


def measure_run(*command: str, environment: dict[str, str], echo: Callable[[str], None]) -> Measured:
    """Run `python -m pipelines …` and follow its progress lines: a stage lasts from its first line to its last.

    Memory is the sum of the proportional set sizes of the process and its children, looked at five times a second.

    Raises:
        RuntimeError: the run failed; the message holds its last words.
    """
    result = Measured()
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", *command],
        env=environment,
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stage = ["start-up"]
    watcher = threading.Thread(target=_watch, args=(process.pid, stage, result), daemon=True)
    watcher.start()
    lines: list[str] = []
    started: dict[str, float] = {}
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        words = line.split()
        if len(words) >= 2 and words[0] == "·":
            stage[0] = words[1]
            started[words[1]] = time.monotonic()
            if not result.startup_seconds:
                result.startup_seconds = time.monotonic() - begin
        elif len(words) >= 2 and words[0] == "✓":
            result.stages[words[1]] = time.monotonic() - started.get(words[1], begin)
            echo(f"  {words[1]:<40} {result.stages[words[1]]:7.1f} s")
    if process.wait() != 0:
        raise RuntimeError("".join(lines[-20:]))
    result.seconds = time.monotonic() - begin
    result.peak_bytes = max(result.peaks.values(), default=0)
    return result


def _watch(pid: int, stage: list[str], result: Measured) -> None:
    with_children = psutil.Process(pid)
    while True:
        try:
            total = sum(p.memory_full_info().pss for p in [with_children, *with_children.children(recursive=True)])
        except psutil.Error:
            if not psutil.pid_exists(pid):
                return
            continue
        result.peaks[stage[0]] = max(result.peaks.get(stage[0], 0), total)
        time.sleep(0.2)
        if with_children.status() == psutil.STATUS_ZOMBIE:
            return


def measure_floor(settings: Settings, warehouse: Warehouse) -> dict[str, float]:
    """Seconds of the least that any pipeline must do with the same bytes: read, copy, fit once."""
    import pandas as pd

    from pipelines.forecast.benchmark import fit_once

    root = Path(settings.football_data_url.removeprefix("file://"))
    floor = {}
    with _timed(floor, "read the files with pandas"):
        frames = [
            pd.read_csv(path, dtype=str, encoding="latin-1", on_bad_lines="skip", index_col=False)
            for path in sorted([*root.glob("mmz4281/*/*.csv"), *root.glob("new/*.csv")])
        ]
    with warehouse.connect() as connection, _timed(floor, "copy the rows as text"):
        connection.execute("create temporary table line (content text)")
        with connection.cursor() as cursor, cursor.copy("copy line from stdin (format csv)") as copy:
            for frame in frames:
                text = io.StringIO()
                writer = csv.writer(text)
                writer.writerows([row] for row in frame.to_csv(index=False, header=False).splitlines())
                copy.write(text.getvalue())
    del frames
    rows = fit_once.prepare(warehouse) if hasattr(fit_once, "prepare") else None
    with _timed(floor, "fit LightGBM once"):
        fit_once(rows)
    return floor


@contextmanager
def _timed(into: dict[str, float], name: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    into[name] = time.monotonic() - begin


def change_files(site: Path, folder: Path, n: int = N_CHANGED) -> str:
    """A mirror of `site` in which the `n` newest league files have one result more; its address.

    Unchanged files are links, so that making the mirror costs nothing.
    """
    shutil.copytree(site, folder, copy_function=os.symlink, ignore=shutil.ignore_patterns("snapshots", "fixtures"))
    newest = sorted(folder.glob("mmz4281/*/*.csv"), key=lambda path: (int(path.parent.name[:2]) < 90, path.parent.name), reverse=True)
    for path in newest[:n]:
        content = path.read_bytes()
        path.unlink()
        lines = content.rstrip().split(b"\r\n")
        last = lines[-1].split(b",")
        # The last match again, a day on, between the same clubs the other way round: a line no file has yet.
        last[3:5] = last[4:2:-1]
        path.write_bytes(b"\r\n".join([*lines, b",".join(last)]) + b"\r\n")
    return folder.as_uri()
