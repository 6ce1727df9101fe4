"""Each row of the ledger is chained to the one before it, so that nobody changes, adds or takes away one unseen."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What `pipelines.store.ledger` computes when it verifies, from the same bytes. Numbers as they are stored, not as they are shown:
# how a float is printed is a setting. Moments are microseconds since 1970.
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
        said.features_digest
    ), 'UTF8')), 'hex')
"""


def upgrade() -> None:
    op.execute(
        f"""
        create function forecast.link(before text, said forecast.prediction) returns text language sql stable as $$
            select {LINK}
        $$
        """
    )
    op.add_column("prediction", sa.Column("link", sa.Text(), nullable=True, comment=COMMENT), schema="forecast")
    op.execute("alter table forecast.prediction disable trigger append_only")
    op.execute(
        """
        do $$
        declare
            said forecast.prediction;
            last text := '';
        begin
            for said in select * from forecast.prediction order by sequence loop
                last := forecast.link(last, said);
                update forecast.prediction set link = last where prediction_id = said.prediction_id;
            end loop;
        end
        $$
        """
    )
    op.execute("alter table forecast.prediction enable trigger append_only")
    op.alter_column("prediction", "link", nullable=False, schema="forecast")
    op.execute(
        """
        create function forecast.chain() returns trigger language plpgsql as $$
        declare
            last forecast.prediction;
        begin
            -- One writer at a time: two would both follow the same row.
            perform pg_advisory_xact_lock(hashtext('forecast.prediction'));
            select * into last from forecast.prediction order by sequence desc limit 1;
            if last.sequence >= new.sequence then
                raise exception 'another prediction was written meanwhile: write this one again'
                    using errcode = 'serialization_failure';
            end if;
            new.link := forecast.link(coalesce(last.link, ''), new);
            return new;
        end
        $$
        """
    )
    op.execute(
        "create trigger chain before insert on forecast.prediction for each row execute function forecast.chain()"
    )
    op.create_unique_constraint(op.f("prediction_sequence_key"), "prediction", ["sequence"], schema="forecast")


def downgrade() -> None:
    op.drop_constraint(op.f("prediction_sequence_key"), "prediction", schema="forecast")
    op.execute("drop trigger chain on forecast.prediction")
    op.execute("drop function forecast.chain()")
    op.execute("drop function forecast.link(text, forecast.prediction)")
    op.drop_column("prediction", "link", schema="forecast")


COMMENT = "SHA-256 of the row and of the link before it, set by the database"
