"""Credentials that only the database knows: how often, and how many at a time, it may be asked whose they are.

Belongs here: what of it counts against whom, remembering what was nobody's. Does not belong here: what a credential looks like,
and finding it.

Behind one address there may be many: what is shown right should not suffer from what another shows. So what was nobody's is
remembered for a while, and shown again costs nothing: a machine that goes on with a key that has expired takes nothing from
its neighbours. Only what is nobody's and was not shown before uses up tokens, of its address and its own kind: made-up keys keep
no browser out. Where they are used up one waits for the next token instead of being refused. The rate of these tokens protects
the database; so somebody is refused only where more wait than will have their turn, that is, where different made-up
credentials of one kind keep on coming from the address faster than that. Whoever is known to the worker already is not looked up
at all, and goes on even then.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from litestar.exceptions import TooManyRequestsException

from serving.identity.buckets import Buckets, Rate
from serving.identity.limits import subscriber
from serving.refusals import refused_by
from serving.store.database import StoreUnavailable
from serving.waiting import in_turn

MADE_UP: Final = Rate(per_second=5, burst=60)
"""How many different credentials of a kind that are nobody's an address may show to each worker."""

AT_ONCE: Final = 4
"""Look-ups of each worker at a time: made-up credentials must not take the connections of those who log in."""

MAXIMUM_WAITING: Final = 10
"""How many of an address wait for a token of its own: two seconds' worth."""

PATIENCE_SECONDS: Final = 3.0
"""How long each of them waits."""

REFUSED_SECONDS: Final = 30.0
"""How long what was nobody's is remembered. It may become somebody's only with a change of an account, when all is forgotten."""

MAXIMUM_REFUSED: Final = 10_000
"""Digests of what was nobody's, never that itself."""

T = TypeVar("T")


class Lookups:
    """Of keys, cookies, refresh tokens and the codes of links."""

    def __init__(self, budget: Buckets, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting: Counter[str] = Counter()
        self._refused: dict[tuple[str, bytes], float] = {}  # until when; the first that was refused first

    async def find(self, address: str, kind: str, digest: bytes, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """What `look` finds for whom is at this address and shows something of this kind and digest; None if it finds nothing.

        Raises:
            TooManyRequestsException: too much that is nobody's comes from the address; what is somebody's costs nothing.
            StoreUnavailable: the database does not answer, or so many look that it was nobody's turn in time.
        """
        if self._is_refused(kind, digest):
            return None
        whose = f"{kind} {subscriber(address)}"
        # Taken before, so that many at once cannot slip past.
        await self._take(whose)
        try:
            async with in_turn(self._turns):
                found = None if (is_refused := self._is_refused(kind, digest)) else await look()
        except StoreUnavailable:
            await self._budget.give_back(whose)
            raise
        if found is not None or is_refused:
            await self._budget.give_back(whose)
        else:
            self._refuse(kind, digest)
        return found

    def forget(self) -> None:
        """Take nothing for nobody's any more: accounts have changed, and with one that is enabled again its keys are good."""
        self._refused.clear()

    async def _take(self, whose: str) -> None:
        if (await self._budget.take(whose))[0]:
            return
        detail = "Too much that nobody could log in with came from your address. Try again soon."
        refusal = TooManyRequestsException(detail, headers={"Retry-After": "1"})
        if self._waiting[whose] >= MAXIMUM_WAITING:
            refused_by("lookups")
            raise refusal
        self._waiting[whose] += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    is_let_through, lease = await self._budget.take(whose)
                    if is_let_through:
                        return
                    await asyncio.sleep(max(0.01, lease.refused_until - self._budget.clock()))
        except TimeoutError:
            refused_by("lookups")
            raise refusal from None
        finally:
            self._waiting[whose] -= 1
            if not self._waiting[whose]:
                del self._waiting[whose]

    def _is_refused(self, kind: str, digest: bytes) -> bool:
        return self._refused.get((kind, digest), 0.0) > self._clock()

    def _refuse(self, kind: str, digest: bytes) -> None:
        self._refused.pop((kind, digest), None)  # so that it stands last
        self._refused[kind, digest] = self._clock() + REFUSED_SECONDS
        if len(self._refused) > MAXIMUM_REFUSED:
            del self._refused[next(iter(self._refused))]
