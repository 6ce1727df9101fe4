"""The audit: writing a row together with what it tells of, and reading rows.

Belongs here: the queries over `app.audit`. Number, moment and link of a row are set by the database, which refuses to change or
delete one. Does not belong here: what a link is made of, masking.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct, json
from sqlalchemy.ext.asyncio import AsyncConnection

from serving.audit.chain import Linked
from serving.audit.entries import Actor, shown
from serving.schemas.audit import AuditEntry
from serving.store.database import Database

BATCH: Final = 250
"""Rows read at a time: verifying so many keeps the event loop from others for some milliseconds."""

_ADD: Final = sa.text(
    """
    insert into app.audit (actor, action, object, before, after, request_id, address)
    values (:actor, :action, :object, cast(:before as jsonb), cast(:after as jsonb), :request_id, :address)
    """
)


class Write(Struct, frozen=True):
    """A transaction in which one thing is written, by whom."""

    connection: AsyncConnection
    by: Actor

    async def rows(self, statement: sa.Executable) -> list[dict[str, Any]]:
        """What one statement of the transaction answers, a dict a row."""
        return [dict(row) for row in (await self.connection.execute(statement)).mappings()]

    async def tell(self, action: str, what: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        """Add the row of the audit: what was done to what (`publication.pin`, `account/7`), what was there before and after."""
        contents = [None if each is None else json.encode(shown(each)).decode() for each in (before, after)]
        values = {"actor": self.by.name, "action": action, "object": what, "before": contents[0], "after": contents[1]}
        await self.connection.execute(_ADD, values | {"request_id": self.by.request_id, "address": self.by.address})


@asynccontextmanager
async def audited(database: Database, by: Actor) -> AsyncIterator[Write]:
    """A transaction for one write and its row of the audit: both are kept, or neither.

    One at a time, as the rows have to follow each other anyway: what is read in it as `before` is what was there.

    Raises:
        StoreUnavailable: the database does not answer in time.
    """
    async with database.transaction() as connection:
        await connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('app.audit'))"))
        yield Write(connection, by)


class AuditFilters(Struct, frozen=True, kw_only=True):
    """Which rows are wanted."""

    actor: str | None = None
    action: str | None = None
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Audit:
    """The queries that read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def entries(self, filters: AuditFilters, before: int | None, limit: int) -> list[AuditEntry]:
        """At most `limit` rows, the latest first, those before number `before` if given."""
        query = """
            select sequence, at, actor, action, object, before, after, request_id, address, link from app.audit
            where (cast(:actor as text) is null or actor = :actor)
                and (cast(:action as text) is null or action = :action)
                and (cast(:object as text) is null or object = :object)
                and (cast(:since as timestamptz) is null or at >= :since)
                and (cast(:until as timestamptz) is null or at < :until)
                and (cast(:before as bigint) is null or sequence < :before)
            order by sequence desc
            limit :limit
        """
        wanted = {name: getattr(filters, name) for name in filters.__struct_fields__}
        rows = await self._database.rows(sa.text(query).bindparams(**wanted, before=before, limit=limit))
        return [AuditEntry(**row) for row in rows]

    async def linked(self) -> AsyncIterator[Linked]:
        """Every row as its link was made of it, by number."""
        query = sa.text(
            """
            select
                link, sequence, at, actor, action, object,
                cast(before as text) as before, cast(after as text) as after, request_id, address
            from app.audit where sequence > :sequence order by sequence limit :batch
            """
        )
        sequence = -(2**63)
        while rows := await self._database.rows(query.bindparams(sequence=sequence, batch=BATCH)):
            for row in rows:
                yield Linked(**row)
            sequence = rows[-1]["sequence"]
