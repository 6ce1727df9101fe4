"""Frames in and out of PostgreSQL, by COPY.

Belongs here: connecting, reading a query into a frame, writing a frame into a table. Does not belong here: what any
table means. Tables are made by migrations and by dbt, never here.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import sql

_CHUNK_BYTES: Final = 1 << 20
_BLOCK_BYTES: Final = 4 << 20

_ARROW_TYPES: Final[Mapping[str, pa.DataType]] = {
    "bool": pa.bool_(),
    "int2": pa.int64(),
    "int4": pa.int64(),
    "int8": pa.int64(),
    "float4": pa.float64(),
    "float8": pa.float64(),
    "numeric": pa.float64(),
    "date": pa.timestamp("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
}
"""PostgreSQL type to how its text is read; every other type stays text."""

Parameters = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True)
class Warehouse:
    """A database, by its URL. Holds no connection: each call opens one of its own."""

    url: str

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """A connection in UTC that commits when the block ends well and rolls back when it does not."""
        with psycopg.connect(self.url, options="-c timezone=UTC") as connection:
            yield connection

    def read(self, query: LiteralString | sql.Composable, params: Parameters | None = None) -> pd.DataFrame:
        """The result of a SELECT as a frame.

        Whole numbers are int64 (float64 where there are nulls), numeric is float64, dates and moments are
        datetime64[us], the latter in UTC, everything else text; null is NaN, NaT or NaN among text.
        """
        text = sql.SQL(query) if isinstance(query, str) else query
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("select * from ({}) as result limit 0").format(text), params)
            names, types = _described(cursor)
            with cursor.copy(sql.SQL("copy ({}) to stdout (format csv)").format(text), params) as copy:
                content = b"".join(copy)
        frame: pd.DataFrame = _from_csv(content, names, types).to_pandas()
        return frame

    def replace(self, table: str, frame: pd.DataFrame) -> int:
        """Make `frame` the whole content of `table` (`schema.table`) in one transaction; returns the number of rows.

        Deletes rather than truncates: readers see the old rows until the new ones are complete.
        """
        with self.connect() as connection:
            connection.execute(sql.SQL("delete from {}").format(_identifier(table)))
            return self.copy(connection, table, frame)

    def append(self, table: str, frame: pd.DataFrame) -> int:
        """Add the rows of `frame` to `table` in one transaction; returns their number."""
        with self.connect() as connection:
            return self.copy(connection, table, frame)

    def copy(self, connection: psycopg.Connection, table: str, frame: pd.DataFrame) -> int:
        """As `append`, but as part of the caller's transaction."""
        with connection.cursor() as cursor:
            return _copy_in(cursor, table, frame)


def _from_csv(content: bytes, names: list[str], types: list[pa.DataType]) -> pa.Table:
    if not content:
        return pa.table({name: pa.array([], type) for name, type in zip(names, types, strict=True)})
    return pa_csv.read_csv(
        io.BytesIO(content),
        read_options=pa_csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict(zip(names, types, strict=True)),
            # In COPY's CSV a null is nothing at all, empty text is a pair of quotation marks.
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )


def _described(cursor: psycopg.Cursor[Any]) -> tuple[list[str], list[pa.DataType]]:
    columns = cursor.description or ()
    known = cursor.connection.adapters.types
    infos = [known.get(column.type_code) for column in columns]
    return [column.name for column in columns], [_ARROW_TYPES.get(info.name if info else "", pa.string()) for info in infos]


def _identifier(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))


def _copy_in(cursor: psycopg.Cursor[Any], table: str, frame: pd.DataFrame) -> int:
    columns = sql.SQL(", ").join(sql.Identifier(str(name)) for name in frame.columns)
    cursor.execute(sql.SQL("select {} from {} limit 0").format(columns, _identifier(table)))
    _, types = _described(cursor)
    if frame.empty:
        return 0
    arrays = [_as_array(frame[name], type) for name, type in zip(frame.columns, types, strict=True)]
    content = io.BytesIO()
    rows = pa.Table.from_arrays(arrays, names=[str(name) for name in frame.columns])
    pa_csv.write_csv(rows, content, pa_csv.WriteOptions(include_header=False))
    with cursor.copy(sql.SQL("copy {} ({}) from stdin (format csv)").format(_identifier(table), columns)) as copy:
        view = content.getbuffer()
        for start in range(0, len(view), _CHUNK_BYTES):
            copy.write(view[start : start + _CHUNK_BYTES])
    return len(frame)


def _as_array(column: "pd.Series[Any]", target: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """A column as Arrow; NaN is null. Whole numbers that pandas keeps as floats become whole again."""
    if column.dtype == object:
        column = column.map(lambda value: json.dumps(value) if isinstance(value, dict | list | tuple) else value)
    array = pa.Array.from_pandas(column)
    return array.cast(target) if pa.types.is_integer(target) and pa.types.is_floating(array.type) else array
