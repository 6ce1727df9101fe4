"""What the service may read beside the publications is what gold, the ledger and the record say, and is written once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import psycopg
import pytest

from deploy.database import Urls
from pipelines.store import ledger, read_model
from pipelines.store.registry import ModelVersion
from pipelines.store.warehouse import Warehouse
from tests.store.test_ledger import BASIS, forecasts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

GOLD = """
    create table gold.dim_team (team_id text, name text, country text);
    create table gold.fct_match (
        match_id text, competition_id text, season int, kickoff_at timestamptz, is_time_known boolean, status text,
        home_team_id text, away_team_id text, home_goals int, away_goals int,
        home_half_time_goals int, away_half_time_goals int, referee text
    );
    insert into gold.dim_team values ('a', 'A', 'England'), ('b', 'B', 'England'), ('never', 'Never', 'England');
    insert into gold.fct_match values
        ('m1', 'E1', 2024, '2025-03-01 15:00+00', true, 'played', 'a', 'b', 2, 1, 1, null, 'R'),
        ('m2', 'E0', 2025, '2026-03-01 15:00+00', true, 'scheduled', 'b', 'a', null, null, null, null, null);
"""

Run = Callable[[str], None]


@pytest.fixture
def warehouse(database: Urls) -> Warehouse:
    with psycopg.connect(database.transform) as connection:
        connection.execute(GOLD)
    return Warehouse(database.model)


@pytest.fixture
def dbt(database: Urls) -> Run:
    """Run a statement as the role that makes gold."""

    def run(statement: str) -> None:
        with psycopg.connect(database.transform) as connection:
            connection.execute(statement)

    return run


def rows(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with warehouse.connect() as connection:
        return connection.execute(query).fetchall()


def test_matches_and_clubs_become_what_gold_says_and_only_changed_rows_are_written(warehouse: Warehouse, dbt: Run) -> None:
    assert read_model.refresh_matches(warehouse) == 2
    assert rows(warehouse, "select match_id, status, home_goals, away_half_time_goals from published.match order by 1") == [
        ("m1", "played", 2, None),
        ("m2", "scheduled", None, None),
    ]
    assert rows(warehouse, "select * from published.team order by 1") == [
        ("a", "A", "England", "E0", 2025),
        ("b", "B", "England", "E0", 2025),
    ]
    assert read_model.refresh_matches(warehouse) == 0
    written = rows(warehouse, "select xmin::text from published.match where match_id = 'm1'")
    dbt(
        """
        update gold.fct_match set home_goals = 0, away_goals = 3, status = 'played' where match_id = 'm2';
        insert into gold.fct_match select 'm3', 'E2', 2026, kickoff_at + interval '1 year', true, 'scheduled', 'a', 'b'
        from gold.fct_match where match_id = 'm2'
        """
    )
    assert read_model.refresh_matches(warehouse) == 2
    assert rows(warehouse, "select xmin::text from published.match where match_id = 'm1'") == written
    assert rows(warehouse, "select distinct competition_id, season from published.team") == [("E2", 2026)]
    dbt("delete from gold.fct_match where match_id in ('m1', 'm3')")
    assert read_model.refresh_matches(warehouse) == 2
    assert rows(warehouse, "select match_id, away_goals from published.match") == [("m2", 3)]


def test_each_prediction_of_the_ledger_is_shown_once_with_what_adds_up_to_it(warehouse: Warehouse) -> None:
    ledger.issue(warehouse, forecasts(2), BASIS)
    assert read_model.refresh_issued(warehouse) == 2
    ledger.issue(warehouse, forecasts(1, p_home=0.4), BASIS)
    assert read_model.refresh_issued(warehouse) == 1
    assert read_model.refresh_issued(warehouse) == 0
    shown = rows(
        warehouse,
        "select sequence, match_id, p_home, firmness, contributions, link from published.issued_prediction order by sequence",
    )
    assert [row[:5] for row in shown] == [
        (1, "m0", 0.5, "usual", [["base", 1 / 3, -0.1], ["rest", 0.5, 1e-17]]),
        (2, "m1", 0.5, "usual", [["base", 1 / 3, -0.1], ["rest", 0.5, 1e-17]]),
        (3, "m0", 0.4, "usual", [["base", 1 / 3, -0.1], ["rest", 0.4, 1e-17]]),
    ]
    head = ledger.head(warehouse)
    assert head is not None
    assert shown[-1][5] == head.link
    assert rows(warehouse, "select first_sequence, last_sequence from published.issue order by 1") == [(1, 2), (3, 3)]


def test_a_verification_says_where_the_ledger_ends_and_what_is_wrong(warehouse: Warehouse) -> None:
    read_model.add_verification(warehouse, ledger.verify(warehouse), NOW)
    ledger.issue(warehouse, forecasts(3), BASIS)
    found = ledger.verify(warehouse)
    assert found.head is not None
    read_model.add_verification(warehouse, found, NOW + timedelta(days=1))
    read_model.add_verification(warehouse, ledger.Verification(found.head, ("broken",)), NOW + timedelta(days=2))
    said = rows(
        warehouse,
        "select n_predictions, head_sequence, head_link, is_intact, faults from published.ledger_verification order by verified_at",
    )
    assert said == [
        (0, None, None, True, []),
        (3, 3, found.head.link, True, []),
        (3, 3, found.head.link, False, ["broken"]),
    ]


def test_the_record_and_the_seasons_are_shown_as_they_were_computed(warehouse: Warehouse) -> None:
    score = {
        "score_id": "m|results|0", "prediction_id": "p", "match_id": "m", "information_set": "results", "horizon_hours": 0,
        "competition_id": "E0", "season": 2025, "kickoff_at": pd.Timestamp(NOW), "outcome": 1, "log_loss": 1.1, "rps": 0.2,
        "brier": 0.6, "market_log_loss": None, "firmness": "firm",
    }  # fmt: skip
    warehouse.append("forecast.score", pd.DataFrame([score]))
    assert read_model.refresh_record(warehouse) == 1
    assert read_model.refresh_record(warehouse) == 0
    assert rows(warehouse, "select * from published.score") == rows(warehouse, "select * from forecast.score")
    outlook = {
        "outlook_id": "E0|2025|a", "competition_id": "E0", "season": 2025, "team_id": "a", "points": 3, "expected_points": 9.5,
        "n_left": 4, "p_title": 0.75, "p_top_four": 1.0, "p_relegated": 0.0, "n_relegated": 3, "places": "[0.75, 0.25]",
    }  # fmt: skip
    warehouse.append("forecast.season_outlook", pd.DataFrame([outlook]))
    assert read_model.refresh_seasons(warehouse) == 1
    assert rows(warehouse, "select team_id, places from published.season_outlook") == [("a", "[0.75, 0.25]")]


def test_one_champion_is_shown_for_each_model_and_those_before_it_stay(warehouse: Warehouse) -> None:
    tags = {"information_set": "results", "recipe": "r", "git_revision": "abc", "data_sha256": "d", "features_sha256": "f"}
    for version, run in ((1, "run1"), (2, "run2"), (1, "run1")):
        read_model.refresh_models(warehouse, [ModelVersion("results", version, tags, run)])
    assert rows(
        warehouse, "select model_version, registry_run_id, git_revision, is_champion from published.model order by 1"
    ) == [(1, "run1", "abc", True), (2, "run2", "abc", False)]


def test_a_run_that_made_a_part_says_anew_what_it_asked_and_leaves_what_other_checks_said(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        connection.execute(
            "insert into published.publication (publication_id, published_at, confirmed_at, data_cutoff, is_simulated,"
            " n_predictions, manifest, git_revision, digest) overriding system value values (7, %s, %s, %s, false, 0, '[]', 'r', 'd')",
            [NOW] * 3,
        )
    whole = [read_model.CheckResult(asset, "c", True, True, None, NOW) for asset in ("gold/fct_match", "forecast/prediction")]
    read_model.refresh_checks(warehouse, 7, whole)
    later = NOW + timedelta(hours=1)
    read_model.refresh_checks(warehouse, 7, iter([whole[1]._replace(passed=False, checked_at=later)]))
    assert rows(warehouse, "select asset, passed, checked_at from published.check_result order by asset") == [
        ("forecast/prediction", False, later),
        ("gold/fct_match", True, NOW),
    ]
