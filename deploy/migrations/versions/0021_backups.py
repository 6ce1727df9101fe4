"""Each backup that was found whole, where the service can read it."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backup",
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False, comment="of the compressed copy"),
        sa.Column(
            "verified_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when every byte was last found to be what it was",
        ),
        sa.Column(
            "restored_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a server was last started from it and held what it should; null: never",
        ),
        sa.PrimaryKeyConstraint("taken_at", name=op.f("backup_pkey")),
        schema="published",
        comment="Each backup that was found whole.",
    )
    op.execute("grant select, insert, update on published.backup to football_model")
    op.execute("grant select on published.backup to football_api, football_reader")
    # A backup notes which revision its tables have, and another revision asks for another backup.
    op.execute("grant usage on schema public to football_reader")
    op.execute("grant select on public.alembic_version to football_reader")


def downgrade() -> None:
    op.execute("revoke select on public.alembic_version from football_reader")
    op.execute("revoke usage on schema public from football_reader")
    op.drop_table("backup", schema="published")
