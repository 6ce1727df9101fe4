"""The accounts: who may log in.

Belongs here: the queries over `app.account`. Does not belong here: passwords in the clear, what a role may do.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql

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

    async def create_account(self, username: str, password_hash: str, role: str) -> bool:
        """Add an account; False if the name is taken."""
        insert = postgresql.insert(account).values(username=username, password_hash=password_hash, role=role)
        return await self._write(insert.on_conflict_do_nothing(index_elements=["username"]))

    async def set_password(self, username: str, password_hash: str) -> bool:
        """Give an account another password; False if there is none of that name."""
        return await self._write(sa.update(account).where(account.c.username == username).values(password_hash=password_hash))

    async def disable_account(self, username: str) -> bool:
        """Refuse further logins; False if there is no such enabled account."""
        enabled = sa.and_(account.c.username == username, account.c.disabled_at.is_(None))
        return await self._write(sa.update(account).where(enabled).values(disabled_at=datetime.now(UTC)))

    async def enable_account(self, username: str) -> bool:
        """Allow logins again; False if there is no such disabled account."""
        disabled = sa.and_(account.c.username == username, account.c.disabled_at.is_not(None))
        return await self._write(sa.update(account).where(disabled).values(disabled_at=None))

    async def _write(self, statement: sa.Insert | sa.Update) -> bool:
        return bool(await self._database.rows(statement.returning(account.c.account_id)))
