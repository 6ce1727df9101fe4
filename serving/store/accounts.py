"""The accounts: who may log in.

Belongs here: the queries over `app.account`. Does not belong here: passwords in the clear, what a role may do.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql

from serving.audit.entries import Actor
from serving.store.audit import audited
from serving.store.database import Database
from serving.store.tables import account


class Account(Struct, frozen=True):
    """Someone who may log in."""

    account_id: int
    username: str
    password_hash: str
    role: str
    created_at: datetime
    disabled_at: datetime | None


class Accounts:
    """The queries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def account(self, username: str) -> Account | None:
        """The account of that name, disabled or not."""
        rows = await self._database.rows(sa.select(account).where(account.c.username == username))
        return Account(**rows[0]) if rows else None

    async def accounts(self) -> list[Account]:
        """All accounts, by name."""
        return [Account(**row) for row in await self._database.rows(sa.select(account).order_by(account.c.username))]

    async def create_account(self, username: str, password_hash: str, role: str, by: Actor) -> bool:
        """Add an account; False if the name is taken."""
        insert = postgresql.insert(account).values(username=username, password_hash=password_hash, role=role)
        insert = insert.on_conflict_do_nothing(index_elements=["username"])
        async with audited(self._database, by) as write:
            made = await write.rows(insert.returning(account))
            if made:
                await write.tell("account.create", f"account/{made[0]['account_id']}", None, made[0])
        return bool(made)

    async def set_password(self, username: str, password_hash: str, by: Actor) -> bool:
        """Give an account another password; False if there is none of that name."""
        return await self._change("account.set_password", username, sa.true(), {"password_hash": password_hash}, by)

    async def disable_account(self, username: str, by: Actor) -> bool:
        """Refuse further logins; False if there is no such enabled account."""
        is_enabled = account.c.disabled_at.is_(None)
        return await self._change("account.disable", username, is_enabled, {"disabled_at": datetime.now(UTC)}, by)

    async def enable_account(self, username: str, by: Actor) -> bool:
        """Allow logins again; False if there is no such disabled account."""
        return await self._change("account.enable", username, account.c.disabled_at.is_not(None), {"disabled_at": None}, by)

    async def _change(
        self, action: str, username: str, condition: sa.ColumnElement[bool], values: dict[str, Any], by: Actor
    ) -> bool:
        wanted = sa.and_(account.c.username == username, condition)
        async with audited(self._database, by) as write:
            before = await write.rows(sa.select(account).where(wanted))
            if before:
                after = await write.rows(sa.update(account).where(wanted).values(**values).returning(account))
                await write.tell(action, f"account/{before[0]['account_id']}", before[0], after[0])
        return bool(before)
