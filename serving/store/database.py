"""The service's connections to PostgreSQL.

Belongs here: the pool, its bounds, and what becomes of a database that does not answer. Does not belong here: a query.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine


class StoreUnavailable(Exception):
    """The database cannot be reached, or not in time."""


class Reads(Protocol):
    """Whoever says what a statement answers: the database, or who remembers it."""

    async def rows(self, statement: sa.Executable) -> list[dict[str, Any]]:
        """What one statement answers, a dict a row.

        Raises:
            StoreUnavailable: nobody who knows answers in time.
        """
        ...


class Database:
    """A pool whose connections are made when first needed; `close` ends them."""

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self._engine = create_async_engine(
            sa.make_url(url).set(drivername="postgresql+psycopg"),
            isolation_level="AUTOCOMMIT",  # reading is one statement at a time
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=2,
            pool_pre_ping=True,
            hide_parameters=True,  # user names do not belong in logged errors
            connect_args={"connect_timeout": 2, "options": "-c timezone=UTC -c statement_timeout=5000"},
        )

        self.tell: Callable[[str, int], None] = lambda state, change: None
        """Called with `waiting` or `in_use` and +1 or -1 whenever somebody begins or ends to."""
        self._transactional = self._engine.execution_options(isolation_level="READ COMMITTED")

    @property
    def engine(self) -> sa.Engine:
        """What makes the connections: for who watches it."""
        return self._engine.sync_engine

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    async def rows(self, statement: sa.Executable) -> list[dict[str, Any]]:
        """What one statement answers, a dict a row.

        Raises:
            StoreUnavailable: the database does not answer in time.
        """
        async with self.connection() as connection:
            return [dict(row) for row in (await connection.execute(statement)).mappings()]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which every statement is its own transaction."""
        async with self._from_pool(self._engine) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which everything is one transaction: kept at the end, undone by an exception.

        Raises:
            StoreUnavailable: the database does not answer in time.
        """
        async with self._from_pool(self._transactional) as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def _from_pool(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        with ExitStack() as waiting:
            waiting.enter_context(self._told("waiting"))
            try:
                async with engine.connect() as connection:
                    waiting.close()
                    with self._told("in_use"):
                        yield connection
            except (OperationalError, InterfaceError, PoolTimeout) as error:
                raise StoreUnavailable("The database cannot be reached.") from error

    @contextmanager
    def _told(self, state: str) -> Iterator[None]:
        self.tell(state, 1)
        try:
            yield
        finally:
            self.tell(state, -1)
