"""What the database counted, asked of a real server by a role that may read statistics and no table."""

import secrets

import psycopg
import pytest

from deploy import database as deploy_database
from deploy import database_report
from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets


def test_the_monitor_sees_everybodys_statements_sizes_and_dead_rows_and_no_table(database: Urls) -> None:
    with psycopg.connect(database.api) as connection:
        connection.execute("select 'a secret of the caller' as told_apart from app.account")
    found = database_report.examine(database.monitor)
    (statement,) = [each for each in found["statements"] if "told_apart" in each["statement"]]
    assert (statement["role"], statement["calls"]) == ("football_api", 1)
    assert statement["statement"] == "select $1 as told_apart from app.account", "literals are no business of a report"
    account = next(each for each in found["tables"] if each["table"] == "app.account")
    assert account["n_bytes"] > 0
    assert {each["method"].partition(":")[0] for each in found["tables"]} == {"pgstattuple_approx", "estimate"}
    assert "football_monitor" in {each["role"] for each in found["connections"]}
    assert found["database"]["n_bytes"] > 2**20
    assert found["max_connections"] == 200
    indexes = {each["index"] for each in found["unused_indexes"]}
    assert "football_data_match_file_id_idx" in indexes
    assert "account_username_key" not in indexes, "a key is needed though nobody reads by it"
    with psycopg.connect(database.monitor) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from app.account")


def test_a_role_is_judged_by_its_longest_call_and_work_on_whole_tables_is_not_judged() -> None:
    calls = [("football_api", 50.0), ("football_api", 50.1), ("football_reader", 499.0), ("football_transform", 60_000.0)]
    verdicts = database_report.judge([{"role": role, "max_ms": ms} for role, ms in calls])
    assert [(v.role, v.worst_ms, v.n_statements, v.n_above, v.is_met) for v in verdicts] == [
        ("football_api", 50.1, 2, 1, False),
        ("football_reader", 499.0, 1, 0, True),
        ("football_dagster", 0.0, 0, 0, None),
        ("football_mlflow", 0.0, 0, 0, None),
    ], "of a role that asked nothing nothing is known"


def test_the_longest_call_holds_the_time_of_planning_too(database: Urls) -> None:
    """A join of many tables is planned for longer than it takes where they are empty."""
    tables = ", ".join(f"pg_class as t{k}" for k in range(8))
    with psycopg.connect(database.reader) as connection:
        connection.execute(
            f"select 1 as planned from {tables} where " + " and ".join(f"t{k}.oid = t{k + 1}.oid" for k in range(7)) + " limit 0"
        )  # type: ignore[arg-type]
    (statement,) = [each for each in database_report.examine(database.monitor)["statements"] if "as planned" in each["statement"]]
    assert statement["max_ms"] > statement["mean_ms"] + 0.1


def test_statements_are_counted_from_now_on_once_they_are_forgotten(postgres: PostgresServer, database: Urls) -> None:
    with psycopg.connect(database.reader) as connection:
        connection.execute("select 1 as to_be_forgotten")
        name = connection.info.dbname
    before = database_report.examine(database.monitor)["counted"]
    database_report.forget(postgres.url(name))
    found = database_report.examine(database.monitor)
    assert not [each for each in found["statements"] if "forgotten" in each["statement"]]
    assert found["counted"]["since"] > before["since"]
    assert found["counted"]["n_forgotten"] == 0


def test_no_password_is_among_the_statements_that_the_server_keeps(postgres: PostgresServer, database_template: Secrets) -> None:
    name = f"football_test_{secrets.token_hex(4)}"
    passwords = database_template
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute("alter role football_monitor password null")
    try:
        urls = deploy_database.create(postgres.url(), name, passwords)
        with psycopg.connect(urls.monitor), psycopg.connect(postgres.url(name)) as admin:
            texts = admin.execute("select query from pg_stat_statements where query like '%role%password%'").fetchall()
    finally:
        deploy_database.drop(postgres.url(), name)
    assert any("SCRAM-SHA-256$" in text for (text,) in texts), "the role got its password again"
    assert not [text for (text,) in texts if passwords.get("database-monitor") in text]


def test_a_server_that_cannot_be_reached_is_told_in_a_sentence() -> None:
    with pytest.raises(database_report.ReportError, match="football up starts it"):
        database_report.examine("postgresql://football_monitor:x@127.0.0.1:1/football_live")
