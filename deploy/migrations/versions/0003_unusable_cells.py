"""Cells that say nothing usable are on record."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

GRANTS = (
    "select, insert, update, maintain on bronze.unusable_cell to football_ingest",
    "select on bronze.unusable_cell to football_transform, football_reader",
)


def upgrade() -> None:
    op.create_table(
        "unusable_cell",
        sa.Column("unusable_cell_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "line_number", sa.Integer(), nullable=True, comment="null where the entry stands for the surplus of its column"
        ),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("n_cells", sa.Integer(), nullable=False, comment="how many cells this entry stands for"),
        sa.Column(
            "content", sa.Text(), nullable=True, comment="the cell's text, at most 2,000 characters; null for a surplus"
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="a short code, e.g. impossible_price, not_a_number"),
        sa.ForeignKeyConstraint(["file_id"], ["bronze.source_file.file_id"], name=op.f("unusable_cell_file_id_fkey")),
        sa.PrimaryKeyConstraint("unusable_cell_id", name=op.f("unusable_cell_pkey")),
        schema="bronze",
        comment="Filled cells of loaded lines that silver turns into nulls, because they say nothing of their column's kind.",
    )
    op.create_index(op.f("unusable_cell_file_id_idx"), "unusable_cell", ["file_id"], unique=False, schema="bronze")
    for grant in GRANTS:
        op.execute(f"grant {grant}")


def downgrade() -> None:
    op.drop_index(op.f("unusable_cell_file_id_idx"), table_name="unusable_cell", schema="bronze")
    op.drop_table("unusable_cell", schema="bronze")
