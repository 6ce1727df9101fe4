"""How Alembic connects and what it compares: the schemas that migrations own, and no other.

The only place where `deploy` reads the table metadata of the two halves. dbt's schemas are invisible here: Alembic would
propose to drop what it does not know.
"""

from alembic import context
from sqlalchemy import MetaData, text

from deploy.database import WAREHOUSE_SCHEMAS
from pipelines.store.published_tables import published_match
from serving.store import tables as service

connection = context.config.attributes["connection"]  # given by deploy.migrate

pipeline = published_match.metadata  # that of `pipelines.store.tables`, complete with the last module that adds to it
metadata = MetaData(naming_convention=pipeline.naming_convention)
for part in (pipeline, service.metadata):
    for table in part.tables.values():
        table.to_metadata(metadata)

context.configure(
    connection=connection,
    target_metadata=metadata,
    include_schemas=True,
    include_name=lambda name, kind, parents: kind != "schema" or name in WAREHOUSE_SCHEMAS,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    # A migration that waits for a lock makes everybody else wait behind it.
    connection.execute(text("set lock_timeout = '5s'"))
    context.run_migrations()
