"""What the checks of a run said, kept with the publication that rests on it."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "check_result",
        sa.Column("publication_id", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False, comment="schema and table, e.g. gold/fct_match"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("is_blocking", sa.Boolean(), nullable=False, comment="whether nothing is published where it fails"),
        sa.Column("description", sa.Text(), nullable=True, comment="what it found, in words"),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["publication_id"], ["published.publication.publication_id"], name=op.f("check_result_publication_id_fkey")
        ),
        sa.PrimaryKeyConstraint("publication_id", "asset", "name", name=op.f("check_result_pkey")),
        schema="published",
        comment="What the checks said in the last run that made or confirmed a publication.",
    )
    op.execute("grant select, insert, delete on published.check_result to football_model")
    op.execute("grant select on published.check_result to football_api, football_reader")


def downgrade() -> None:
    op.drop_table("check_result", schema="published")
