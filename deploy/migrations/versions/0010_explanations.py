"""Why a prediction is what it is stands beside the ledger, and is published with what changed since the one before."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

GRANTS = (
    "select, insert on forecast.explanation to football_model",
    "select on forecast.explanation to football_reader",
)
def upgrade() -> None:
    op.create_table(
        "explanation",
        sa.Column("prediction_id", sa.Text(), nullable=False),
        sa.Column(
            "contributions",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[group, side, draw]: what the base and each group add to the log-odds",
        ),
        sa.Column(
            "strength_deviation",
            sa.Double(),
            nullable=True,
            comment="how well the strengths of the clubs are known, in units of side",
        ),
        sa.Column("firmness", sa.Text(), nullable=False, comment="firm, usual or loose: the level of that"),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("explanation_pkey")),
        schema="forecast",
        comment="Why each prediction is what it is, by the model and the features that made it.",
    )
    for grant in GRANTS:
        op.execute(f"grant {grant}")
    op.execute(
        """
        create trigger append_only before update or delete or truncate on forecast.explanation
        for each statement execute function forecast.refuse_change()
        """
    )
    op.add_column(
        "prediction",
        sa.Column(
            "explanation",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="what adds up to it, and what changed since the prediction before; null where issued before there were any",
        ),
        schema="published",
    )
    op.add_column(
        "prediction",
        sa.Column(
            "strength_deviation",
            sa.Double(),
            nullable=True,
            comment="how well the strengths of the clubs are known, in units of side",
        ),
        schema="published",
    )
    op.add_column(
        "prediction",
        sa.Column(
            "firmness",
            sa.Text(),
            nullable=True,
            comment="firm, usual or loose: the level of that; null where issued before there were levels",
        ),
        schema="published",
    )
    op.add_column(
        "score",
        sa.Column(
            "firmness",
            sa.Text(),
            nullable=True,
            comment="firm, usual or loose; null of a forecast that was issued before there were levels",
        ),
        schema="forecast",
    )
    op.alter_column("scoreboard", "group_by", comment="all, competition, month or firmness", schema="forecast")


def downgrade() -> None:
    op.alter_column("scoreboard", "group_by", comment="all, competition or month", schema="forecast")
    op.drop_column("score", "firmness", schema="forecast")
    op.drop_column("prediction", "firmness", schema="published")
    op.drop_column("prediction", "strength_deviation", schema="published")
    op.drop_column("prediction", "explanation", schema="published")
    op.drop_table("explanation", schema="forecast")
