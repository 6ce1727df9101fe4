"""The main job on mirrors of its own: what it does without fixtures, and on a day in the past.

Belongs here: what starts from an empty platform. What needs one that was built is in `test_pipeline`; the two files may
run in two processes.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.sources.simulated import Size, write_site
from tests.e2e.conftest import Platform, mirror_at

MakePlatform = Callable[..., Platform]


def test_a_mirror_without_fixtures_publishes_nothing_and_says_so(make_platform: MakePlatform, tmp_path: Path) -> None:
    platform = make_platform("nofixtures")
    write_site(tmp_path / "site", datetime.now(UTC).date(), 1, Size(n_seasons=2))
    for name in ("fixtures.csv", "new_league_fixtures.csv"):
        (tmp_path / "site" / name).unlink()
    shown = platform.must_run("build", "--no-train", **mirror_at((tmp_path / "site").as_uri()))
    assert "fixtures.csv is missing" in shown
    assert "No coming match is known" in shown
    assert platform.query("select n_predictions from published.publication") == [(0,)]


def test_a_rehearsal_hides_what_came_later_and_forecasts_the_days_that_followed(
    make_platform: MakePlatform, tmp_path: Path
) -> None:
    platform = make_platform("rehearsal")
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    write_site(tmp_path / "site", today.date(), 1, Size(n_seasons=4))
    cutoff = today - timedelta(days=60)
    platform.must_run("build", DATA_CUTOFF=cutoff.isoformat(), **mirror_at((tmp_path / "site").as_uri()))
    ((latest_known,),) = platform.query("select max(known_at) from gold.fct_match where home_goals is not null")
    assert latest_known < cutoff
    ((n, first, last, issued),) = platform.query(
        "select count(*), min(kickoff_at), max(kickoff_at), max(issued_at) from published.prediction"
    )
    assert n >= 15
    assert cutoff < first < last <= cutoff + timedelta(days=10)
    assert issued == cutoff
