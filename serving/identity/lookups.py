"""Credentials that only the database knows: how often, and how many at a time, it may be asked whose they are.

Belongs here: what of it counts against whom. Does not belong here: what a credential looks like, and
finding it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from litestar.exceptions import TooManyRequestsException

from serving.identity.buckets import Buckets, Rate
from serving.identity.limits import subscriber
from serving.store.database import StoreUnavailable
from serving.waiting import in_turn

MADE_UP: Final = Rate(per_second=1, burst=60)
"""How many credentials that are nobody's an address may show to each worker."""

AT_ONCE: Final = 4
"""Look-ups of each worker at a time: made-up credentials must not take the connections of those who log in."""

T = TypeVar("T")


class Lookups:
    """Of keys, cookies, refresh tokens and the codes of links together."""

    def __init__(self, budget: Buckets) -> None:
        self._budget = budget
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def find(self, address: str, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """What `look` finds for whom is at this address; None if it finds nothing.

        Raises:
            TooManyRequestsException: too much that is nobody's came from the address; what is somebody's costs nothing.
            StoreUnavailable: the database does not answer, or so many look that it was nobody's turn in time.
        """
        whose = subscriber(address)
        # Taken before, so that many at once cannot slip past.
        if not (await self._budget.take(whose))[0]:
            detail = "Too much that nobody could log in with came from your address. Try again soon."
            raise TooManyRequestsException(detail, headers={"Retry-After": "1"})
        try:
            async with in_turn(self._turns):
                found = await look()
        except StoreUnavailable:
            await self._budget.give_back(whose)
            raise
        if found is not None:
            await self._budget.give_back(whose)
        return found
