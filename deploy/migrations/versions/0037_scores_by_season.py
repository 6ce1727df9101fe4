"""The scoreboard also sums up seasons, and each competition's seasons."""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

BEFORE = "all, competition, month or firmness"
NOW = "all, competition, season, competition_season, month or firmness"


def upgrade() -> None:
    for schema in ("forecast", "published"):
        op.alter_column("scoreboard", "group_by", comment=NOW, existing_comment=BEFORE, schema=schema)


def downgrade() -> None:
    for schema in ("forecast", "published"):
        op.alter_column("scoreboard", "group_by", comment=BEFORE, existing_comment=NOW, schema=schema)
