"""A published prediction says what it means for every market."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "prediction",
        sa.Column(
            "book",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="what it says of every market, and its scorelines; null where published before there were any",
        ),
        schema="published",
    )


def downgrade() -> None:
    op.drop_column("prediction", "book", schema="published")
