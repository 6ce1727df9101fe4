"""The history of the tables walked with rows in them, a revision at a time: up from nothing to the newest, and all the way back."""

import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from deploy import database as deploy_database
from deploy import migrate
from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets

Columns = dict[str, dict[str, str]]
"""Table to its columns to their types."""
Rows = dict[str, list[dict[str, Any]]]

MOMENT = datetime(2030, 1, 1, 12, tzinfo=UTC)
VALUES = {
    "bigint": lambda column, n: n,  # the ids that tables number by themselves, so that what refers to them meets them
    "integer": lambda column, n: n,
    "double precision": lambda column, n: n + 0.125,
    "boolean": lambda column, n: True,
    "text": lambda column, n: f"{column} {n}",
    "date": lambda column, n: date(2030, 1, n),
    "timestamp with time zone": lambda column, n: MOMENT + timedelta(days=n),
    "bytea": lambda column, n: f"{column} {n}".encode(),
    "jsonb": lambda column, n: Jsonb({column: n}),
    "ARRAY": lambda column, n: [column, str(n)],
}
"""By a column's type, what its n-th row says."""
CONSTRAINED: dict[str, dict[str, Any]] = {
    "app.account": {"role": "operator"},  # what becomes of the other roles has a test of its own
    "app.audit": {"actor": "account:1"},
    "app.session": {"kind": "web"},
    "bronze.source_file": {"state": "intact"},
    "forecast.feature_row": {"content": b"\0" * 8},
    "forecast.prediction": {
        **{"p_home": 0.5, "p_draw": 0.3, "p_away": 0.2},
        **{"as_of": MOMENT, "issued_at": MOMENT, "kickoff_at": MOMENT + timedelta(days=1)},
    },
    "forecast.rehearsal": {"moment": MOMENT, "is_rehearsal": True},
    "published.prediction": {"publication_id": 1},  # which has one row, for it was never widened
}
"""What checks and references ask for."""
POINTS_TO = ("title", "promotion", "play_off", "safety")
GIVEN_UP = {
    "0012": {("forecast.match_rating", f"{side}_points_to_{line}") for side in ("home", "away") for line in POINTS_TO},
}
"""Columns that a revision takes away: ratings are computed anew by every run. Anything else that is missing was lost."""


@pytest.fixture
def empty(postgres: PostgresServer, database_template: Secrets) -> Iterator[Urls]:
    """A database with its roles and schemas, and no table yet."""
    name = f"football_test_{secrets.token_hex(4)}"
    yield deploy_database.create(postgres.url(), name, database_template)
    deploy_database.drop(postgres.url(), name)


def shape_of(connection: psycopg.Connection) -> Columns:
    """All tables, those first that others refer to: they were made first."""
    found: Columns = {}
    rows = connection.execute(
        """
        select table_schema || '.' || table_name, column_name, data_type
        from information_schema.columns join information_schema.tables using (table_schema, table_name)
        where table_type = 'BASE TABLE' and table_schema = any(%s) order by format('%%I.%%I', table_schema, table_name)::regclass::oid, ordinal_position
        """,
        [list(deploy_database.WAREHOUSE_SCHEMAS)],
    )
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return found


def common(tables: Columns, others: Columns) -> Columns:
    """The columns that are in both."""
    return {
        table: {column: kind for column, kind in kinds.items() if column in others[table]}
        for table, kinds in tables.items()
        if table in others
    }


def add_row(connection: psycopg.Connection, table: str, kinds: dict[str, str], n: int) -> None:
    """The n-th row of a table, with a value in every column that the database does not number by itself."""
    numbered = {
        column
        for (column,) in connection.execute(
            "select column_name from information_schema.columns"
            " where table_schema || '.' || table_name = %s and is_identity = 'YES'",
            [table],
        )
    }
    said = {c: VALUES[kind](c, n) for c, kind in kinds.items() if c not in numbered} | CONSTRAINED.get(table, {})
    places = ", ".join(["%s"] * len(said))
    connection.execute(f"insert into {table} ({', '.join(said)}) values ({places})", list(said.values()))


def content(connection: psycopg.Connection, tables: Columns) -> Rows:
    with connection.cursor(row_factory=dict_row) as cursor:
        return {
            table: sorted(cursor.execute(f"select {', '.join(kinds)} from {table}").fetchall(), key=repr)
            for table, kinds in tables.items()
        }


def narrowed(rows: Rows, tables: Columns) -> Rows:
    """Of these rows the columns that are meant."""
    return {
        table: sorted(({column: row[column] for column in kinds} for row in rows[table]), key=repr)
        for table, kinds in tables.items()
    }


def test_rows_of_every_revision_survive_all_later_ones_and_the_way_back_with_their_values(empty: Urls) -> None:
    """After each revision, every table that it made or widened gets a row with a value in every column."""
    scripts = ScriptDirectory(str(migrate.MIGRATIONS))
    revisions = [script.revision for script in scripts.walk_revisions()][::-1]
    shapes: list[Columns] = [{}]
    carried: Columns = {}
    rows: Rows = {}
    with psycopg.connect(empty.owner, autocommit=True) as connection:
        for revision in revisions:
            assert migrate.upgrade(empty.owner, revision)
            before, shape = shapes[-1], shape_of(connection)
            carried = common(before, shape)
            gone = {(table, column) for table in before for column in before[table] if column not in shape.get(table, {})}
            assert gone == GIVEN_UP.get(revision, set()), revision
            assert content(connection, carried) == narrowed(rows, carried), revision
            for table, kinds in shape.items():
                if kinds.keys() - before.get(table, {}).keys():
                    add_row(connection, table, kinds, len(rows.get(table, [])) + 1)
            rows = content(connection, shape)
            shapes.append(shape)
        assert all(rows.values()), "each table has rows"
        carried = shapes[-1]
        for n in range(len(revisions) - 1, 0, -1):
            migrate.downgrade(empty.owner, revisions[n - 1])
            assert shape_of(connection) == shapes[n], revisions[n - 1]
            carried = common(carried, shapes[n])
            assert content(connection, carried) == narrowed(rows, carried), revisions[n - 1]
        assert migrate.upgrade(empty.owner)
        assert not migrate.upgrade(empty.owner), "nothing is left to do"
        assert content(connection, carried) == narrowed(rows, carried), "there and back"
        migrate.check(empty.owner)
        migrate.downgrade(empty.owner)
        assert shape_of(connection) == {}
