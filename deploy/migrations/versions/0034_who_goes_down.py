"""How many go down is what the season's rule says, where one is known."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

BEFORE = "as many as after the season before"
NOW = "by the season's rule without a play-off, else as many as after the season before"


def upgrade() -> None:
    for schema in ("forecast", "published"):
        op.alter_column("season_outlook", "n_relegated", comment=NOW, existing_comment=BEFORE, schema=schema)


def downgrade() -> None:
    for schema in ("forecast", "published"):
        op.alter_column("season_outlook", "n_relegated", comment=BEFORE, existing_comment=NOW, schema=schema)
