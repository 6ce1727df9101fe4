"""What follows from drift: a warning with figures, one training asked for, people told once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd
import psycopg
import pytest

from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from pipelines.defs import alerts, drift
from pipelines.store import notifications
from pipelines.store.warehouse import Warehouse

KICKOFF = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)


@pytest.fixture
def admin(postgres: PostgresServer, database: Urls) -> str:
    return postgres.url(database.owner.rpartition("/")[2])


def evidence(warehouse: Warehouse, version: int, promoted_at: datetime) -> None:
    # A refit that has a rival scores `challenger` on the few matches they share: the promise is that of all its evidence.
    figures = {"challenger": {"difference_high": 0.9}, "distance_to_market": {"mean": 0.01, "high": 0.015}}
    warehouse.append(
        "forecast.model_evidence",
        pd.DataFrame(
            [
                {"model_name": "m", "model_version": version, "decided_at": promoted_at}
                | {"decision": "promoted", "reasons": [], "figures": figures}
            ]
        ),
    )


@pytest.fixture
def warehouse(database: Urls, admin: str, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A record of 60 matches that were certain to the model and ended otherwise, by a model that promised to be near the market."""
    warehouse = Warehouse(database.model)
    evidence(warehouse, 1, KICKOFF - timedelta(days=30))
    with psycopg.connect(admin) as connection:
        for k in range(60):
            connection.execute(
                """
                insert into forecast.prediction (prediction_id, match_id, information_set, model_name, model_version, kickoff_at,
                    as_of, issued_at, p_home, p_draw, p_away, expected_home_goals, expected_away_goals, features_digest)
                values (%(id)s, %(id)s, 'results', 'm', 1, %(at)s, %(at)s - interval '1 day', %(at)s - interval '1 day',
                    0.9, 0.05, 0.05, 2, 1, 'd')
                """,
                {"id": f"m{k}", "at": KICKOFF + timedelta(minutes=k)},
            )
            connection.execute(
                """
                insert into forecast.score (score_id, prediction_id, match_id, information_set, horizon_hours, competition_id,
                    season, kickoff_at, outcome, log_loss, rps, brier, market_log_loss)
                values (%(id)s, %(id)s, %(id)s, 'results', 0, 'E0', 2026, %(at)s, 2, 3.0, 0.8, 1.6, 1.0)
                """,
                {"id": f"m{k}", "at": KICKOFF + timedelta(minutes=k)},
            )
    monkeypatch.setenv("MODEL_DATABASE_URL", database.model)
    return warehouse


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    messages: list[str] = []
    monkeypatch.setattr(alerts, "announce_drift", lambda _, found: messages.extend(found))
    return messages


def tick(cursor: str | None) -> Any:
    return drift.drift_sensor(dg.build_sensor_context(cursor=cursor))


def test_the_check_warns_with_figures_and_stops_nothing(warehouse: Warehouse) -> None:
    result = drift.issued_forecasts_keep_their_promise(warehouse)
    assert isinstance(result, dg.AssetCheckResult)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "lost: distance to the market, at" in str(result.description)
    assert "+2.0000" in str(result.description)
    assert "+0.0150 promised" in str(result.description)


def test_before_the_first_score_there_is_nothing_to_warn_of(database: Urls) -> None:
    result = drift.issued_forecasts_keep_their_promise(Warehouse(database.model))
    assert isinstance(result, dg.AssetCheckResult)
    assert (result.passed, result.description) == (True, "no forecast has been scored yet")


def test_one_training_is_asked_for_until_a_model_is_promoted(warehouse: Warehouse, told: list[str]) -> None:
    first = tick(None)
    assert len(first.run_requests) == len(told) == 1
    assert isinstance(tick(first.cursor), dg.SkipReason)
    evidence(warehouse, 2, datetime.now(UTC))
    after = tick(first.cursor)
    assert isinstance(after, dg.SkipReason)
    assert after.skip_message == "no issued forecasts have drifted"
    assert len(told) == 1


def test_after_the_pause_it_is_asked_for_once_more(
    warehouse: Warehouse, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tick(None)
    monkeypatch.setenv("DATA_CUTOFF", (KICKOFF + drift.PAUSE + timedelta(days=1)).isoformat())
    second = tick(first.cursor)
    assert len(second.run_requests) == 1
    assert second.run_requests[0].run_key != first.run_requests[0].run_key
    assert isinstance(tick(second.cursor), dg.SkipReason)
    assert len(told) == 2


def test_a_message_that_nobody_takes_delays_no_training_and_is_told_again_until_somebody_did(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ConnectionError("nobody is there")

    monkeypatch.setattr(alerts, "announce_drift", fail)
    first = tick(None)
    assert len(first.run_requests) == 1
    second = tick(first.cursor)
    assert not second.run_requests, "asked for once"
    unheard = "nobody took the message that forecasts have drifted: told again at the next tick"
    assert second.skip_reason.skip_message == f"a training was asked for already, {unheard}"
    logged = capsys.readouterr().err
    assert logged.count(f"ERROR - {unheard}") == logged.count("ConnectionError: nobody is there") == 2
    messages: list[str] = []
    monkeypatch.setattr(alerts, "announce_drift", lambda _, found: messages.extend(found))
    third = tick(second.cursor)
    assert (len(messages), third.run_requests) == (1, [])
    assert third.skip_reason.skip_message == "a training was asked for already, people were told"
    assert isinstance(tick(third.cursor), dg.SkipReason)
    assert len(messages) == 1


def test_what_an_earlier_release_did_is_not_done_again(warehouse: Warehouse, told: list[str]) -> None:
    """It kept one list of what was asked for and told of."""
    earlier = json.dumps(json.loads(tick(None).cursor)["asked"])
    assert isinstance(tick(earlier), dg.SkipReason)
    assert len(told) == 1


def test_what_is_told_is_written_down_before_the_training_is_asked_for(warehouse: Warehouse) -> None:
    tick(None)
    (said,) = notifications.recent(warehouse, 10)
    assert (said.severity, said.title) == ("warning", "Forecasts have drifted (live)")
    assert "What is published stands until a better model is promoted.\n" in said.body


def test_the_sensor_asks_for_the_weeks_work() -> None:
    assert [target.job_name for target in drift.drift_sensor.targets] == ["week"]
