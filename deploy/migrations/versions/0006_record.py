"""Issued forecasts are scored once their results are known."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

GRANTS = (
    "select, insert, delete on forecast.score, forecast.scoreboard to football_model",
    "select on forecast.score, forecast.scoreboard to football_reader",
)


def upgrade() -> None:
    op.create_table(
        "score",
        sa.Column("score_id", sa.Text(), nullable=False, comment="match, information set and horizon"),
        sa.Column("prediction_id", sa.Text(), nullable=False),
        sa.Column("match_id", sa.Text(), nullable=False),
        sa.Column("information_set", sa.Text(), nullable=False),
        sa.Column(
            "horizon_hours",
            sa.Integer(),
            nullable=False,
            comment="the last forecast issued so many hours before the actual kick-off",
        ),
        sa.Column("competition_id", sa.Text(), nullable=False),
        sa.Column("season", sa.Integer(), nullable=False),
        sa.Column("kickoff_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Integer(), nullable=False, comment="0 home, 1 draw, 2 away"),
        sa.Column("log_loss", sa.Double(), nullable=False, comment="nats"),
        sa.Column("rps", sa.Double(), nullable=False),
        sa.Column("brier", sa.Double(), nullable=False),
        sa.Column(
            "market_log_loss",
            sa.Double(),
            nullable=True,
            comment="of the closing odds without their margin; null where there are none",
        ),
        sa.PrimaryKeyConstraint("score_id", name=op.f("score_pkey")),
        schema="forecast",
        comment="Each issued forecast that counts, scored once the result is known.",
    )
    op.create_table(
        "scoreboard",
        sa.Column("scoreboard_id", sa.Text(), nullable=False),
        sa.Column("information_set", sa.Text(), nullable=False),
        sa.Column("horizon_hours", sa.Integer(), nullable=False),
        sa.Column("group_by", sa.Text(), nullable=False, comment="all, competition or month"),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("log_loss", sa.Double(), nullable=False),
        sa.Column("rps", sa.Double(), nullable=False),
        sa.Column("brier", sa.Double(), nullable=False),
        sa.Column(
            "n_market", sa.Integer(), nullable=False, comment="matches with closing odds: those of the next four columns"
        ),
        sa.Column("market_log_loss", sa.Double(), nullable=True),
        sa.Column("difference", sa.Double(), nullable=True, comment="log loss above the closing odds of the same matches"),
        sa.Column("difference_low", sa.Double(), nullable=True, comment="95 % interval, resampled by match-day"),
        sa.Column("difference_high", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("scoreboard_id", name=op.f("scoreboard_pkey")),
        schema="forecast",
        comment="The scores summed up.",
    )
    for grant in GRANTS:
        op.execute(f"grant {grant}")


def downgrade() -> None:
    op.drop_table("scoreboard", schema="forecast")
    op.drop_table("score", schema="forecast")
