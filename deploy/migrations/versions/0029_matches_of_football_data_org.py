"""Matches of football-data.org are delivered into a table of their own; comments name shapes and providers by example."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

GRANTS = (
    # To refresh the planner's statistics behind a large load.
    "select, insert, update, maintain on bronze.football_data_org_match to football_ingest",
    "select on bronze.football_data_org_match to football_transform, football_reader",
)
LAYOUTS = (
    "which shape of file: main, new, fixtures, new_fixtures, json, international, stream",
    "which shape of file, such as main, fixtures or json",
)
SOURCES = (
    "the provider: football_data, openfootball, international, inbox or stream",
    "the provider, such as football_data or inbox",
)
WITH_LAYOUT = ("source_file", "football_data_match", "openfootball_match", "international_match", "stream_message")


def upgrade() -> None:
    op.create_table(
        "football_data_org_match",
        # Its ids begin where no other table's end: silver knows a line of any of them by its number alone.
        sa.Column("row_id", sa.BigInteger(), sa.Identity(always=True, start=10**12), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False, comment="the version that brought the line"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False, comment=LAYOUTS[1]),
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
        sa.ForeignKeyConstraint(["file_id"], ["bronze.source_file.file_id"], name=op.f("football_data_org_match_file_id_fkey")),
        sa.PrimaryKeyConstraint("row_id", name=op.f("football_data_org_match_pkey")),
        schema="bronze",
        comment="Matches of football-data.org's lists.",
    )
    op.create_index("football_data_org_match_file_id_idx", "football_data_org_match", ["file_id"], unique=False, schema="bronze")
    op.create_index(
        "football_data_org_match_standing_key",
        "football_data_org_match",
        ["source", "key", "row_digest"],
        unique=True,
        schema="bronze",
        postgresql_where=sa.text("until_version is null"),
    )
    for grant in GRANTS:
        op.execute(f"grant {grant}")
    for table in WITH_LAYOUT:
        op.alter_column(table, "layout", comment=LAYOUTS[1], schema="bronze")
    op.alter_column("source_file", "source", comment=SOURCES[1], schema="bronze")


def downgrade() -> None:
    op.alter_column("source_file", "source", comment=SOURCES[0], schema="bronze")
    for table in WITH_LAYOUT:
        op.alter_column(table, "layout", comment=LAYOUTS[0], schema="bronze")
    op.drop_table("football_data_org_match", schema="bronze")
