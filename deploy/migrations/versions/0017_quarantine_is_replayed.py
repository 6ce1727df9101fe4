"""What a mended parser can read leaves the quarantine."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLES = "bronze.quarantine, bronze.unusable_cell"


def upgrade() -> None:
    op.execute(f"grant delete on {TABLES} to football_ingest")


def downgrade() -> None:
    op.execute(f"revoke delete on {TABLES} from football_ingest")
