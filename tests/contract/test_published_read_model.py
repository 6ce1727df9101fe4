"""The read model `published` is what the service's structs say it is.

The pipelines write the tables, the service reads them, and neither imports the other: only this test sees both.
"""

from datetime import date, datetime
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pipelines.store import tables
from serving import schemas
from serving.store import tables as service_tables
from serving.store.accounts import Account

PYTHON_TYPES: dict[type[sa.types.TypeEngine[Any]], type] = {
    sa.Text: str,
    sa.Integer: int,
    sa.BigInteger: int,
    sa.Boolean: bool,
    sa.Double: float,
    sa.DateTime: datetime,
    sa.Date: date,
    JSONB: dict,
}

PAIRS = [
    (tables.publication, schemas.Publication, {"manifest"}, set()),
    (tables.published_competition, schemas.Competition, {"publication_id"}, set()),
    (tables.published_prediction, schemas.Prediction, {"book", "explanation"}, {"is_simulated"}),
    (service_tables.account, Account, set(), set()),
]
"""Table, struct, columns that the struct leaves out on purpose, fields that come from elsewhere."""

IDS = [str(table) for table, *_ in PAIRS]


def column_type(column: sa.Column[Any]) -> type:
    kind = PYTHON_TYPES[type(column.type)]
    return kind | NoneType if column.nullable else kind  # type: ignore[return-value]


@pytest.mark.parametrize(("table", "struct", "left_out", "added"), PAIRS, ids=IDS)
def test_every_column_has_its_field_and_every_field_its_column(
    table: sa.Table, struct: type[msgspec.Struct], left_out: set[str], added: set[str]
) -> None:
    assert set(struct.__struct_fields__) - added == set(table.c.keys()) - left_out
    assert not added & set(table.c.keys())


@pytest.mark.parametrize(("table", "struct", "left_out", "added"), PAIRS, ids=IDS)
def test_fields_have_the_columns_types_and_are_optional_exactly_where_null_is_allowed(
    table: sa.Table, struct: type[msgspec.Struct], left_out: set[str], added: set[str]
) -> None:
    hints = get_type_hints(struct)
    for name in set(struct.__struct_fields__) - added:
        column: sa.Column[Any] = table.c[name]
        expected = column_type(column)
        found = hints[name]
        assert set(get_args(found)) == set(get_args(expected)) if isinstance(found, UnionType) else found is expected, name


def test_what_the_service_orders_and_filters_by_is_indexed() -> None:
    """Its list is read by publication, kick-off and id."""
    indexed = [[column.name for column in index.columns] for index in tables.published_prediction.indexes]
    assert ["publication_id", "kickoff_at", "prediction_id"] in indexed


def test_both_halves_name_keys_and_constraints_alike() -> None:
    """One history of migrations covers both."""
    assert dict(service_tables.metadata.naming_convention) == dict(tables.metadata.naming_convention)
    assert {table.schema for table in service_tables.metadata.tables.values()} == {"app"}
