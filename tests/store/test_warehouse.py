"""Frames through a real PostgreSQL and back."""

from collections.abc import Iterator
from datetime import UTC

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import pandas as pd
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.postgres import PostgresServer
from pipelines.store.warehouse import Warehouse

TABLE = "scratch.value"


@pytest.fixture(scope="module")
def warehouse(postgres: PostgresServer) -> Iterator[Warehouse]:
    name = "football_test_warehouse"
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(f"create database {name}")
    scratch = Warehouse(postgres.url(name))
    with scratch.connect() as connection:
        connection.execute("create schema scratch")
        connection.execute(
            """
            create table scratch.value (
                n bigint, x double precision, label text, is_open boolean, day date, moment timestamptz, facts jsonb
            )
            """
        )
    yield scratch
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")


def fill(warehouse: Warehouse, frame: pd.DataFrame) -> None:
    """These rows and no others."""
    with warehouse.connect() as connection:
        connection.execute("delete from scratch.value")
        assert warehouse.copy(connection, TABLE, frame) == len(frame)


def test_every_type_is_read_as_what_it_is(warehouse: Warehouse) -> None:
    frame = warehouse.read(
        """
        select 1 as n, 1.5::float8 as x, 0.25::numeric as share, 'Köln, "FC"' as label, true as is_open,
            date '2023-08-11' as day, timestamptz '2023-08-11 20:00:00.5+01' as moment, '{"a": 1}'::jsonb as facts
        """
    )
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "n": "int64",
        "x": "float64",
        "share": "float64",
        "label": "str",
        "is_open": "bool",
        "day": "datetime64[us]",
        "moment": "datetime64[us, UTC]",
        "facts": "str",
    }
    assert frame.iloc[0].tolist() == [
        1,
        1.5,
        0.25,
        'Köln, "FC"',
        True,
        pd.Timestamp("2023-08-11"),
        pd.Timestamp("2023-08-11 19:00:00.5", tz="UTC"),
        '{"a": 1}',
    ]


def test_an_empty_result_has_the_same_types_as_a_full_one(warehouse: Warehouse) -> None:
    query = "select 1 as n, 1.5::float8 as x, 'a' as label, true as is_open, date '2023-08-11' as day, now() as moment from pg_am"
    assert (warehouse.read(query).dtypes == warehouse.read(query + " where false").dtypes).all()
    assert warehouse.read(query + " where false").empty


def test_nothing_and_empty_text_are_told_apart(warehouse: Warehouse) -> None:
    frame = warehouse.read("select * from (values (1, ''), (null, null), (3, 'null')) as v (n, label) order by n")
    assert frame["label"].fillna("<null>").tolist() == ["", "null", "<null>"]
    assert frame["n"].isna().tolist() == [False, False, True]


def test_text_may_hold_line_ends_commas_and_quotation_marks(warehouse: Warehouse) -> None:
    label = 'a "quoted",\r\nbroken\\line\t'
    assert warehouse.read("select %(label)s::text as label", {"label": label})["label"].tolist() == [label]


def test_parameters_are_values_and_never_sql(warehouse: Warehouse) -> None:
    frame = warehouse.read("select %s::text as label, 5 %% 3 as n", ["'; drop table scratch.value; --"])
    assert frame.iloc[0].tolist() == ["'; drop table scratch.value; --", 2]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**62), 2**62),
            st.floats(allow_nan=True, allow_infinity=True),
            st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
            st.booleans(),
            st.none() | st.datetimes(timezones=st.just(UTC)),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_what_is_written_is_read_back_bit_for_bit(warehouse: Warehouse, rows: list[tuple[object, ...]]) -> None:
    frame = pd.DataFrame(rows, columns=["n", "x", "label", "is_open", "moment"]).assign(order=range(len(rows)))
    frame["moment"] = pd.to_datetime(frame["moment"], utc=True).astype("datetime64[us, UTC]")
    written = frame.drop(columns="order")
    fill(warehouse, written)
    back = warehouse.read("select n, x, label, is_open, moment from scratch.value order by ctid")
    assert np.array_equal(back["x"].to_numpy(), frame["x"].to_numpy(), equal_nan=True)
    for name in ("n", "is_open", "moment"):
        assert back[name].tolist() == written[name].tolist() or back[name].equals(written[name])
    assert back["label"].astype(object).where(back["label"].notna(), None).tolist() == [row[2] for row in rows]


def test_appending_adds_and_numbers_that_pandas_keeps_as_floats_are_whole_again(warehouse: Warehouse) -> None:
    frame = pd.DataFrame({"n": [1.0, np.nan], "facts": [{"a": [1]}, None], "day": pd.to_datetime(["2023-08-11", None])})
    fill(warehouse, frame)
    assert warehouse.append(TABLE, frame.head(1)) == 1
    back = warehouse.read("select n, day, facts ->> 'a' as a from scratch.value order by n, ctid")
    assert back["n"].tolist()[:2] == [1, 1]
    assert back["a"].fillna("none").tolist() == ["[1]", "[1]", "none"]
    assert warehouse.append(TABLE, frame.head(0)) == 0


def test_an_update_writes_the_rows_that_differ_and_no_others(warehouse: Warehouse) -> None:
    fill(warehouse, pd.DataFrame({"n": [1, 2, 3, 4], "x": [0.1, np.nan, 0.3, 0.4], "label": ["a", None, "c", "d"]}))
    before = warehouse.read("select n, ctid::text as place from scratch.value").set_index("n")["place"]
    new = pd.DataFrame({"n": [1, 2, 3, 5], "x": [0.1, np.nan, np.nan, 0.5], "label": ["a", None, "c", "e"]})
    assert warehouse.update(TABLE, "n", new) == 2
    after = warehouse.read("select n, x, label, ctid::text as place from scratch.value order by n").set_index("n")
    assert after.index.tolist() == [1, 2, 3, 5]
    assert after["x"].fillna(-1).tolist() == [0.1, -1, -1, 0.5]
    assert [after.loc[n, "place"] == before[n] for n in (1, 2, 3)] == [True, True, False]
    assert warehouse.update(TABLE, "n", new) == 0


def test_an_update_looks_only_at_what_tells_rows_apart(warehouse: Warehouse) -> None:
    fill(warehouse, pd.DataFrame({"n": [1, 2], "x": [0.1, 0.2], "label": ["old", "old"]}))
    new = pd.DataFrame({"n": [1, 2], "x": [0.1, 0.3], "label": ["new", "new"]})
    assert warehouse.update(TABLE, "n", new, there=warehouse.read("select n, x from scratch.value")) == 1
    assert warehouse.read("select label from scratch.value order by n")["label"].tolist() == ["old", "new"]


def test_a_failed_update_leaves_the_old_rows(warehouse: Warehouse) -> None:
    fill(warehouse, pd.DataFrame({"n": [1, 2]}))
    with pytest.raises(adbc.Error, match="invalid byte sequence"):
        warehouse.update(TABLE, "n", pd.DataFrame({"n": [1, 3], "label": ["a", "no text has a \x00"]}))
    assert warehouse.read("select n from scratch.value order by n")["n"].tolist() == [1, 2]


def test_a_copy_belongs_to_the_callers_transaction(warehouse: Warehouse) -> None:
    fill(warehouse, pd.DataFrame({"n": [1]}))

    def copy_and_fail() -> None:
        with warehouse.connect() as connection:
            warehouse.copy(connection, TABLE, pd.DataFrame({"n": [2]}))
            raise RuntimeError("something else went wrong")

    with pytest.raises(RuntimeError):
        copy_and_fail()
    assert warehouse.read("select n from scratch.value")["n"].tolist() == [1]


def test_a_name_that_is_no_table_is_quoted_not_run(warehouse: Warehouse) -> None:
    with pytest.raises((psycopg.errors.UndefinedTable, psycopg.errors.FeatureNotSupported)):
        warehouse.append("scratch.value; drop table scratch.value", pd.DataFrame({"n": [1]}))
