"""The machine code of ratings, tables and memories, made before somebody waits for it.

numba compiles each loop when it is first called, which takes a third of a minute for all of them, and keeps the code beside its
source. Where it is missing or older than its source, after an installation or a change, a process of its own makes it, so that
nobody waits: compiling holds the interpreter's lock, and a thread would stop what else the run does.

A second process waits for the first, and finds nothing left to do.

Belongs here: whether that is needed, and doing it. Does not belong here: the loops (`pipelines.forecast`).
"""

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import Final

_PROJECT: Final = Path(__file__).parents[1]
_FORECAST: Final = Path(__file__).parent / "forecast"


def make_beside(folder: Path = _FORECAST) -> "subprocess.Popen[bytes] | None":
    """Have a process of its own make the code of all loops, unless it is there; whoever waits for nobody may end meanwhile."""
    if is_made(folder):
        return None
    # Not to this process's output, whose reader would wait for both. What fails here fails again, aloud, in the run.
    nothing = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", __name__], cwd=_PROJECT, stdin=nothing, stdout=nothing, stderr=nothing)


def is_made(folder: Path = _FORECAST) -> bool:
    """Whether every module with loops, all ratings among them, has code that is no older than itself."""
    loops = [folder / f"{name}.py" for name in ("innovations", "replay", "standings", "statespace")]
    ratings = [each for each in (folder / "ratings").glob("*.py") if each.stem != "__init__"]
    return all(_is_newer(source) for source in loops + ratings)


def _is_newer(source: Path) -> bool:
    indexes = list((source.parent / "__pycache__").glob(f"{source.stem}.*.nbi"))
    return bool(indexes) and max(index.stat().st_mtime for index in indexes) >= source.stat().st_mtime


def make() -> None:
    """Have the code of every loop there, one process at a time."""
    cache = _FORECAST / "__pycache__"
    cache.mkdir(exist_ok=True)
    with (cache / "machine_code.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_made():
            call_every_loop()


def call_every_loop() -> None:
    """Call each once, on a few matches that say nothing."""
    import pandas as pd

    from pipelines.forecast import features, memory, national
    from pipelines.forecast.contract import MARKET_COLUMNS, MATCH_COLUMNS
    from pipelines.forecast.replay import Timeline

    noons = pd.Series(pd.date_range("2000-01-01T12:00Z", periods=3, freq="D"))
    hour = pd.Timedelta(hours=1)
    said = {
        "match_id": ["1", "2", "3"],
        "competition_id": "E0",
        "country": "England",
        "status": "played",
        "home_team_id": ["a", "b", "a"],
        "away_team_id": ["b", "a", "b"],
        "kickoff_at": noons,
        "as_of": noons - hour,
        "known_at": noons + 3 * hour,
        "season": 1999,
    }
    matches = pd.DataFrame(dict.fromkeys(MATCH_COLUMNS, 1.0) | said)
    features.rate(matches)
    memory.remember(Timeline.of(matches), pd.DataFrame(columns=list(MARKET_COLUMNS), dtype="float64"))
    national.rate(matches.assign(is_neutral=0.0))


if __name__ == "__main__":
    make()
