"""Ratings with a digest of each row: a run reads it, and not the row, to see what it need not write again."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


COMMENT = "of the other columns: tells which rows a run need not write again"


def upgrade() -> None:
    op.add_column("match_rating", sa.Column("digest", sa.BigInteger(), nullable=True, comment=COMMENT), schema="forecast")


def downgrade() -> None:
    op.drop_column("match_rating", "digest", schema="forecast")
