"""Which dbt models stood between the raw rows and the features of a publication, kept with it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "transformation",
        sa.Column("publication_id", sa.BigInteger(), nullable=False),
        sa.Column("project_sha256", sa.Text(), nullable=False, comment="of all files of the dbt project that made the tables"),
        sa.Column(
            "models",
            JSONB(),
            nullable=False,
            comment="from the feature row back to the raw rows: name, kind, file, SHA-256 of it, what it is made of",
        ),
        sa.ForeignKeyConstraint(
            ["publication_id"], ["published.publication.publication_id"], name=op.f("transformation_publication_id_fkey")
        ),
        sa.PrimaryKeyConstraint("publication_id", name=op.f("transformation_pkey")),
        schema="published",
        comment="The dbt models between the raw rows and the features of a publication, as they were when it was first said.",
    )
    op.execute("grant select, insert on published.transformation to football_model")
    op.execute("grant select on published.transformation to football_api, football_reader")


def downgrade() -> None:
    op.drop_table("transformation", schema="published")
