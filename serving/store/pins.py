"""Pinning: that a publication is served whatever is published after it.

Belongs here: the one row of `app.pin`. Which publication is served, the pin considered, is `publications.latest_publication`.
"""

from typing import Any, Final

import sqlalchemy as sa

from serving.audit.entries import Actor
from serving.schemas.publications import Pin
from serving.store.audit import audited
from serving.store.database import Database

_STANDING: Final = "select publication_id, reason, pinned_at, pinned_by from app.pin"


class Pins:
    """The queries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pinned(self) -> Pin | None:
        """The pin that stands, None while the latest publication is served."""
        rows = await self._rows(_STANDING)
        return Pin(**rows[0]) if rows else None

    async def pin(self, publication_id: int, reason: str, account_id: int, by: Actor) -> Pin | None:
        """Pin a publication, in the place of one that was pinned before; None if there is no such publication.

        Pinned again for the same reason, it stays as it stands: who pinned it first, and when. The pin names the account,
        whether it acts itself or a key of its own does; which of them is in the audit.
        """
        query = """
            insert into app.pin (publication_id, reason, pinned_by)
            select publication_id, :reason, :pinned_by from published.publication where publication_id = :publication_id
            on conflict (is_only) do update
            set
                (publication_id, reason, pinned_by, pinned_at)
                = (excluded.publication_id, excluded.reason, excluded.pinned_by, now())
            returning publication_id, reason, pinned_at, pinned_by
        """
        values = {"publication_id": publication_id, "reason": reason, "pinned_by": str(account_id)}
        # Before the transaction, for all who write wait for each other: not for what there is not, or what stands already.
        if not await self._rows("select from published.publication where publication_id = :number", number=publication_id):
            return None
        if (standing := _same(await self._rows(_STANDING), publication_id, reason)) is not None:
            return standing
        async with audited(self._database, by) as write:
            before = await write.rows(sa.text(_STANDING))
            if (standing := _same(before, publication_id, reason)) is not None:
                return standing
            after = await write.rows(sa.text(query).bindparams(**values))
            if not after:
                return None
            await write.tell("publication.pin", f"publication/{publication_id}", before[0] if before else None, after[0])
        return Pin(**after[0])

    async def release(self, by: Actor) -> bool:
        """Serve the latest publication again; False if none was pinned."""
        query = "delete from app.pin returning publication_id, reason, pinned_at, pinned_by"
        if await self.pinned() is None:  # before the transaction, as above
            return False
        async with audited(self._database, by) as write:
            before = await write.rows(sa.text(query))
            if not before:
                return False
            await write.tell("publication.release", f"publication/{before[0]['publication_id']}", before[0], None)
        return True

    async def _rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        return await self._database.rows(sa.text(query).bindparams(**values))


def _same(standing: list[dict[str, Any]], publication_id: int, reason: str) -> Pin | None:
    """The pin that stands, if it is of this publication and for this reason."""
    pin = Pin(**standing[0]) if standing else None
    return pin if pin is not None and (pin.publication_id, pin.reason) == (publication_id, reason) else None
