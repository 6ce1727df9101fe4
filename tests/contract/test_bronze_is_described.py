"""The documentation of bronze, which dbt only reads, against the tables that a migration makes."""

import yaml

from pipelines.defs.manifest import DBT_DIR
from pipelines.store.tables import metadata


def test_every_column_of_bronze_is_described_and_no_other() -> None:
    (bronze,) = yaml.safe_load((DBT_DIR / "models" / "bronze" / "_sources.yml").read_text("utf-8"))["sources"]
    described = {
        table["name"]: [column["name"] for column in table["columns"] if column["description"]] for table in bronze["tables"]
    }
    assert described == {table.name: list(table.columns.keys()) for table in metadata.tables.values() if table.schema == "bronze"}
