"""Who may do what with the first tables, and a ledger that cannot be rewritten."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

GRANTS = (
    "usage on schema bronze to football_ingest, football_transform, football_model, football_reader",
    "select, insert, update on all tables in schema bronze to football_ingest",
    # To refresh the planner's statistics behind a large load.
    "maintain on all tables in schema bronze to football_ingest",
    "select on all tables in schema bronze to football_transform, football_reader",
    "select on bronze.source_file to football_model",
    "usage on schema forecast to football_model, football_reader",
    "select, insert on forecast.prediction, forecast.model_evidence to football_model",
    "select, insert, update, delete, truncate on forecast.match_rating to football_model",
    "select on all tables in schema forecast to football_reader",
    "usage on schema published to football_model, football_api, football_reader",
    "select, insert on all tables in schema published to football_model",
    "update (confirmed_at) on published.publication to football_model",
    "select on all tables in schema published to football_api, football_reader",
    "usage on schema app to football_api",
    "select, insert, update on all tables in schema app to football_api",
)


def upgrade() -> None:
    for grant in GRANTS:
        op.execute(f"grant {grant}")

    # A delivered line is some 2 kB of JSONB, just where PostgreSQL would move it out of the row: reading it back costs twice.
    for table in ("football_data_match", "openfootball_match"):
        op.execute(f"alter table bronze.{table} set (toast_tuple_target = 8160)")

    op.execute(
        """
        create function forecast.refuse_change() returns trigger language plpgsql as $$
        begin
            raise exception '% on %.% refused: what was said stays said', tg_op, tg_table_schema, tg_table_name
                using hint = 'A prediction is superseded by a later one.', errcode = 'restrict_violation';
        end
        $$
        """
    )
    op.execute(
        """
        create trigger append_only before update or delete or truncate on forecast.prediction
        for each statement execute function forecast.refuse_change()
        """
    )


def downgrade() -> None:
    op.execute("drop trigger append_only on forecast.prediction")
    op.execute("drop function forecast.refuse_change()")
    for table in ("football_data_match", "openfootball_match"):
        op.execute(f"alter table bronze.{table} reset (toast_tuple_target)")
    for grant in GRANTS:
        rights, _, roles = grant.rpartition(" to ")
        op.execute(f"revoke {rights} from {roles}")
