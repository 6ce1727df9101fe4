"""How the seasons under way may end."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

GRANTS = (
    "select, insert, delete on forecast.season_outlook to football_model",
    "select on forecast.season_outlook to football_reader",
)


def upgrade() -> None:
    op.create_table(
        "season_outlook",
        sa.Column("outlook_id", sa.Text(), nullable=False, comment="competition, season and club"),
        sa.Column("competition_id", sa.Text(), nullable=False),
        sa.Column("season", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False, comment="so far"),
        sa.Column("expected_points", sa.Double(), nullable=False, comment="at the end"),
        sa.Column("n_left", sa.Integer(), nullable=False, comment="matches still to be played"),
        sa.Column("p_title", sa.Double(), nullable=False),
        sa.Column("p_top_four", sa.Double(), nullable=False),
        sa.Column("p_relegated", sa.Double(), nullable=False, comment="one of the last n_relegated places"),
        sa.Column("n_relegated", sa.Integer(), nullable=False, comment="as many as after the season before"),
        sa.PrimaryKeyConstraint("outlook_id", name=op.f("season_outlook_pkey")),
        schema="forecast",
        comment="How the seasons under way may end, from ten thousand simulated ends of each.",
    )
    for grant in GRANTS:
        op.execute(f"grant {grant}")


def downgrade() -> None:
    op.drop_table("season_outlook", schema="forecast")
