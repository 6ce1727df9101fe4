"""The code location: what a data engineer finds in the Dagster UI."""

import errno
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from pipelines.defs.alerts import announce
from pipelines.defs.automation import run_failure_sensor
from pipelines.defs.failures import FailureClass, under_policy
from pipelines.defs.manifest import ensure_manifest
from pipelines.defs.training import MODELS_OF
from pipelines.forecast import contract
from pipelines.settings import Settings


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
        if spec.key.path[0] == "bronze" and not spec.owners:
            continue  # a source of dbt's, described where it is made
        assert spec.description, spec.key
        assert spec.owners, spec.key
        assert spec.kinds, spec.key
        assert spec.group_name == spec.key.path[0], spec.key


def _steps(definitions: dg.Definitions, job: str) -> set[str]:
    return {node.name for node in definitions.resolve_job_def(job).nodes}


def test_the_day_does_everything_but_train_and_document(definitions: dg.Definitions) -> None:
    build, day = _steps(definitions, "build"), _steps(definitions, "day")
    assert build - day == {"training"}
    assert day - build == set()
    assert {"ingestion", "transformation", "forecast__match_rating", "forecast__prediction", "publication"} <= day
    assert _steps(definitions, "docs") == {"docs__site"}


def test_a_backtest_is_a_job_of_its_own_and_what_it_learns_from_is_the_day_before_its_forecasts(
    definitions: dg.Definitions,
) -> None:
    assert _steps(definitions, "backtest") == {"forecast__backtest"}
    for job in ("build", "day", "week", "docs", "outlook", "data"):
        assert "forecast__backtest" not in _steps(definitions, job)
    assert _steps(definitions, "day") - _steps(definitions, "data") == {
        *("forecast__prediction", "forecast__prediction_predictions_meet_expectations", "publication", "record"),
        "forecast__scoreboard_issued_forecasts_keep_their_promise",
    }
    assert _steps(definitions, "data") < _steps(definitions, "day")


def test_the_first_build_trains_what_is_quick_and_the_week_every_set(definitions: dg.Definitions) -> None:
    def trained(job: str) -> set[str]:
        keys = definitions.resolve_job_def(job).asset_layer.selected_asset_keys
        return {key.path[1] for key in keys if key.path[1].endswith("_model")}

    assert trained("build") == {"results_model"}
    assert trained("week") == {"results_model", "history_model", "market_model"}
    assert set(MODELS_OF) == set(contract.FEATURES)


def test_whatever_writes_to_the_warehouse_waits_for_its_turn(definitions: dg.Definitions) -> None:
    steps = {node.name: node.definition for node in definitions.resolve_job_def("build").nodes}
    for name in ("ingestion", "transformation", "forecast__match_rating", "training", "forecast__prediction"):
        assert "turn" in steps[name].required_resource_keys, name
    assert "turn" in steps["publication"].required_resource_keys


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
        "predictions_meet_expectations",
    } <= blocking


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", received
    server.shutdown()


def test_a_failed_run_is_told_to_the_webhook_with_what_it_means_for_readers(webhook: tuple[str, list[dict[str, str]]]) -> None:
    url, received = webhook
    announce(
        Settings.read({"ALERT_WEBHOOK_URL": url, "EDITION": "live"}),
        job="day",
        run_id="r1",
        error="ingestion failed",
        kind=FailureClass.NETWORK,
    )
    assert received == [
        {
            "title": "Run of day failed: network (live)",
            "text": "ingestion failed\n"
            "The API goes on with the last publication; its forecasts become older, not wrong.\n"
            "Is the source up, FOOTBALL_DATA_URL right, the network there? (deploy/runbooks/failures.md#network)",
            "class": "network",
            "run_id": "r1",
        }
    ]


def test_the_sensor_tells_the_class_of_the_step_that_failed(
    webhook: tuple[str, list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset
    @under_policy
    def broken() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    job = dg.Definitions(assets=[broken], jobs=[dg.define_asset_job("day", [broken])]).resolve_job_def("day")
    monkeypatch.setenv("ALERT_WEBHOOK_URL", webhook[0])
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            "run_failure_sensor", result.get_run_failure_event(), instance, result.dagster_run
        ).for_run_failure()
        list(run_failure_sensor(context))  # type: ignore[arg-type]
    (message,) = webhook[1]
    assert message["class"] == "resource"
    assert message["text"].startswith("broken: OSError: [Errno 28] No space left on device")
    assert message["run_id"] == result.run_id


def test_without_a_webhook_the_message_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    announce(Settings.read({}), job="day", run_id="r2", error="no space left", kind=FailureClass.RESOURCE)
    assert "no space left" in caplog.text
