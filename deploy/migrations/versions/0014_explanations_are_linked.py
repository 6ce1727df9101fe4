"""What is kept of a prediction's explanation is in the chain: it cannot be changed unseen either."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# As revision 0005 has it, and the digest at the end. `concat_ws` passes over nulls: rows issued before keep their links.
LINK = """
    encode(sha256(convert_to(concat_ws(
        e'\\x1f',
        before,
        said.sequence, said.prediction_id, said.match_id, said.information_set, said.model_name, said.model_version,
        (extract(epoch from said.kickoff_at) * 1000000)::bigint,
        (extract(epoch from said.as_of) * 1000000)::bigint,
        (extract(epoch from said.issued_at) * 1000000)::bigint,
        encode(float8send(said.p_home), 'hex'),
        encode(float8send(said.p_draw), 'hex'),
        encode(float8send(said.p_away), 'hex'),
        encode(float8send(said.expected_home_goals), 'hex'),
        encode(float8send(said.expected_away_goals), 'hex'),
        said.features_digest{more}
    ), 'UTF8')), 'hex')
"""
COMMENT = "of what stands in forecast.explanation; null where issued before it was linked"


def upgrade() -> None:
    op.add_column("prediction", sa.Column("explanation_sha256", sa.Text(), nullable=True, comment=COMMENT), schema="forecast")
    _link(", said.explanation_sha256")


def downgrade() -> None:
    _link("")
    op.drop_column("prediction", "explanation_sha256", schema="forecast")


def _link(more: str) -> None:
    op.execute(
        f"""
        create or replace function forecast.link(before text, said forecast.prediction) returns text language sql stable as $$
            select {LINK.format(more=more)}
        $$
        """
    )
