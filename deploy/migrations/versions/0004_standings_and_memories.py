"""Ratings hold league tables and the memories of play and of prices."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = (
    "rounds_left",
    "home_place",
    "home_points_to_title",
    "home_points_to_promotion",
    "home_points_to_play_off",
    "home_points_to_safety",
    "home_n_open_lines",
    "away_place",
    "away_points_to_title",
    "away_points_to_promotion",
    "away_points_to_play_off",
    "away_points_to_safety",
    "away_n_open_lines",
    "play_expected",
    "play_variance",
    "memory_side",
    "memory_side_unsteered",
    "memory_side_variance",
    "memory_side_slow",
    "memory_side_slow_variance",
    "memory_side_fast",
    "memory_side_fast_variance",
    "memory_draw",
    "memory_total",
    "memory_total_variance",
)


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("match_rating", sa.Column(name, sa.Double(), nullable=True), schema="forecast")


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.drop_column("match_rating", name, schema="forecast")
