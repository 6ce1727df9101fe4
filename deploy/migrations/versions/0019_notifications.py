"""What people are told is kept, with who was reached by it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

GRANTS = (
    "usage on schema operations to football_model, football_reader",
    "select, insert, update on operations.notification to football_model",
    "select, insert on operations.delivery to football_model",
    "select on operations.notification, operations.delivery to football_reader",
)


def upgrade() -> None:
    op.create_table(
        "notification",
        sa.Column("notification_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False, comment="a job, or drift: what may recover"),
        sa.Column("subject", sa.Text(), nullable=False, comment="the same for what is no news within the hour"),
        sa.Column("severity", sa.Text(), nullable=False, comment="failure, warning, success or info"),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_noticed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_noticed", sa.Integer(), nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("notification_pkey")),
        schema="operations",
        comment="What people are told: written first, delivered then.",
    )
    op.create_index("notification_topic", "notification", ["topic", "notification_id"], schema="operations")
    op.create_table(
        "delivery",
        sa.Column("notification_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False, comment="kind and digest of the address, which is a secret"),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=False, comment="the same for those told in one message"),
        sa.PrimaryKeyConstraint("notification_id", "channel", name=op.f("delivery_pkey")),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["operations.notification.notification_id"], name=op.f("delivery_notification_id_fkey")
        ),
        schema="operations",
        comment="A row once a channel has taken the message.",
    )
    for grant in GRANTS:
        op.execute(f"grant {grant}")


def downgrade() -> None:
    op.drop_table("delivery", schema="operations")
    op.drop_table("notification", schema="operations")
