"""Forecasts of several information sets are published side by side; one of each match is the default."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Earlier publications were of one set.
    op.add_column(
        "prediction",
        sa.Column(
            "is_best_informed",
            sa.Boolean,
            nullable=False,
            server_default=sa.true(),
            comment="of the match's forecasts the one that may know most, the default",
        ),
        schema="published",
    )
    op.alter_column("prediction", "is_best_informed", server_default=None, schema="published")


def downgrade() -> None:
    op.drop_column("prediction", "is_best_informed", schema="published")
