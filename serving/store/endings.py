"""What was taken back.

Belongs here: the one question that every worker keeps asking. Does not belong here: taking anything back, what a worker
remembers.
"""

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from serving.store.database import Database

_SINCE = sa.text("""
    with since as materialized (
        -- Before the first question: no access token is older. Later: a moment is that of a transaction's beginning, which
        -- may have been committed only after the last question.
        select coalesce(cast(:asked_at as timestamptz) - interval '30 seconds', now() - interval '20 minutes') as moment
    )
    select
        now() as asked_at,
        array(select session_id from app.session where ended_at >= (select moment from since)) as sessions,
        array(select key_id from app.api_key where revoked_at >= (select moment from since)) as keys,
        array(select account_id from app.account where revised_at >= (select moment from since)) as accounts
""")


class Ended(Struct, frozen=True):
    """Sessions and keys that ended, accounts that changed, and when this was asked."""

    asked_at: datetime
    sessions: list[str]
    keys: list[str]
    accounts: list[int]


class Endings:
    """The query."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, asked_at: datetime | None) -> Ended:
        """What has ended since it was asked for at that moment; None: what can still matter to a worker that begins.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        (row,) = await self._database.rows(_SINCE.bindparams(asked_at=asked_at))
        return Ended(**row)
