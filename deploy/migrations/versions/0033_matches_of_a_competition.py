"""Matches of a competition in the order of their kick-off: those of all, up to its first, were looked through for them."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

NAME = "match_competition_id_kickoff_at_match_id_idx"


def upgrade() -> None:
    op.create_index(NAME, "match", ["competition_id", "kickoff_at", "match_id"], schema="published")


def downgrade() -> None:
    op.drop_index(NAME, "match", schema="published")
