"""The main job from raw files to a publication, as a person would run it.

One build is made and copied: a build costs most of a minute, a copy of its databases a second.
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

MakePlatform = Callable[..., Platform]

SIMULATED = {"IS_SIMULATED": "1"}


def _mirror(address: str) -> dict[str, str]:
    """The variables that make a platform load a whole mirror of football-data.co.uk."""
    return {"SOURCES": "football_data", "FOOTBALL_DATA_URL": address, "COMPETITIONS": "all", "SEASONS": "all"}


def _done(platform: Platform, *command: str, **changes: str) -> str:
    done = platform.run(*command, **changes)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_a_build_publishes_the_coming_fixtures_and_shows_them_as_simulated(built: Platform) -> None:
    assert "SIMULATED" in built.shown
    ((n_predictions, is_simulated),) = built.query("select n_predictions, is_simulated from published.publication")
    assert is_simulated is True
    ((n_fixtures, p_sum_off),) = built.query(
        "select count(*), max(abs(p_home + p_draw + p_away - 1)) from published.prediction where kickoff_at > now() - interval '1 hour'"
    )
    assert n_predictions == n_fixtures >= 15
    assert p_sum_off < 1e-9
    ((n_played, n_rows),) = built.query("select count(home_goals), count(*) from gold.fct_match")
    assert n_played > 5_000
    assert n_rows - n_played >= n_predictions
    assert built.query("select decision from forecast.model_evidence") == [("promoted",)]


def test_the_ledger_refuses_to_be_rewritten_by_the_role_that_writes_it(built: Platform) -> None:
    with psycopg.connect(built.urls.model) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("update forecast.prediction set p_home = 0.5")
    with psycopg.connect(built.admin) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("update forecast.prediction set p_home = 0.5")


def test_the_same_files_again_leave_every_table_as_it_was(built: Platform, make_platform: MakePlatform) -> None:
    platform = make_platform("again", like=built)
    before = platform.content()
    assert before == built.content()
    _done(platform, "build", **SIMULATED)
    assert platform.content() == before


def test_killed_at_any_moment_and_run_again_the_tables_are_the_same(built: Platform, make_platform: MakePlatform) -> None:
    platform = make_platform("killed")
    for seconds in (14, 22, 30, 38):
        process = platform.start("build", **SIMULATED)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    _done(platform, "build", **SIMULATED)
    assert platform.content() == built.content()


def test_an_unreachable_source_is_a_sentence_and_leaves_everything_standing(built: Platform, make_platform: MakePlatform) -> None:
    platform = make_platform("unreachable", like=built)
    before = platform.content()
    done = platform.run("build", **_mirror("http://127.0.0.1:9") | {"COMPETITIONS": "E0", "SEASONS": "2023"})
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert "still stands" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert platform.content() == before


def test_bad_files_are_set_aside_with_a_reason_and_the_run_goes_on(
    built: Platform, make_platform: MakePlatform, tmp_path: Path
) -> None:
    platform = make_platform("bad", like=built)
    ((n_before,),) = platform.query("select count(*) from gold.fct_match where home_goals is not null")
    mirror = tmp_path / "mirror"
    shutil.copytree(platform.folder / "simulated", mirror)
    season = sorted((mirror / "mmz4281").iterdir())[-2]
    whole = (season / "E0.csv").read_bytes()
    (season / "E0.csv").write_bytes(whole[:-40])  # cut in the middle of its last line
    (season / "E1.csv").write_bytes(b"<!DOCTYPE html><html><body>503</body></html>")
    (season / "D1.csv").write_bytes(b"")
    d2 = (season / "D2.csv").read_bytes().splitlines(keepends=True)
    cells = d2[5].split(b",")
    impossible = b",".join([*cells[:5], b"99", *cells[6:]])
    (season / "D2.csv").write_bytes(b"".join([*d2[:5], impossible, *d2[6:]]))

    shown = _done(platform, "build", **SIMULATED | _mirror(mirror.as_uri()))
    assert "set aside" in shown
    reasons = dict(
        platform.query(
            "select q.reason, sum(q.n_lines)::int from bronze.quarantine as q join bronze.source_file as f using (file_id)"
            " where f.source = 'football_data' group by q.reason"
        )
    )
    assert reasons["broken_off"] == 1
    assert reasons["html"] == 1
    assert reasons["impossible_score"] == 1
    assert "empty" in {state for (state,) in platform.query("select reason from bronze.quarantine")}
    ((n_after,),) = platform.query("select count(*) from gold.fct_match where home_goals is not null")
    assert n_after == n_before, "what the simulated source still delivers stays, and nothing is invented or doubled"


def test_a_mirror_without_fixtures_publishes_nothing_and_says_so(make_platform: MakePlatform, tmp_path: Path) -> None:
    platform = make_platform("nofixtures")
    write_site(tmp_path / "site", datetime.now(UTC).date(), 1)
    for name in ("fixtures.csv", "new_league_fixtures.csv"):
        (tmp_path / "site" / name).unlink()
    shown = _done(platform, "build", "--no-train", **_mirror((tmp_path / "site").as_uri()))
    assert "fixtures.csv is missing" in shown
    assert "No coming match is known" in shown
    assert platform.query("select n_predictions from published.publication") == [(0,)]


def test_a_rehearsal_hides_what_came_later_and_forecasts_the_days_that_followed(
    make_platform: MakePlatform, tmp_path: Path
) -> None:
    platform = make_platform("rehearsal")
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    write_site(tmp_path / "site", today.date(), 1)
    cutoff = today - timedelta(days=60)
    _done(platform, "build", DATA_CUTOFF=cutoff.isoformat(), **_mirror((tmp_path / "site").as_uri()))
    ((latest_known,),) = platform.query("select max(known_at) from gold.fct_match where home_goals is not null")
    assert latest_known < cutoff
    ((n, first, last, issued),) = platform.query(
        "select count(*), min(kickoff_at), max(kickoff_at), max(issued_at) from published.prediction"
    )
    assert n >= 15
    assert cutoff < first < last <= cutoff + timedelta(days=10)
    assert issued == cutoff
