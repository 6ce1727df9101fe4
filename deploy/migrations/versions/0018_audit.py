"""Every write of the service leaves a row that nobody changes, adds or takes away unseen."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# What `serving.audit.chain` computes when it verifies. A JSON array, so that what is null cannot pass for another column's
# text; JSONB goes in as its text, moments as microseconds since 1970.
LINK = """
    encode(sha256(convert_to(jsonb_build_array(
        before,
        said.sequence, (extract(epoch from said.at) * 1000000)::bigint,
        said.actor, said.action, said.object, said.before::text, said.after::text, said.request_id, said.address
    )::text, 'UTF8')), 'hex')
"""


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False, comment="set by the database, without a gap"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="set by the database"),
        sa.Column("actor", sa.Text(), nullable=False, comment="account:<number>, key:<number> or cli:<user>"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True, comment="the client's network"),
        sa.Column("link", sa.Text(), nullable=False, comment="SHA-256 of the row and of the link before it, set by the database"),
        sa.CheckConstraint("actor ~ '^(account|key|cli):.'", name=op.f("audit_actor_check")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("audit_pkey")),
        schema="app",
        comment="Every write of the service: who, what, when, from where.",
    )
    op.execute(
        f"""
        create function app.audit_link(before text, said app.audit) returns text language sql stable as $$
            select {LINK}
        $$
        """
    )
    op.execute(
        """
        create function app.chain_audit() returns trigger language plpgsql as $$
        declare
            last app.audit;
        begin
            -- One writer at a time: two would both follow the same row.
            perform pg_advisory_xact_lock(hashtext('app.audit'));
            select * into last from app.audit order by sequence desc limit 1;
            new.sequence := coalesce(last.sequence, 0) + 1;
            new.at := clock_timestamp();
            new.link := app.audit_link(coalesce(last.link, ''), new);
            return new;
        end
        $$
        """
    )
    op.execute("create trigger chain before insert on app.audit for each row execute function app.chain_audit()")
    op.execute(
        """
        create function app.refuse_change() returns trigger language plpgsql as $$
        begin
            raise exception '% on %.% refused: what was done stays done', tg_op, tg_table_schema, tg_table_name
                using errcode = 'restrict_violation';
        end
        $$
        """
    )
    op.execute(
        """
        create trigger append_only before update or delete or truncate on app.audit
        for each statement execute function app.refuse_change()
        """
    )
    op.execute("grant select, insert on app.audit to football_api")


def downgrade() -> None:
    op.execute("drop function app.audit_link(text, app.audit)")
    op.drop_table("audit", schema="app")
    op.execute("drop function app.chain_audit()")
    op.execute("drop function app.refuse_change()")
