"""The note of the ledger's end that is kept outside the database: what is done where it is missing or is another ledger's."""

import json
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from pipelines.commands.ledger import ledger_group
from pipelines.defs.predictions import require_the_ledger_to_go_on as require
from pipelines.settings import Settings
from pipelines.store import ledger
from pipelines.store.warehouse import Warehouse
from tests.store.test_ledger import BASIS, NOW, Attack, attacker, forecasts


@pytest.fixture
def settings(database: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    found = Settings.read({"MODEL_DATABASE_URL": database.model, "STATE_DIR": str(tmp_path), "EDITION": "noted"})
    monkeypatch.setattr(Settings, "read", lambda: found)
    return found


@pytest.fixture
def warehouse(settings: Settings) -> Warehouse:
    return Warehouse(settings.model_url)


@pytest.fixture
def attack(postgres: PostgresServer, warehouse: Warehouse) -> Attack:
    return attacker(postgres, warehouse)


def issue(warehouse: Warehouse, day: int = 0) -> None:
    said = forecasts(2, p_home=0.3 + day / 10).assign(issued_at=NOW + timedelta(minutes=day))
    ledger.issue(warehouse, said, BASIS)


def keep(settings: Settings, warehouse: Warehouse) -> None:
    head = ledger.head(warehouse)
    assert head
    head.keep(settings.ledger_head)


def ask(command: str) -> tuple[int, str]:
    result = CliRunner().invoke(ledger_group, [command])
    return result.exit_code, result.output


def test_a_run_that_was_killed_before_it_noted_the_first_end_is_carried_on(settings: Settings, warehouse: Warehouse) -> None:
    require(settings, warehouse)
    issue(warehouse)
    assert json.loads(settings.ledger_head.read_text())["n_predictions"] == 0
    require(settings, warehouse)
    assert ask("verify") == (0, "2 predictions stand as they were issued.\n")


def test_whoever_cuts_the_end_off_and_takes_the_note_away_is_found_and_nothing_is_issued(
    settings: Settings, warehouse: Warehouse, attack: Attack
) -> None:
    issue(warehouse)
    issue(warehouse, day=1)
    keep(settings, warehouse)
    attack("delete from forecast.prediction where sequence > 2")
    settings.ledger_head.unlink()
    with pytest.raises(dg.Failure, match=r"ledger-head\.json is missing.*football ledger adopt"):
        require(settings, warehouse)
    status, said = ask("verify")
    assert (status, "whether the end was cut off cannot be seen" in said) == (1, True)


def test_a_ledger_restored_on_purpose_is_adopted_with_its_end(settings: Settings, warehouse: Warehouse) -> None:
    issue(warehouse)
    status, said = ask("adopt")
    assert (status, said) == (0, "noted: 2 predictions, number 2; noted before: nothing\n")
    require(settings, warehouse)
    issue(warehouse, day=1)
    ledger.Head(9, 9, "of another ledger").keep(settings.ledger_head)
    with pytest.raises(dg.Failure, match="is not the one whose end is noted"):
        require(settings, warehouse)
    assert ask("adopt")[0] == 0
    require(settings, warehouse)


def test_what_does_not_hold_in_itself_is_not_adopted(settings: Settings, warehouse: Warehouse, attack: Attack) -> None:
    issue(warehouse)
    attack("update forecast.prediction set p_home = p_home + 0.01, p_away = p_away - 0.01 where sequence = 1")
    status, said = ask("adopt")
    assert (status, "nothing is noted" in said, settings.ledger_head.exists()) == (1, True, False)
