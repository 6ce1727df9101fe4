"""A session tells from where and with what it was last carried on: a stolen refresh token shows, too."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

COMMENTS = {
    "address": (
        "the network that it was begun from; null where nobody knows",
        "the network that it was begun or last carried on from; null where nobody knows",
    ),
    "client": (
        "with what, as that told: Firefox on Linux, curl; null where it told nothing",
        "with what then, as that told: Firefox on Linux, curl; null where it told nothing",
    ),
}


def upgrade() -> None:
    for name, (before, now) in COMMENTS.items():
        op.alter_column("session", name, comment=now, existing_comment=before, schema="app")
    op.execute("grant update (address, client) on app.session to football_api")


def downgrade() -> None:
    op.execute("revoke update (address, client) on app.session from football_api")
    for name, (before, now) in COMMENTS.items():
        op.alter_column("session", name, comment=before, existing_comment=now, schema="app")
