"""What the warehouse's tables are: their kind and their columns, as PostgreSQL has them.

Belongs here: asking its catalogue. What a table means is said by the assets and by dbt.
"""

from dataclasses import dataclass

from pipelines.store.warehouse import Warehouse


@dataclass(frozen=True)
class Column:
    """A column; the comment is empty where nobody wrote one."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Table:
    """A table or a view, its columns in their order."""

    is_view: bool
    columns: tuple[Column, ...]


def tables(warehouse: Warehouse) -> dict[tuple[str, str], Table]:
    """Schema and name to what is there, of the schemas that runs write to. Any role may ask."""
    with warehouse.connect() as connection:
        rows = connection.execute(
            """
            select nspname, relname, relkind = 'v', attname, format_type(atttypid, atttypmod),
                coalesce(col_description(pg_class.oid, attnum), '')
            from pg_class
            join pg_namespace on pg_namespace.oid = relnamespace
            join pg_attribute on attrelid = pg_class.oid
            where relkind in ('r', 'p', 'v') and nspname in ('bronze', 'silver', 'gold', 'forecast', 'published')
                and attnum > 0 and not attisdropped
            order by nspname, relname, attnum
            """
        ).fetchall()
    found: dict[tuple[str, str], Table] = {}
    for schema, name, is_view, *column in rows:
        before = found[schema, name].columns if (schema, name) in found else ()
        found[schema, name] = Table(is_view, (*before, Column(*column)))
    return found
