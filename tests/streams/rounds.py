"""Rounds of reading, and what is in bronze after them: what the tests of readers have in common."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.settings import Settings
from pipelines.store.landing import open_landing
from pipelines.store.warehouse import Warehouse
from pipelines.streams.intake import Taken, take_in
from pipelines.streams.reading import Bounds
from tests.conftest import unmeasured

ROOT = Path(__file__).resolve().parents[2]
BOUNDS = Bounds(seconds=40)


def quote(n: int) -> dict[str, Any]:
    """One that is told from every other by its time."""
    return {
        **{"schema": 1, "kind": "quote", "competition": "E0", "home": "Ash", "away": "Birch"},
        **{"kickoff_at": "2024-02-03T15:00:00Z", "bookmaker": "pinnacle", "market": "over_under_25"},
        **{"odds": {"over": 1.9, "under": 1.95}, "quoted_at": datetime.fromtimestamp(1_700_000_000 + n, UTC).isoformat()},
    }


def read(settings: Settings, bounds: Bounds = BOUNDS) -> Taken:
    taken = Taken()
    take_in(settings, Warehouse(settings.ingest_url), open_landing(settings.landing, ""), taken, bounds)
    return taken


def numbers(settings: Settings) -> list[int]:
    """Those of the quotes that are in bronze."""
    rows = Warehouse(settings.reader_url).read("select cells ->> 'quoted_at' as at from bronze.stream_message")
    return sorted(int(datetime.fromisoformat(at).timestamp()) - 1_700_000_000 for at in rows["at"])


def read_up_to(settings: Settings, n: int) -> int:
    """Rounds until `n` messages are in bronze, a handful at most: one may end before the group has given it what a dead reader had.
    How many these rounds have read."""
    taken = 0
    for _ in range(6):
        if len(numbers(settings)) >= n:
            break
        taken += read(settings).n_inserted
    return taken


@contextmanager
def started(settings: Settings, dies: str, seconds: float = 40) -> Iterator[subprocess.Popen[str]]:
    """A reader in a process of its own, which is not there any more behind the block."""
    environment = {
        "INGEST_DATABASE_URL": settings.ingest_url,
        "STATE_DIR": str(settings.state_dir),
        "EDITION": settings.edition,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "KAFKA_TOPIC": settings.kafka_topic,
        "KAFKA_OPTIONS": " ".join("=".join(each) for each in settings.kafka_options),
    }
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("reader.py")), dies, str(seconds)],
        env={**unmeasured(os.environ), **environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
