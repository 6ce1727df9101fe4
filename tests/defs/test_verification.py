"""A ledger that somebody changed is told: its check is red, readers are told so, and the run fails with what to do."""

from pathlib import Path

import dagster as dg
import pytest

from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from pipelines.defs.failures import FailureClass, classify_event, sentence_of
from pipelines.defs.verification import ledger_verification
from pipelines.settings import Settings
from pipelines.store import ledger
from pipelines.store.warehouse import Warehouse
from tests.store.test_ledger import BASIS, attacker, forecasts


@pytest.fixture
def warehouse(database: Urls) -> Warehouse:
    warehouse = Warehouse(database.model)
    ledger.issue(warehouse, forecasts(3), BASIS)
    return warehouse


def verified(warehouse: Warehouse, folder: Path) -> dg.ExecuteInProcessResult:
    settings = Settings.read({"MODEL_DATABASE_URL": warehouse.url, "STATE_DIR": str(folder)})
    return dg.materialize(
        [ledger_verification],
        resources={"settings": settings, "warehouse": warehouse, "turn": dg.ResourceDefinition.none_resource()},
        raise_on_error=False,
    )


def told_to_readers(warehouse: Warehouse) -> list[tuple[object, ...]]:
    with warehouse.connect() as connection:
        return connection.execute("select is_intact, jsonb_array_length(faults) from published.ledger_verification").fetchall()


def test_a_ledger_that_nobody_touched_is_green(warehouse: Warehouse, tmp_path: Path) -> None:
    result = verified(warehouse, tmp_path)
    assert result.success
    (verdict,) = result.get_asset_check_evaluations()
    assert (verdict.passed, verdict.description) == (True, "3 predictions stand")
    assert told_to_readers(warehouse) == [(True, 0)]


def test_an_edited_row_turns_the_check_red_and_fails_the_run_after_readers_were_told(
    warehouse: Warehouse, postgres: PostgresServer, tmp_path: Path
) -> None:
    attacker(postgres, warehouse)(
        "update forecast.prediction set p_home = p_home + 0.01, p_away = p_away - 0.01 where sequence = 2"
    )
    result = verified(warehouse, tmp_path)
    assert not result.success, "a run that fails is what people are told of"
    (verdict,) = result.get_asset_check_evaluations()
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "(number 2)" in str(verdict.metadata["faults"].value)
    assert told_to_readers(warehouse) == [(False, 1)]
    (event,) = result.get_step_failure_events()
    assert classify_event(event) is FailureClass.DATA
    assert "The ledger is not what it was (1 fault)." in sentence_of(event)
    assert "`football ledger verify` lists all" in sentence_of(event)
