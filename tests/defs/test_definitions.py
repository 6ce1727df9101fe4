"""The code location: what a data engineer finds in the Dagster UI."""

import re
import socket
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.api import create_execution_plan
from dagster._core.execution.plan.step import ExecutionStep

from pipelines.defs.conditions import LEDGER, TO_PUBLICATION
from pipelines.defs.freshness import IS_FRESH
from pipelines.defs.manifest import ensure_manifest, read_manifest
from pipelines.defs.training import MODELS_OF
from pipelines.forecast import contract
from pipelines.store import gold

HAVE_NO_AGE = {
    *(f"silver/{seed}" for seed in ("competition", "competition_alias", "quote_column", "team_alias")),
    *(f"silver/stg_football_data__{name}" for name in ("fixture", "match", "quote")),
    *(f"silver/stg_{source}__match" for source in ("football_data_org", "international", "openfootball")),
    *(f"silver/stg_stream__{name}" for name in ("quote", "result")),
}
"""Seeds, and views of staging: they change with the project only, whatever the day."""

OF_NO_DAY = {
    *("landing/file", "docs/site", "forecast/backtest"),
    *(f"forecast/{information_set}_model" for information_set in ("results", "history", "market")),
}
"""What is made of one file, by hand, or where it is better than what stands."""


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    ensure_manifest()
    from pipelines.definitions import defs

    return defs()


def test_the_code_location_loads_with_the_network_off(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_manifest()

    def refuse(*_: object) -> None:
        raise OSError("the network is off")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    from pipelines.definitions import defs

    assert defs().resolve_all_job_defs()


def test_every_asset_says_what_it_is_whose_it_is_and_how_fresh_it_must_be(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert len(spec.key.path) == 2, f"{spec.key}: the key is [schema, table]"
        assert spec.description, spec.key
        assert spec.owners, spec.key
        assert spec.kinds, spec.key
        # What stands in no schema is what operating takes.
        assert spec.group_name == {"backup": "operations"}.get(spec.key.path[0], spec.key.path[0]), spec.key
    without = {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs() if spec.freshness_policy is None}
    assert without == HAVE_NO_AGE | OF_NO_DAY


def _steps(definitions: dg.Definitions, job: str) -> set[str]:
    return {node.name for node in definitions.resolve_job_def(job).nodes}


def test_the_day_does_everything_but_train_and_document(definitions: dg.Definitions) -> None:
    build, day = _steps(definitions, "build"), _steps(definitions, "day")
    assert build - day == {"training"}
    assert day - build == set()
    assert _steps(definitions, "anew") == build
    assert {"ingestion", "transformation", "forecast__match_rating", "forecast__prediction", "publication"} <= day
    assert _steps(definitions, "docs") == {"docs__site"}


def test_the_pages_are_made_of_a_publication_alone_which_is_behind_the_tables_that_they_describe(
    definitions: dg.Definitions,
) -> None:
    """Another line from the tables to the pages would say no more, and cross the others of the graph."""
    graph = definitions.resolve_asset_graph()
    publication = dg.AssetKey(["published", "publication"])
    assert graph.get(dg.AssetKey(["docs", "site"])).parent_keys == {publication}
    assert dg.AssetKey(["gold", "feat_match"]) in graph.get_ancestor_asset_keys(publication)


def test_models_and_forecasts_are_made_of_every_table_that_they_are_read_from(definitions: dg.Definitions) -> None:
    """A lineage server is told the same: prices reach no forecast through the features alone."""
    graph = definitions.resolve_asset_graph()

    def read(key: dg.AssetKey) -> set[str]:
        return {parent.path[1] for parent in graph.get(key).parent_keys if parent.path[0] == "gold"}

    assert read(MODELS_OF["results"]) == {"fct_match", "feat_match"}
    assert read(MODELS_OF["history"]) == read(MODELS_OF["market"]) == {"fct_match", "feat_match", "feat_market", "fct_odds"}
    assert read(LEDGER) == read(MODELS_OF["market"]) | {"dim_competition"}


def test_the_exposures_name_every_table_of_gold_that_is_read(definitions: dg.Definitions) -> None:
    exposed = {node.rpartition(".")[2] for each in read_manifest()["exposures"].values() for node in each["depends_on"]["nodes"]}
    assert set(re.findall(r"gold\.((?:dim|fct|feat)_\w+)", Path(gold.__file__).read_text("utf-8"))) <= exposed


def test_every_job_that_publishes_says_so_and_is_not_answered_by_a_condition(definitions: dg.Definitions) -> None:
    jobs = [job for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")]
    publishing = {job.name: job.tags for job in jobs if "publication" in _steps(definitions, job.name)}
    assert publishing.keys() == {"build", "anew", "day", "between", "week"}
    assert all(TO_PUBLICATION.items() <= tags.items() for tags in publishing.values())


def test_a_backtest_is_a_job_of_its_own_and_what_it_learns_from_is_the_day_before_its_forecasts(
    definitions: dg.Definitions,
) -> None:
    assert _steps(definitions, "backtest") == {"forecast__backtest"}
    for job in ("build", "anew", "day", "week", "docs", "outlook", "data"):
        assert "forecast__backtest" not in _steps(definitions, job)
    assert _steps(definitions, "day") - _steps(definitions, "data") == {
        *("forecast__prediction", "forecast__prediction_predictions_meet_expectations", "publication", "record"),
        "forecast__scoreboard_issued_forecasts_keep_their_promise",
    }
    assert _steps(definitions, "data") < _steps(definitions, "day")


def test_between_daily_files_the_day_s_work_is_done_on_what_the_stream_told_and_no_source_is_asked(
    definitions: dg.Definitions,
) -> None:
    day, between = _steps(definitions, "day"), _steps(definitions, "between")
    assert between < day
    assert {"bronze__stream_message", "transformation", "forecast__prediction", "publication", "record"} <= between
    blocking = {step for step in day if step.endswith("_meets_expectations") and step.startswith("bronze__")}
    blocking |= {f"bronze__source_file_{name}" for name in ("every_line_is_accounted_for", "latest_versions_are_intact")}
    assert len(blocking) == 9
    assert blocking < between, "what stopped the day, or was loaded behind it, stops this too"
    assert {"ingestion"} <= day - between
    assert all(step == "ingestion" or "bronze" in step or "expectations" in step for step in day - between), day - between


def test_seasons_and_sources_are_compared_behind_the_publication_where_nobody_waits(definitions: dg.Definitions) -> None:
    compared = {"anomalies", "gold__fct_disagreement_sources_agree_on_results"}
    assert compared < _steps(definitions, "outlook")
    for job in ("build", "anew", "day", "week", "data", "rebuild", "docs"):
        assert not compared & _steps(definitions, job)


def test_every_asset_that_has_to_be_fresh_has_a_check_of_it_with_the_windows_of_its_policy_and_no_job_asks_it(
    definitions: dg.Definitions,
) -> None:
    kept = {spec.key for spec in definitions.resolve_all_asset_specs() if spec.freshness_policy is not None}
    checks = {
        spec.asset_key: spec for each in definitions.asset_checks or [] for spec in each.check_specs if spec.name == IS_FRESH
    }
    assert checks.keys() == kept
    assert {"published/publication", "gold/fct_match", "backup/base"} <= {key.to_user_string() for key in kept}
    assert {spec.description for spec in checks.values()} == {
        "It was made within 26 hours; people are told where that is over 50 hours ago. Judged by the clock, of no job."
    }
    assert not any(spec.blocking for spec in checks.values())
    for job in definitions.resolve_all_job_defs():
        assert job.name.startswith("__") or "freshness" not in {node.name for node in job.nodes}, job.name


def test_the_first_build_trains_what_is_quick_and_the_week_every_set(definitions: dg.Definitions) -> None:
    def trained(job: str) -> set[str]:
        keys = definitions.resolve_job_def(job).asset_layer.selected_asset_keys
        return {key.path[1] for key in keys if key.path[1].endswith("_model")}

    assert trained("build") == {"results_model"}
    assert trained("week") == trained("anew") == {"results_model", "history_model", "market_model"}
    assert set(MODELS_OF) == set(contract.FEATURES)


def test_whatever_writes_to_the_warehouse_waits_for_its_turn(definitions: dg.Definitions) -> None:
    steps = {node.name: node.definition for node in definitions.resolve_job_def("build").nodes}
    for name in (
        "ingestion",
        "bronze__stream_message",
        "transformation",
        "forecast__match_rating",
        "training",
        "forecast__prediction",
    ):
        assert "turn" in steps[name].required_resource_keys, name
    assert "turn" in steps["publication"].required_resource_keys


@pytest.mark.parametrize("job", ["build", "anew", "day", "between"])
def test_a_step_behind_a_blocking_check_waits_for_it(definitions: dg.Definitions, job: str) -> None:
    plan = create_execution_plan(definitions.resolve_job_def(job))
    waits_for = {step.key: step.get_execution_dependency_keys() for step in plan.steps if isinstance(step, ExecutionStep)}
    blocking = {
        step.key
        for step in plan.steps
        for checks in definitions.asset_checks or []
        if step.node_handle.name == checks.node_def.name and any(spec.blocking for spec in checks.check_specs)
    }
    of_bronze = {key for key in blocking if key.startswith("bronze__")}
    assert len(of_bronze) == 10
    assert "bronze__source_file_columns_are_as_they_were" in of_bronze, "people are told of columns before silver is made"
    assert of_bronze <= waits_for["transformation"]
    assert blocking - of_bronze == {"forecast__prediction_predictions_meet_expectations"}
    assert blocking - of_bronze <= waits_for["publication"]


def test_nothing_is_published_past_a_failed_blocking_check(definitions: dg.Definitions) -> None:
    blocking = {spec.name for checks in definitions.asset_checks or [] for spec in checks.check_specs if spec.blocking}
    assert {
        "every_line_is_accounted_for",
        "latest_versions_are_intact",
        "football_data_main_meets_expectations",
        "football_data_new_meets_expectations",
        "football_data_fixtures_meets_expectations",
        "openfootball_meets_expectations",
        "international_meets_expectations",
        "football_data_org_meets_expectations",
        "stream_meets_expectations",
        "predictions_meet_expectations",
    } <= blocking
