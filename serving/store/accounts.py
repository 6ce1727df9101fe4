"""The accounts: who may log in.

Belongs here: the queries over `app.account`. Does not belong here: passwords in the clear, what a role may do.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql

from serving.audit.entries import Actor
from serving.store.audit import audited
from serving.store.database import Database
from serving.store.sessions import ending
from serving.store.tables import account


class Account(Struct, frozen=True):
    """Someone who may log in."""

    account_id: int
    username: str
    password_hash: str
    role: str
    created_at: datetime
    disabled_at: datetime | None
    revised_at: datetime


class Accounts:
    """The queries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def account(self, username: str) -> Account | None:
        """The account of that name, disabled or not."""
        rows = await self._database.rows(sa.select(account).where(account.c.username == username))
        return Account(**rows[0]) if rows else None

    async def numbered(self, account_id: int) -> Account | None:
        """The account of that number, disabled or not."""
        rows = await self._database.rows(sa.select(account).where(account.c.account_id == account_id))
        return Account(**rows[0]) if rows else None

    async def accounts(self, after: str = "", limit: int | None = None, search: str | None = None) -> list[Account]:
        """At most `limit` accounts by name (None: all), those behind the name `after`; `search` is a part of it in any case."""
        query = sa.select(account).where(account.c.username > after).order_by(account.c.username).limit(limit)
        if search is not None:
            query = query.where(sa.func.strpos(sa.func.lower(account.c.username), sa.func.lower(search)) > 0)
        return [Account(**row) for row in await self._database.rows(query)]

    async def create_account(self, username: str, password_hash: str, role: str, by: Actor) -> Account | None:
        """Add an account; None if the name is taken."""
        insert = postgresql.insert(account).values(username=username, password_hash=password_hash, role=role)
        insert = insert.on_conflict_do_nothing(index_elements=["username"])
        async with audited(self._database, by) as write:
            made = await write.rows(insert.returning(account))
            if not made:
                return None
            await write.tell("account.create", f"account/{made[0]['account_id']}", None, made[0])
        return Account(**made[0])

    async def change(
        self,
        account_id: int,
        by: Actor,
        *,
        role: str | None = None,
        is_disabled: bool | None = None,
        password_hash: str | None = None,
    ) -> Account | None:
        """Change what is given of an account, and end its sessions: they were begun as what it no longer is.

        None if there is no such account. What is so already is not changed.
        """
        this = account.c.account_id == account_id
        async with audited(self._database, by) as write:
            found = await write.rows(sa.select(account).where(this).with_for_update())
            if not found:
                return None
            before = Account(**found[0])
            changes: dict[str, tuple[str, Any]] = {}
            if role is not None and role != before.role:
                changes["set_role"] = "role", role
            if is_disabled is not None and is_disabled != (before.disabled_at is not None):
                changes["disable" if is_disabled else "enable"] = "disabled_at", sa.func.now() if is_disabled else None
            if password_hash is not None:
                changes["set_password"] = "password_hash", password_hash
            if not changes:
                return before
            values = {**dict(changes.values()), "revised_at": sa.func.now()}
            (after,) = await write.rows(sa.update(account).where(this).values(values).returning(account))
            await write.connection.execute(ending(account_id))
            action = next(iter(changes)) if len(changes) == 1 else "change"
            await write.tell(f"account.{action}", f"account/{account_id}", found[0], after)
        return Account(**after)

    async def replace_password(self, known: Account, password_hash: str, session_id: str, by: Actor) -> bool:
        """Give an account the password of its owner's choice, and end its sessions but that one.

        False: the password that the owner showed was changed meanwhile.
        """
        same = sa.and_(account.c.account_id == known.account_id, account.c.password_hash == known.password_hash)
        values = {"password_hash": password_hash, "revised_at": sa.func.now()}
        async with audited(self._database, by) as write:
            before = await write.rows(sa.select(account).where(same).with_for_update())
            if before:
                (after,) = await write.rows(sa.update(account).where(same).values(values).returning(account))
                await write.connection.execute(ending(known.account_id, but_not=session_id))
                await write.tell("account.set_password", f"account/{known.account_id}", before[0], after)
        return bool(before)

    async def replace_hash(self, account_id: int, old: str, new: str, by: Actor) -> None:
        """Keep a better hash of the same password, unless it was changed meanwhile."""
        same = sa.and_(account.c.account_id == account_id, account.c.password_hash == old)
        async with audited(self._database, by) as write:
            before = await write.rows(sa.select(account).where(same))
            if before:
                (after,) = await write.rows(sa.update(account).where(same).values(password_hash=new).returning(account))
                await write.tell("account.rehash", f"account/{account_id}", before[0], after)
