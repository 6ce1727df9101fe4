"""What issued predictions rest on is kept, so that they can be made again."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

GRANTS = (
    "select, insert on forecast.issue to football_model",
    "select on forecast.issue to football_reader",
)


def upgrade() -> None:
    op.create_table(
        "issue",
        sa.Column(
            "first_sequence",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="of the predictions issued together",
        ),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column(
            "data_cutoff",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="facts known at or after it were hidden from the features",
        ),
        sa.Column(
            "through_file_id",
            sa.BigInteger(),
            nullable=False,
            comment="the last file version that the features were made of",
        ),
        sa.Column(
            "files_sha256",
            sa.Text(),
            nullable=False,
            comment="of source, key, version and SHA-256 of all versions up to it",
        ),
        sa.Column("git_revision", sa.Text(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=False, comment="system, processor and Python"),
        sa.Column(
            "lock_sha256",
            sa.Text(),
            nullable=True,
            comment="of the file that fixes every library's version; null where there was none",
        ),
        sa.CheckConstraint("first_sequence <= last_sequence", name=op.f("issue_sequences_check")),
        sa.PrimaryKeyConstraint("first_sequence", name=op.f("issue_pkey")),
        sa.UniqueConstraint("last_sequence", name=op.f("issue_last_sequence_key")),
        schema="forecast",
        comment="What the predictions that were issued together rest on, so that they can be made again.",
    )
    op.execute(
        """
        create trigger append_only before update or delete or truncate on forecast.issue
        for each statement execute function forecast.refuse_change()
        """
    )
    for grant in GRANTS:
        op.execute(f"grant {grant}")


def downgrade() -> None:
    op.drop_table("issue", schema="forecast")
