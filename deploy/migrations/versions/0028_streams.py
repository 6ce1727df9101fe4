"""Messages of a stream are delivered into a table of their own with how far they were read; what is announced goes through an outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

GRANTS = (
    # To refresh the planner's statistics behind a large load.
    "select, insert, update, maintain on bronze.stream_message to football_ingest",
    "select, insert, update on bronze.stream_position to football_ingest",
    "select on bronze.stream_message to football_transform, football_reader",
    "select on bronze.stream_position to football_reader",
    "select, insert, update, delete on operations.outbox to football_model",
    "select on operations.outbox to football_reader",
)
ROW_TABLES = ("football_data_match", "openfootball_match", "international_match")
LAYOUTS = "which shape of file: main, new, fixtures, new_fixtures, json, international"
SOURCES = (
    "the provider: football_data, openfootball, international or inbox",
    "the provider: football_data, openfootball, international, inbox or stream",
)


def upgrade() -> None:
    op.create_table(
        "stream_message",
        sa.Column("row_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False, comment="the version that brought the line"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False, comment=f"{LAYOUTS}, stream"),
        sa.Column("since_version", sa.Integer(), nullable=False),
        sa.Column("until_version", sa.Integer(), nullable=True, comment="null while the line stands in the file"),
        sa.Column("line_number", sa.Integer(), nullable=False, comment="in the version that brought it, the header being line 1"),
        sa.Column(
            "row_digest", sa.LargeBinary(length=16), nullable=False, comment="MD5 of the line's cells, to recognise it again"
        ),
        sa.Column(
            "cells",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="column name to text as delivered; empty cells left out",
        ),
        sa.Column("ingested_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["bronze.source_file.file_id"], name=op.f("stream_message_file_id_fkey")),
        sa.PrimaryKeyConstraint("row_id", name=op.f("stream_message_pkey")),
        schema="bronze",
        comment="Results and quotes that arrived between daily files, a message a line.",
    )
    op.create_index("stream_message_file_id_idx", "stream_message", ["file_id"], unique=False, schema="bronze")
    op.create_index(
        "stream_message_standing_key",
        "stream_message",
        ["source", "key", "row_digest"],
        unique=True,
        schema="bronze",
        postgresql_where=sa.text("until_version is null"),
    )
    op.create_table(
        "stream_position",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False, comment="of the first message that is not in bronze"),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("stream_position_pkey")),
        schema="bronze",
        comment="How far each partition of a stream was read: moved in the transaction that writes its messages.",
    )
    op.create_table(
        "outbox",
        sa.Column("outbox_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="of the message: those with the same one stay in their order"),
        sa.Column("message", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "delivered_at", sa.DateTime(timezone=True), nullable=True, comment="when the broker had taken it; null until then"
        ),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("outbox_pkey")),
        schema="operations",
        comment="Messages about publications, written in the transaction that they tell of and sent then.",
    )
    op.create_index(
        "outbox_waiting", "outbox", ["outbox_id"], schema="operations", postgresql_where=sa.text("delivered_at is null")
    )
    for grant in GRANTS:
        op.execute(f"grant {grant}")
    for table in ("source_file", *ROW_TABLES):
        op.alter_column(table, "layout", comment=f"{LAYOUTS}, stream", schema="bronze")
    op.alter_column("source_file", "source", comment=SOURCES[1], schema="bronze")


def downgrade() -> None:
    op.alter_column("source_file", "source", comment=SOURCES[0], schema="bronze")
    for table in ("source_file", *ROW_TABLES):
        op.alter_column(table, "layout", comment=LAYOUTS, schema="bronze")
    op.drop_table("outbox", schema="operations")
    op.drop_table("stream_position", schema="bronze")
    op.drop_table("stream_message", schema="bronze")
