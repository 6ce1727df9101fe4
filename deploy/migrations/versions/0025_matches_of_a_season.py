"""Matches of a season in the order of their kick-off: all competitions' were looked through for them."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("match_season_kickoff_at_match_id_idx", "match", ["season", "kickoff_at", "match_id"], schema="published")


def downgrade() -> None:
    op.drop_index("match_season_kickoff_at_match_id_idx", "match", schema="published")
