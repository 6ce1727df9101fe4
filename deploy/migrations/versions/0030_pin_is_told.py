"""The pipelines, which tell people what stands, may know of the one thing in `app` that is of their business: a pinned publication."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With its owner's rights: whoever may execute it sees this row, and nothing else of the schema.
    op.execute(
        """
        create function operations.pinned()
        returns table (publication_id bigint, reason text, pinned_at timestamptz, pinned_by text)
        language sql stable security definer set search_path = pg_catalog, pg_temp
        as $$ select pin.publication_id, pin.reason, pin.pinned_at, pin.pinned_by from app.pin $$
        """
    )
    op.execute("revoke execute on function operations.pinned() from public")
    op.execute("grant execute on function operations.pinned() to football_model")


def downgrade() -> None:
    op.execute("drop function operations.pinned()")
