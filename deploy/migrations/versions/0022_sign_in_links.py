"""Links that sign a browser in, each once."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in_link",
        sa.Column("link_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the code in the link"),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["app.account.account_id"], name=op.f("sign_in_link_account_id_fkey")),
        sa.PrimaryKeyConstraint("link_hash", name=op.f("sign_in_link_pkey")),
        schema="app",
        comment="Links that sign a browser in: a row goes when its link is used.",
    )
    op.execute("grant select, insert, delete on app.sign_in_link to football_api")


def downgrade() -> None:
    op.drop_table("sign_in_link", schema="app")
