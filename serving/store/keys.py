"""The API keys of machines.

Belongs here: the queries over `app.api_key`, which know a key by its digest alone. Does not belong here: making keys, what a
worker remembers.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from serving.audit.entries import Actor
from serving.store.audit import audited
from serving.store.database import Database
from serving.store.tables import account, api_key

MAXIMUM_PER_ACCOUNT: Final = 50

_STANDS: Final = sa.and_(api_key.c.revoked_at.is_(None), api_key.c.expires_at > sa.func.now())


class Key(Struct, frozen=True):
    """A key without its secret."""

    key_id: str
    account_id: int
    name: str
    key_hash: bytes
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    role: str
    """Of its owner."""


class TooManyKeys(Exception):
    """The account has as many keys as it may have."""


_COLUMNS: Final = (*(api_key.c[name] for name in Key.__struct_fields__ if name != "role"), account.c.role)


class Keys:
    """The queries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def good_key(self, key_id: str) -> Key | None:
        """The key of that id, if it is good and its owner may log in."""
        query = sa.select(*_COLUMNS).join_from(api_key, account)
        rows = await self._database.rows(query.where(api_key.c.key_id == key_id, _STANDS, account.c.disabled_at.is_(None)))
        return Key(**rows[0]) if rows else None

    async def keys(self, account_id: int) -> list[Key]:
        """The keys of an account that are good, the latest first."""
        query = sa.select(*_COLUMNS).join_from(api_key, account).where(api_key.c.account_id == account_id, _STANDS)
        return [Key(**row) for row in await self._database.rows(query.order_by(api_key.c.created_at.desc()))]

    async def create(
        self, account_id: int, key_id: str, key_hash: bytes, name: str, scopes: Sequence[str], expires_at: datetime, by: Actor
    ) -> Key | None:
        """Add a key of an account; None if it is not one that may log in.

        Raises:
            TooManyKeys: it has `MAXIMUM_PER_ACCOUNT` already.
        """
        owner = sa.select(account.c.role).where(account.c.account_id == account_id, account.c.disabled_at.is_(None))
        standing = sa.select(sa.func.count().label("n")).where(api_key.c.account_id == account_id, _STANDS)
        values = {"account_id": account_id, "key_id": key_id, "key_hash": key_hash, "name": name, "scopes": list(scopes)}
        async with audited(self._database, by) as write:
            if not (owners := await write.rows(owner)):
                return None
            if (await write.rows(standing))[0]["n"] >= MAXIMUM_PER_ACCOUNT:
                raise TooManyKeys
            (row,) = await write.rows(sa.insert(api_key).values(**values, expires_at=expires_at).returning(api_key))
            await write.tell("key.create", f"key/{key_id}", None, row)
        del row["revoked_at"]
        return Key(**row, role=owners[0]["role"])

    async def revoke(self, account_id: int, key_id: str, by: Actor) -> bool:
        """Take back a key of an account; False if it has none of that id which is good."""
        this = sa.and_(api_key.c.account_id == account_id, api_key.c.key_id == key_id, _STANDS)
        # Before the transaction, for all who write wait for each other: not for what there is not.
        if not await self._database.rows(sa.select(api_key.c.key_id).where(this)):
            return False
        async with audited(self._database, by) as write:
            before = await write.rows(sa.select(api_key).where(this))
            if before:
                revoked = sa.update(api_key).where(this).values(revoked_at=sa.func.now())
                (after,) = await write.rows(revoked.returning(api_key))
                await write.tell("key.revoke", f"key/{key_id}", before[0], after)
        return bool(before)

    async def used(self, uses: Mapping[str, datetime]) -> None:
        """Write down when keys were last used."""
        each: Any = sa.text("select * from unnest(cast(:ids as text[]), cast(:moments as timestamptz[])) as used (key_id, at)")
        used = each.bindparams(ids=list(uses), moments=list(uses.values())).columns(key_id=sa.Text, at=sa.DateTime(True))
        used = used.subquery("used")
        update = sa.update(api_key).where(api_key.c.key_id == used.c.key_id)
        # Another worker may have written a later one; greatest() passes over null.
        update = update.values(last_used_at=sa.func.greatest(api_key.c.last_used_at, used.c.at))
        await self._database.rows(update.returning(api_key.c.key_id))
