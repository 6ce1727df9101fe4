"""At most so many at a time within a worker, and no longer wait than a reader has patience for.

Belongs here: waiting in the event loop. Does not belong here: what keeps a core busy, of which all workers take turns
(`identity.turns`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from serving.store.database import StoreUnavailable

PATIENCE_SECONDS: Final = 3.0
"""How long one may wait for one's turn."""


@asynccontextmanager
async def in_turn(*turns: asyncio.Semaphore) -> AsyncIterator[None]:
    """Have a turn of each of these until the block ends; they are waited for in this order.

    Raises:
        StoreUnavailable: so many came at once that it was nobody's turn in time.
    """
    async with AsyncExitStack() as had:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for each in turns:
                    await had.enter_async_context(each)
        except TimeoutError as error:
            raise StoreUnavailable("Too much is being looked for at once.") from error
        yield
