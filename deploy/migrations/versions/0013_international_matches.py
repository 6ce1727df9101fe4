"""National teams' matches are delivered into a table of their own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

GRANTS = (
    # To refresh the planner's statistics behind a large load.
    "select, insert, update, maintain on bronze.international_match to football_ingest",
    "select on bronze.international_match to football_transform, football_reader",
)
LAYOUTS = "which shape of file: main, new, fixtures, new_fixtures, json"
SOURCES = ("the provider: football_data, openfootball or inbox", "the provider: football_data, openfootball, international or inbox")


def upgrade() -> None:
    op.create_table(
        "international_match",
        sa.Column("row_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False, comment="the version that brought the line"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False, comment=f"{LAYOUTS}, international"),
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
        sa.ForeignKeyConstraint(["file_id"], ["bronze.source_file.file_id"], name=op.f("international_match_file_id_fkey")),
        sa.PrimaryKeyConstraint("row_id", name=op.f("international_match_pkey")),
        schema="bronze",
        comment="Lines of the file of national teams' matches.",
    )
    op.create_index("international_match_file_id_idx", "international_match", ["file_id"], unique=False, schema="bronze")
    op.create_index(
        "international_match_standing_key",
        "international_match",
        ["source", "key", "row_digest"],
        unique=True,
        schema="bronze",
        postgresql_where=sa.text("until_version is null"),
    )
    for grant in GRANTS:
        op.execute(f"grant {grant}")
    for table in ("source_file", "football_data_match", "openfootball_match"):
        op.alter_column(table, "layout", comment=f"{LAYOUTS}, international", schema="bronze")
    op.alter_column("source_file", "source", comment=SOURCES[1], schema="bronze")


def downgrade() -> None:
    op.alter_column("source_file", "source", comment=SOURCES[0], schema="bronze")
    for table in ("source_file", "football_data_match", "openfootball_match"):
        op.alter_column(table, "layout", comment=LAYOUTS, schema="bronze")
    op.drop_index(
        "international_match_standing_key",
        table_name="international_match",
        schema="bronze",
        postgresql_where=sa.text("until_version is null"),
    )
    op.drop_index("international_match_file_id_idx", table_name="international_match", schema="bronze")
    op.drop_table("international_match", schema="bronze")
