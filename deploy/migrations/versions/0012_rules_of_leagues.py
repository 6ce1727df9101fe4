"""What is at stake stands by the rules of each competition in place of general ones."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SIDES = ("home", "away")
BEFORE = ("points_to_title", "points_to_promotion", "points_to_play_off", "points_to_safety")
AFTER = (
    "margin_title",
    "margin_promotion",
    "margin_play_off",
    "margin_safety",
    "margin_last_chance",
    "at_stake",
    "nearest_line",
)


def upgrade() -> None:
    _replace(BEFORE, AFTER)


def downgrade() -> None:
    _replace(AFTER, BEFORE)


def _replace(old: tuple[str, ...], new: tuple[str, ...]) -> None:
    # Ratings are recomputed in full: nothing is carried over.
    for side in SIDES:
        for name in old:
            op.drop_column("match_rating", f"{side}_{name}", schema="forecast")
        for name in new:
            op.add_column("match_rating", sa.Column(f"{side}_{name}", sa.Double(), nullable=True), schema="forecast")
