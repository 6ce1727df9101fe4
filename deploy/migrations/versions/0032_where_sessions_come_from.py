"""A session tells from where and with what it was begun: whoever lists theirs can recognise a stranger's."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("address", sa.Text(), comment="the network that it was begun from; null where nobody knows"),
        sa.Column("client", sa.Text(), comment="with what, as that told: Firefox on Linux, curl; null where it told nothing"),
    ):
        op.add_column("session", column, schema="app")


def downgrade() -> None:
    for name in ("client", "address"):
        op.drop_column("session", name, schema="app")
