"""Frames in and out of PostgreSQL, by COPY: binary where no JSON is written, three times as fast as text.

Belongs here: connecting, reading a query into a frame, writing a frame into a table. Does not belong here: what any
table means. Tables are made by migrations and by dbt, never here.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, LiteralString

import adbc_driver_postgresql.dbapi as adbc
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import sql

_CHUNK_BYTES: Final = 1 << 20

_WHOLE: Final = ("int2", "int4", "int8")

Parameters = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True)
class Warehouse:
    """A database, by its URL. Each call has a connection of its own."""

    url: str

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """A connection in UTC that commits when the block ends well and rolls back when it does not."""
        with psycopg.connect(self.url, options="-c timezone=UTC") as connection:
            yield connection

    def read(self, query: LiteralString | sql.Composable, params: Parameters | None = None) -> pd.DataFrame:
        """The result of a SELECT as a frame.

        Whole numbers are int64 (float64 where there are nulls), numeric is float64, dates and moments are
        datetime64[us], the latter in UTC, bytes and arrays objects, everything else text; null is NaN, NaT or NaN among text.
        """
        statement = (sql.SQL(query) if isinstance(query, str) else query).as_string()
        if params:
            with self.connect() as connection:
                statement = psycopg.ClientCursor(connection).mogrify(statement, params)
        with self._columnar() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            result = cursor.fetch_arrow_table()
        columns = [column.cast(_as_read(column.type, field)) for column, field in zip(result.columns, result.schema, strict=True)]
        frame: pd.DataFrame = pa.table(columns, names=result.column_names).to_pandas()
        return frame

    def table(self, name: str) -> pd.DataFrame:
        """The whole content of a table."""
        return self.read(sql.SQL("select * from {}").format(_identifier(name)))

    def update(self, table: str, key: str, frame: pd.DataFrame, there: pd.DataFrame | None = None) -> int:
        """Make `frame` the whole content of `table` in one transaction; returns how many of its rows were not there so.

        Rows that are as they should be are not written. Readers see the old ones until the new ones are complete.

        Args:
            key: the column that tells rows apart.
            there: the table's content, if the caller has read it already, or as many of its columns as tell equal rows.
        """
        there = (self.table(table) if there is None else there).set_index(key)
        there = there[[name for name in frame.columns if name in there.columns]]
        wanted = frame.set_index(key)
        is_there = there.index.get_indexer(wanted.index) >= 0
        before, now = there.reindex(wanted.index), wanted[there.columns]
        is_equal = ((before == now) | (before.isna() & now.isna())).all(axis=1)
        changed = wanted[~(is_equal & is_there)]
        gone = [*there.index.difference(wanted.index), *changed.index]
        schema, name = table.split(".")
        with self._columnar() as connection, connection.cursor() as cursor:
            if gone:
                cursor.adbc_ingest("gone", pa.table({key: gone}), mode="create", temporary=True)
                statement = sql.SQL("delete from {0} using pg_temp.gone where {0}.{1} = gone.{1}")
                cursor.execute(statement.format(_identifier(table), sql.Identifier(key)).as_string())
            rows = changed.reset_index()[list(frame.columns)]
            if len(rows):
                known = connection.adbc_get_table_schema(name, db_schema_filter=schema)
                arrays = [pa.Array.from_pandas(rows[column]).cast(known.field(column).type) for column in rows.columns]
                cursor.adbc_ingest(name, pa.table(arrays, names=list(rows.columns)), mode="append", db_schema_name=schema)
            connection.commit()
        return len(rows)

    def _columnar(self) -> adbc.Connection:
        """A connection that moves whole columns. Nothing is committed unless the caller says so."""
        return _known_types(self.url).adbc_clone()

    def append(self, table: str, frame: pd.DataFrame) -> int:
        """Add the rows of `frame` to `table` in one transaction; returns their number."""
        with self.connect() as connection:
            return self.copy(connection, table, frame)

    def copy(self, connection: psycopg.Connection, table: str, frame: pd.DataFrame) -> int:
        """As `append`, but as part of the caller's transaction."""
        with connection.cursor() as cursor:
            return _copy_in(cursor, table, frame)


@lru_cache(maxsize=8)
def _known_types(url: str) -> adbc.Connection:
    """An idle connection whose copies know the types of the database: to learn them takes longer than most queries.

    It need not live: a server that was started anew is reached by the next copy all the same.
    """
    return adbc.connect(url, autocommit=True)


def _as_read(found: pa.DataType, field: pa.Field) -> pa.DataType:
    if pa.types.is_integer(found):
        return pa.int64()
    # numeric comes as text, under its name.
    if pa.types.is_floating(found) or (field.metadata or {}).get(b"ADBC:postgresql:typname") == b"numeric":
        return pa.float64()
    if pa.types.is_date(found) or pa.types.is_timestamp(found):
        return pa.timestamp("us", tz=getattr(found, "tz", None))
    is_kept = pa.types.is_boolean(found) or pa.types.is_binary(found) or pa.types.is_list(found)
    return found if is_kept else pa.string()


def _identifier(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))


def _copy_in(cursor: psycopg.Cursor[Any], table: str, frame: pd.DataFrame) -> int:
    columns = sql.SQL(", ").join(sql.Identifier(str(name)) for name in frame.columns)
    cursor.execute(sql.SQL("select {} from {} limit 0").format(columns, _identifier(table)))
    known = cursor.connection.adapters.types
    infos = [known.get(column.type_code) for column in cursor.description or ()]
    are_whole = [info is not None and info.name in _WHOLE for info in infos]
    if frame.empty:
        return 0
    arrays = [_as_array(frame[name], is_whole) for name, is_whole in zip(frame.columns, are_whole, strict=True)]
    content = io.BytesIO()
    rows = pa.Table.from_arrays(arrays, names=[str(name) for name in frame.columns])
    pa_csv.write_csv(rows, content, pa_csv.WriteOptions(include_header=False))
    with cursor.copy(sql.SQL("copy {} ({}) from stdin (format csv)").format(_identifier(table), columns)) as copy:
        view = content.getbuffer()
        for start in range(0, len(view), _CHUNK_BYTES):
            copy.write(view[start : start + _CHUNK_BYTES])
    return len(frame)


def _as_array(column: "pd.Series[Any]", is_whole: bool) -> pa.Array | pa.ChunkedArray:
    """A column as Arrow; NaN is null. Whole numbers that pandas keeps as floats become whole again."""
    if column.dtype == object:
        column = column.map(lambda value: json.dumps(value) if isinstance(value, dict | list | tuple) else value)
    array = pa.Array.from_pandas(column)
    return array.cast(pa.int64()) if is_whole and pa.types.is_floating(array.type) else array
