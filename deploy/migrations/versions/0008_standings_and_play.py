"""League tables and the memory of play stand beside the ratings."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMNS = (
    "rounds_left",
    *(
        f"{side}_{name}"
        for side in ("home", "away")
        for name in (
            "place", "points_to_title", "points_to_promotion", "points_to_play_off", "points_to_safety", "n_open_lines"
        )
    ),
    "play_expected",
    "play_variance",
)  # fmt: skip


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("match_rating", sa.Column(name, sa.Double(), nullable=True), schema="forecast")


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("match_rating", name, schema="forecast")
