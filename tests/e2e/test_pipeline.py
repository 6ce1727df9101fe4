"""The main job from raw files to a publication, as a person would run it.

Each test begins with a platform of its own; a build takes most of a minute, so they ask as much of one as they can.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from pipelines.sources.simulated import write_site
from tests.e2e.conftest import Platform

NewPlatform = Callable[[str], Platform]

SIMULATED = {"IS_SIMULATED": "1"}


def _built(platform: Platform, *arguments: str, **changes: str) -> str:
    done = platform.run("build", *arguments, **changes)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def _mirror(site: Path, folder: Path) -> str:
    """A copy of a site that a test may change; its address."""
    shutil.copytree(site, folder)
    return folder.as_uri()


def test_build_publishes_coming_fixtures_and_a_second_one_changes_nothing(new_platform: NewPlatform) -> None:
    platform = new_platform("demo")
    shown = _built(platform, **SIMULATED)
    assert "SIMULATED" in shown

    ((n_predictions, is_simulated),) = platform.query("select n_predictions, is_simulated from published.publication")
    assert is_simulated is True
    ((n_fixtures, p_sum_off),) = platform.query(
        "select count(*), max(abs(p_home + p_draw + p_away - 1)) from published.prediction where kickoff_at > now() - interval '1 hour'"
    )
    assert n_predictions == n_fixtures >= 15
    assert p_sum_off < 1e-9
    ((n_played, n_rows),) = platform.query("select count(home_goals), count(*) from gold.fct_match")
    assert n_played > 5_000
    assert n_rows - n_played >= n_predictions
    assert platform.query("select decision from forecast.model_evidence") == [("promoted",)]

    before = platform.content()
    assert "! " not in _built(platform, **SIMULATED).replace("Simulated data", "").split("Coming fixtures")[0]
    assert platform.content() == before

    # What one role may do is the database's business, not the code's.
    with psycopg.connect(platform.urls.model) as connection, pytest.raises(psycopg.errors.RaiseException):
        connection.execute("update forecast.prediction set p_home = 0.5")


def test_killed_at_any_moment_and_run_again_the_tables_are_the_same(new_platform: NewPlatform) -> None:
    whole = new_platform("whole")
    begin = time.monotonic()
    _built(whole, **SIMULATED)
    seconds = time.monotonic() - begin

    killed = new_platform("killed")
    for share in (0.25, 0.45, 0.6, 0.75, 0.9):
        process = killed.start("build", **SIMULATED)
        time.sleep(share * seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    _built(killed, **SIMULATED)
    assert killed.content() == whole.content()


def test_unreachable_source_is_a_sentence_and_leaves_everything_standing(new_platform: NewPlatform) -> None:
    platform = new_platform("unreachable")
    _built(platform, **SIMULATED)
    before = platform.content()
    done = platform.run(
        "build", SOURCES="football_data", FOOTBALL_DATA_URL="http://127.0.0.1:9", COMPETITIONS="E0", SEASONS="2023"
    )
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr
    assert "still stands" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert platform.content() == before


def test_bad_files_are_set_aside_and_the_run_goes_on(new_platform: NewPlatform, tmp_path: Path) -> None:
    platform = new_platform("bad")
    _built(platform, **SIMULATED)
    ((n_before,),) = platform.query("select count(*) from gold.fct_match")
    address = _mirror(platform.folder / "simulated", tmp_path / "mirror")
    seasons = sorted((tmp_path / "mirror/mmz4281").iterdir())
    season = seasons[-2]
    whole = (season / "E0.csv").read_bytes()
    n_lines = whole.count(b"\n")
    (season / "E0.csv").write_bytes(whole[:-40])  # cut in the middle of its last line
    (season / "E1.csv").write_bytes(b"<!DOCTYPE html><html><body>503</body></html>")
    (season / "D1.csv").write_bytes(b"")
    (season / "D2.csv").write_bytes((season / "D1.csv").read_bytes() + b"Div,Date\r\n")
    (tmp_path / "mirror/fixtures.csv").unlink()

    done = platform.run("build", SOURCES="football_data", FOOTBALL_DATA_URL=address, COMPETITIONS="all", SEASONS="all")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    reasons = dict(platform.query("select reason, sum(n_lines)::int from bronze.quarantine group by reason"))
    assert reasons["broken_off"] == 1
    assert reasons["html"] == 1
    ((n_loaded,),) = platform.query(
        f"select n_loaded from bronze.source_file where source = 'football_data' and key like '%{season.name}/E0.csv'"
    )
    assert n_loaded == n_lines - 2  # all but the header and the broken line
    ((n_after,),) = platform.query("select count(*) from gold.fct_match")
    assert n_after == n_before
    assert "set aside" in done.stdout


def test_a_mirror_without_fixtures_publishes_nothing_and_says_so(new_platform: NewPlatform, tmp_path: Path) -> None:
    platform = new_platform("nofixtures")
    write_site(tmp_path / "site", datetime.now(UTC).date(), 1)
    for name in ("fixtures.csv", "new_league_fixtures.csv"):
        (tmp_path / "site" / name).unlink()
    shown = _built(
        platform, SOURCES="football_data", FOOTBALL_DATA_URL=(tmp_path / "site").as_uri(), COMPETITIONS="all", SEASONS="all"
    )
    assert "No coming match is known" in shown
    assert platform.query("select n_predictions from published.publication") == [(0,)]


def test_rehearsal_hides_what_came_later_and_forecasts_the_days_that_followed(new_platform: NewPlatform, tmp_path: Path) -> None:
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    write_site(tmp_path / "site", today.date(), 1)
    platform = new_platform("rehearsal")
    cutoff = today - timedelta(days=60)
    _built(
        platform,
        SOURCES="football_data",
        FOOTBALL_DATA_URL=(tmp_path / "site").as_uri(),
        COMPETITIONS="all",
        SEASONS="all",
        DATA_CUTOFF=cutoff.isoformat(),
    )
    ((latest_known,),) = platform.query("select max(known_at) from gold.fct_match where home_goals is not null")
    assert latest_known < cutoff
    ((n, first, last, issued),) = platform.query(
        "select count(*), min(kickoff_at), max(kickoff_at), max(issued_at) from published.prediction"
    )
    assert n >= 15
    assert cutoff < first < last <= cutoff + timedelta(days=10)
    assert issued == cutoff
