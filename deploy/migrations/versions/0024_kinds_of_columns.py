"""Of what kind the values of each column of a file are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "source_file",
        sa.Column(
            "kinds",
            postgresql.JSONB(),
            nullable=True,
            comment="column name to the kind of its values, such as number; null where none could be told",
        ),
        schema="bronze",
    )


def downgrade() -> None:
    op.drop_column("source_file", "kinds", schema="bronze")
