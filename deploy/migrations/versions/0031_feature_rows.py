"""The feature row that a prediction was made from stands beside its digest, bit for bit, with the names of its columns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

GRANTS = (
    "select, insert on forecast.feature_list, forecast.feature_row to football_model",
    "select on forecast.feature_list, forecast.feature_row to football_reader",
    "select on published.feature_row to football_api, football_reader",
)


def upgrade() -> None:
    op.create_table(
        "feature_list",
        sa.Column("names_sha256", sa.Text(), nullable=False, comment="of the names, a line each"),
        sa.Column("names", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("names_sha256", name=op.f("feature_list_pkey")),
        schema="forecast",
        comment="What the columns of feature rows were called: one row for each list that models were ever asked with.",
    )
    op.create_table(
        "feature_row",
        sa.Column("prediction_id", sa.Text(), nullable=False),
        sa.Column("names_sha256", sa.Text(), nullable=False),
        sa.Column(
            "content",
            sa.LargeBinary(),
            nullable=False,
            comment="eight bytes a feature (IEEE 754, the lowest first; NaN: not known), of which features_digest is the SHA-256",
        ),
        sa.CheckConstraint("octet_length(content) % 8 = 0", name=op.f("feature_row_whole_numbers_check")),
        sa.ForeignKeyConstraint(
            ["names_sha256"], ["forecast.feature_list.names_sha256"], name=op.f("feature_row_names_sha256_fkey")
        ),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("feature_row_pkey")),
        schema="forecast",
        comment="What the model saw, of each prediction that was issued since such rows are kept.",
    )
    for table in ("feature_list", "feature_row"):
        op.execute(
            f"""
            create trigger append_only before update or delete or truncate on forecast.{table}
            for each statement execute function forecast.refuse_change()
            """
        )
    # A view, with its owner's rights: rows of a thousand bytes are not kept twice.
    op.execute(
        """
        create view published.feature_row as
        select prediction_id, names, content from forecast.feature_row join forecast.feature_list using (names_sha256)
        """
    )
    op.execute("comment on view published.feature_row is 'What the model saw of each prediction, for the service.'")
    for grant in GRANTS:
        op.execute(f"grant {grant}")


def downgrade() -> None:
    op.execute("drop view published.feature_row")
    op.drop_table("feature_row", schema="forecast")
    op.drop_table("feature_list", schema="forecast")
