"""The backtest from nothing but a mirror: every match of the seasons in a file, the same bytes each time, evidence beside it."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from pipelines.sources.simulated import Size, write_site
from tests.e2e.conftest import Platform, mirror_at

MakePlatform = Callable[..., Platform]

COLUMNS = [
    *("source_division", "match_date", "source_home", "source_away", "p_home", "p_draw", "p_away"),
    *("information_set", "model", "as_of"),
]


@dataclass
class Backtested:
    platform: Platform
    seasons: tuple[int, int]
    site: str
    file: Path
    shown: str

    @property
    def forecasts(self) -> pd.DataFrame:
        return pd.read_csv(self.file)

    def evidence(self, recipe: str = "history") -> dict[str, object]:
        return json.loads((self.platform.folder / "evidence" / f"backtest-{recipe}.json").read_text())


def backtest(platform: Platform, seasons: tuple[int, int], site: str, file: Path, *more: str, recipe: str = "history") -> str:
    wanted = ("--from", str(seasons[0]), "--to", str(seasons[1]), "--set", recipe, "--out", str(file))
    evidence = str(platform.folder / "evidence")
    return platform.must_run("backtest", *wanted, *more, EVIDENCE_DIR=evidence, **mirror_at(site))


@pytest.fixture(scope="module")
def done(make_platform: MakePlatform, tmp_path_factory: pytest.TempPathFactory) -> Backtested:
    folder = tmp_path_factory.mktemp("backtest")
    today = datetime.now(UTC).date()
    write_site(folder / "site", today, 1, Size(n_seasons=5))
    site, file = (folder / "site").as_uri(), folder / "forecasts.csv"
    newest = today.year if today.month >= 8 else today.year - 1
    seasons = (newest - 2, newest - 1)
    platform = make_platform("backtest")
    return Backtested(platform, seasons, site, file, backtest(platform, seasons, site, file))


def test_from_nothing_every_played_match_of_the_seasons_is_in_the_file_as_its_source_spells_it(done: Backtested) -> None:
    forecasts = done.forecasts
    assert forecasts.columns.tolist() == COLUMNS
    due = done.platform.query(
        "select source_division, to_char(source_date, 'YYYY-MM-DD'), source_home, source_away from gold.fct_match"
        f" where status = 'played' and season between {done.seasons[0]} and {done.seasons[1]}"
    )
    told = list(forecasts[COLUMNS[:4]].itertuples(index=False, name=None))
    assert sorted(told) == sorted(due)
    assert len(told) > 2_000
    assert (forecasts[["p_home", "p_draw", "p_away"]].sum(axis=1) - 1).abs().max() < 1e-12
    assert set(forecasts["model"]) == set(forecasts["information_set"]) == {"history"}
    assert (
        pd.to_datetime(forecasts["as_of"]).dt.tz_convert(None) < pd.to_datetime(forecasts["match_date"]) + pd.Timedelta("1D")
    ).all()


def test_it_says_what_it_used_and_shows_each_season_and_occasion(done: Backtested) -> None:
    for season in range(done.seasons[0], done.seasons[1] + 1):
        assert f"✓ forecast.backtest.season[{season}]" in done.shown
    assert f"used: edition {done.platform.edition} (real matches), " in done.shown
    for name in ("all", *map(str, done.seasons), "promoted clubs", "first 5 rounds", "last 2 rounds", "correct score"):
        assert f" {name} " in done.shown, name


def test_the_evidence_holds_what_is_shown_and_the_leagues(done: Backtested) -> None:
    figures = done.evidence()
    scores = {(row["group"], row["name"]): row for row in figures["scores"]}  # type: ignore[attr-defined]
    assert figures["n_forecasts"] == scores["all", "all"]["n"] == len(done.forecasts)
    assert {group for group, _ in scores} == {"all", "leagues", "season", "occasion", "month_of_season", "competition_id"}
    # Those who simulate the odds know the strengths: a forecast from earlier prices comes near and not past them.
    assert 0.0 < scores["all", "all"]["difference"] < 0.03
    plots = sorted(path.name for path in (done.platform.folder / "evidence").glob("*.png"))
    assert plots == [f"backtest-history-{name}.png" for name in ("distance_by_league", "distance_by_season", "reliability")]


@dataclass
class Alone:
    """The last season's forecasts, and how the backtest of it alone ended, of which more was asked than can be."""

    file: Path
    ended: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def alone(done: Backtested, tmp_path_factory: pytest.TempPathFactory) -> Alone:
    folder, last = tmp_path_factory.mktemp("alone"), str(done.seasons[1])
    ended = done.platform.run("backtest", "--from", last, "--to", last, "--set", "history", "--at-most", "-0.1",
                              "--out", str(folder / "last.csv"), EVIDENCE_DIR=str(folder))  # fmt: skip
    return Alone(folder / "last.csv", ended)


def test_a_season_alone_is_forecast_as_among_others(done: Backtested, alone: Alone) -> None:
    forecasts = pd.read_csv(alone.file)
    among = done.forecasts.merge(forecasts[COLUMNS[:4]])
    pd.testing.assert_frame_equal(forecasts, among, check_exact=True)
    assert len(forecasts) < len(done.forecasts)


def test_the_same_bytes_give_the_same_file_whatever_was_grown_before(
    done: Backtested, alone: Alone, make_platform: MakePlatform, tmp_path: Path
) -> None:
    backtest(done.platform, done.seasons, done.site, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == done.file.read_bytes(), "with the trees of the run before"
    last = (done.seasons[1], done.seasons[1])
    backtest(make_platform("elsewhere"), last, done.site, tmp_path / "elsewhere.csv")
    assert (tmp_path / "elsewhere.csv").read_bytes() == alone.file.read_bytes(), "in another installation, from nothing"


def test_seasons_that_are_not_there_are_a_sentence(done: Backtested) -> None:
    missing = done.platform.run("backtest", "--from", "1995", "--to", "1996", "--set", "results-logit")
    assert missing.returncode == 1
    assert "No season from 1995 to 1996 has played matches and earlier ones to learn from" in missing.stderr
    assert "Traceback" not in missing.stdout + missing.stderr


def test_a_bar_that_is_missed_is_said_and_exits_with_1(alone: Alone) -> None:
    assert alone.ended.returncode == 1
    assert "at most -0.1000 was allowed" in alone.ended.stderr
