"""The service's connections to PostgreSQL.

Belongs here: the pool, its bounds, and what becomes of a database that does not answer. Does not belong here: a query.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, Final, Protocol, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.errors import IdleInTransactionSessionTimeout
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

CONNECT_SECONDS: Final = 2
STATEMENT_SECONDS: Final = 5
"""What the server itself allows a statement."""

IDLE_SECONDS: Final = 5
"""How long a transaction may be left lying between two statements: all who write wait for each other, so for a worker that stands
still in the middle (stopped, or out of memory) nobody could log in. The server ends its connection then, and undoes it."""

SILENCE_SECONDS: Final = 6.0
"""How long it may say nothing while it is asked something: longer than it allows itself. It has fallen silent then (its machine
or the way there is gone, and no connection was closed), and the connection is given up."""

NOTICED_WITHIN: Final = {
    "tcp_user_timeout": int(SILENCE_SECONDS * 1000),
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
"""That the kernel gives up as soon, where nobody waits for an answer: libpq's names."""

T = TypeVar("T")


class StoreUnavailable(Exception):
    """The database cannot be reached, or not in time."""


_behind: set[asyncio.Task[Any]] = set()


async def in_time(question: Coroutine[Any, Any, T], seconds: float) -> T:
    """What the question is answered within so many seconds.

    What comes too late ends behind the back of who asked: to end a statement takes a server that answers.

    Raises:
        StoreUnavailable: the database does not answer in time.
    """
    asked = asyncio.create_task(question)
    try:
        await asyncio.wait([asked], timeout=seconds)
    finally:
        if not asked.done():
            asked.cancel()
            _behind.add(asked)
            asked.add_done_callback(_behind.discard)
            asked.add_done_callback(lambda each: each.cancelled() or each.exception())
    if not asked.done():
        raise StoreUnavailable("The database cannot be reached.")
    return asked.result()


class Bounded(psycopg.AsyncConnection[Any]):
    """A connection that is closed when the server says nothing for too long, whatever it is asked and whoever waits."""

    async def wait(self, *arguments: Any, **named: Any) -> Any:
        """Ask, and wait for the answer: all that psycopg does with a server goes through here."""
        hanging_up = asyncio.get_running_loop().call_later(SILENCE_SECONDS, self._hang_up)
        try:
            return await super().wait(*arguments, **named)
        finally:
            hanging_up.cancel()

    def _hang_up(self) -> None:
        # Not closed, which would leave the loop with a number that is another file's next: what waits reads the end, and fails.
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)


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
            connect_args={
                "async_creator_fn": Bounded.connect,
                "connect_timeout": CONNECT_SECONDS,
                "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_SECONDS * 1000}"
                f" -c idle_in_transaction_session_timeout={int(IDLE_SECONDS * 1000)}",
                **NOTICED_WITHIN,
            },
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
            except InternalError as error:
                if isinstance(error.orig, IdleInTransactionSessionTimeout):
                    raise StoreUnavailable("The database did not wait for this write.") from error
                raise

    @contextmanager
    def _told(self, state: str) -> Iterator[None]:
        self.tell(state, 1)
        try:
            yield
        finally:
            self.tell(state, -1)
