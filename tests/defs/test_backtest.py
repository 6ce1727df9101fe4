"""The backtest as Dagster runs it, on a small world instead of a database."""

import json
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from upath import UPath

from pipelines.defs.backtest import BACKTEST, Frames, Walk, backtest, forget_ended
from pipelines.forecast.backtest import as_file, with_pooled_goals
from pipelines.forecast.backtest import backtest as walk_forward
from pipelines.forecast.features import assemble
from pipelines.forecast.models import MODELS
from pipelines.settings import Settings
from tests.forecast.conftest import known, simulate

NO_CLOSING = pd.DataFrame(
    columns=[
        "match_id",
        "bookmaker",
        "moment",
        "market",
        "line",
        "odds_home",
        "odds_draw",
        "odds_away",
        "odds_over",
        "odds_under",
    ]
)


class SmallWalk(Walk):
    """What a database would hold is given."""

    known: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
    closing = NO_CLOSING


def small_world() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What `Walk.known` gives, made up; the same every time."""
    matches, warehouse = simulate()
    spelt = matches.assign(
        source_division=matches["competition_id"],
        source_date=matches["kickoff_at"].dt.tz_localize(None).dt.normalize(),
        source_home=matches["home_team_id"],
        source_away=matches["away_team_id"],
    )
    return spelt, assemble(matches, known(matches, warehouse), warehouse, warehouse), warehouse


@pytest.fixture(scope="module")
def frames() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return small_world()


def run(frames: tuple[pd.DataFrame, ...], folder: Path, first: int, last: int) -> dg.ExecuteInProcessResult:
    settings = replace(Settings.read({"EDITION": "small"}), state_dir=folder, evidence_dir=folder / "evidence")
    walk = type("Given", (SmallWalk,), {"known": frames})(settings, "results-logit", first, last, str(folder / "out.csv"))
    return dg.materialize(
        [backtest, *(dg.AssetSpec(key) for key in (["gold", "feat_match"], ["forecast", "match_rating"]))],
        selection=[BACKTEST],
        resources={"walk": walk, "frames": Frames(UPath(folder / "frames"))},
        raise_on_error=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backtest")


@pytest.fixture(scope="module")
def result(frames: tuple[pd.DataFrame, ...], folder: Path) -> dg.ExecuteInProcessResult:
    return run(frames, folder, 2017, 2018)


def test_each_season_is_a_step(result: dg.ExecuteInProcessResult) -> None:
    assert result.success
    steps = [event.step_key for event in result.all_events if event.is_step_success]
    assert steps == [
        "forecast__backtest.seasons",
        "forecast__backtest.season[2017]",
        "forecast__backtest.season[2018]",
        "forecast__backtest.evidence",
    ]


def test_what_ended_runs_handed_from_step_to_step_is_cleared_and_what_others_need_stays(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:

        @dg.job
        def nothing() -> None: ...

        ended = nothing.execute_in_process(instance=instance).run_id
        waiting = instance.create_run_for_job(nothing).run_id
        for name in (ended, waiting, "of-no-run"):
            (tmp_path / name / "season").mkdir(parents=True)
        forget_ended(instance, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [waiting]
        forget_ended(instance, tmp_path / "not there")


def test_a_season_is_handed_over_with_the_expected_goals_that_would_have_been_published(
    frames: tuple[pd.DataFrame, ...], folder: Path, result: dg.ExecuteInProcessResult
) -> None:
    kept = folder / "frames" / result.run_id / "forecast__backtest.season[2018]" / "result.parquet"
    expected = with_pooled_goals(walk_forward(*frames, MODELS["results-logit"], [2018]), frames[0])
    pd.testing.assert_frame_equal(pd.read_parquet(kept), expected, check_exact=True)


def test_the_file_holds_what_the_seasons_say_together(
    frames: tuple[pd.DataFrame, ...], folder: Path, result: dg.ExecuteInProcessResult
) -> None:
    recipe = MODELS["results-logit"]
    expected = as_file(walk_forward(*frames, recipe, [2017, 2018]), frames[0], recipe.information_set, recipe.name)
    assert (folder / "out.csv").read_text() == expected.to_csv(index=False)


def test_figures_and_plots_are_shown_with_the_asset_and_kept_as_evidence(folder: Path, result: dg.ExecuteInProcessResult) -> None:
    (materialization,) = result.asset_materializations_for_node("forecast__backtest")
    metadata = materialization.metadata
    figures = json.loads((folder / "evidence" / "backtest-results-logit.json").read_text())
    overall = figures["scores"][0]
    assert (overall["group"], figures["seasons"], figures["recipe"]) == ("all", [2017, 2018], "results-logit")
    assert metadata["difference"].value == pytest.approx(overall["difference"])
    for table in ("scores", "calibration"):
        shown = [(record.data["group"], record.data["name"]) for record in metadata[table].records]
        assert shown == [(row["group"], row["name"]) for row in figures["scores"]]
    assert metadata["scores"].records[0].data["n"] == "700"
    for plot in ("reliability", "distance_by_season", "distance_by_league"):
        assert metadata[plot].value.startswith(f"![{plot}](data:image/png;base64,")
        assert (folder / "evidence" / f"backtest-results-logit-{plot}.png").read_bytes()[:4] == b"\x89PNG"


def test_seasons_without_matches_are_left_out_and_without_any_the_run_says_what_there_is(
    frames: tuple[pd.DataFrame, ...], tmp_path: Path
) -> None:
    wide = run(frames, tmp_path, 2010, 2016)
    steps = [event.step_key for event in wide.all_events if event.is_step_success]
    assert steps[1:-1] == ["forecast__backtest.season[2016]"], "nothing comes before 2015, the first season"
    none = run(frames, tmp_path, 1990, 1999)
    (failure,) = [event for event in none.all_events if event.is_step_failure]
    said = failure.step_failure_data.user_failure_data.description
    assert said.startswith("No season from 1990 to 1999 has played matches")
    assert said.endswith("those from 2015 to 2018")
