"""Whether a prediction was issued before kick-off is asked of the database's clock, not only of what the row says of itself."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

MOMENT = "what the clock of this database says; -infinity: none is asked, for tests of any day"


def upgrade() -> None:
    # Written by the migrator alone: whoever issues predictions could else turn back the clock.
    op.create_table(
        "rehearsal",
        sa.Column("moment", sa.TIMESTAMP(timezone=True), nullable=False, comment=MOMENT),
        sa.Column("is_rehearsal", sa.Boolean(), server_default=sa.true(), nullable=False, comment="true, so that there is one row"),
        sa.CheckConstraint("is_rehearsal", name=op.f("rehearsal_is_one_check")),
        sa.PrimaryKeyConstraint("is_rehearsal", name=op.f("rehearsal_pkey")),
        schema="forecast",
        comment="Empty where days are not rehearsed: there the server's clock counts",
    )
    op.execute("grant select on forecast.rehearsal to football_model, football_reader")
    op.execute(
        """
        create function forecast.clock() returns timestamptz language sql volatile as $$
            select coalesce((select moment from forecast.rehearsal), clock_timestamp())
        $$
        """
    )
    op.execute(
        """
        create function forecast.refuse_late() returns trigger language plpgsql as $$
        declare
            now constant timestamptz := forecast.clock();
        begin
            if new.kickoff_at <= now then
                raise exception 'a prediction of match % was refused: it kicked off at %, and it is %', new.match_id, new.kickoff_at, now
                    using hint = 'What is not in the ledger before kick-off was not said before kick-off.', errcode = 'check_violation';
            end if;
            -- A run says the moment once and writes minutes later; clocks of two machines differ by seconds.
            if isfinite(now) and new.issued_at not between now - interval '15 minutes' and now + interval '1 minute' then
                raise exception 'a prediction of match % was refused: it says it was issued at %, and it is %', new.match_id, new.issued_at, now
                    using hint = 'Set the clock of the machine that writes by that of the database.', errcode = 'check_violation';
            end if;
            return new;
        end
        $$
        """
    )
    op.execute(
        "create trigger before_kickoff before insert on forecast.prediction for each row execute function forecast.refuse_late()"
    )


def downgrade() -> None:
    op.execute("drop trigger before_kickoff on forecast.prediction")
    op.execute("drop function forecast.refuse_late()")
    op.execute("drop function forecast.clock()")
    op.drop_table("rehearsal", schema="forecast")
