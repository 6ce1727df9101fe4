"""An operator may have an earlier publication served."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pin",
        sa.Column(
            "is_only", sa.Boolean(), server_default=sa.text("true"), nullable=False, comment="at most one publication is pinned"
        ),
        sa.Column("publication_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("pinned_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("pinned_by", sa.Text(), nullable=False, comment="the account"),
        sa.CheckConstraint("is_only", name=op.f("pin_only_check")),
        sa.PrimaryKeyConstraint("is_only", name=op.f("pin_pkey")),
        schema="app",
        comment="The publication that is served whatever is published after it.",
    )
    op.execute("grant select, insert, update, delete on app.pin to football_api")


def downgrade() -> None:
    op.drop_table("pin", schema="app")
