"""Ids that nothing has, and filters that nothing passes: how often the database may be asked for them.

Belongs here: remembering which ids there is nothing of, and how many of them somebody may have looked for. Does not belong here:
what an id looks like, finding it, HTTP.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from serving.current import CurrentPublication
from serving.identity.buckets import Buckets, Rate
from serving.refusals import refused_by
from serving.schemas import Publication
from serving.waiting import in_turn

BUDGET: Final = Rate(per_second=2, burst=40)
"""How many ids that there is nothing of an account may have looked for by each worker."""

MAXIMUM_REMEMBERED: Final = 10_000
REMEMBERED_SECONDS: Final = 60.0
"""After that, and the seconds for which workers share an answer without rows, what came in between two publications is found."""

AT_ONCE: Final = 4
"""Look-ups of each worker at a time, those of what there is among them: the other connections are for those who log in."""

AT_ONCE_OF_ACCOUNT: Final = 2
"""Of these one account's: what is found is free, however long it takes to find."""

T = TypeVar("T")


class TooManyUnknown(Exception):
    """An account asked for too many things that there are not."""


class Unknown:
    """Remembers, for a minute or until a run publishes or confirms, what was looked for in vain."""

    def __init__(self, current: CurrentPublication) -> None:
        self._current = current
        self._budget = Buckets(None, "unknown", BUDGET)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._turns_of: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # gone with the last who holds them
        self._remembered: dict[tuple[str, str], None] = {}  # the first that was asked for first
        self._while_served: Publication | None = None
        self._forgotten_at = 0.0

    async def find(self, account: str, kind: str, name: str, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """What `look` finds of this kind and name; None if it finds nothing, or is known to.

        Raises:
            StoreUnavailable: so many are looked for that it was nobody's turn in time.
            TooManyUnknown: the account asked for too many that there are not; what is found costs nothing.
        """
        of_account = self._turns_of.setdefault(account, asyncio.Semaphore(AT_ONCE_OF_ACCOUNT))
        async with in_turn(of_account, self._turns):  # in this order, so that nobody waits for the account's in the others' way
            return await self._find(account, kind, name, look)

    async def _find(self, account: str, kind: str, name: str, look: Callable[[], Awaitable[T | None]]) -> T | None:
        self._forget()
        remembered = self._remembered
        if (kind, name) in remembered:
            return None
        # Taken before, so that many at once cannot slip past, and given back for what there is, and where nobody can say.
        if not (await self._budget.take(account))[0]:
            refused_by("unknown")
            raise TooManyUnknown
        try:
            found = await look()
        except Exception:
            await self._budget.give_back(account)
            raise
        if found is not None:
            await self._budget.give_back(account)
            return found
        remembered[kind, name] = None
        if len(remembered) > MAXIMUM_REMEMBERED:
            del remembered[next(iter(remembered))]
        return None

    async def rows(self, account: str, kind: str, filters: Iterable[object], look: Callable[[], Awaitable[list[T]]]) -> list[T]:
        """The rows of a list that `look` finds with these filters, which are as easily made up as an id; as `find`.

        Raises:
            StoreUnavailable, TooManyUnknown: as `find`.
        """

        async def some() -> list[T] | None:
            return await look() or None

        return await self.find(account, kind, str([*filters]), some) or []

    async def publication(self, account: str, publication_id: int) -> Publication | None:
        """A publication by its number, the one being served from memory; None if there is none, or known to be none.

        Raises:
            StoreUnavailable: the database would have to be asked, and does not answer.
            TooManyUnknown: the account asked for too many that there are not.
        """
        if (served := self._current.last_known) is not None and served.publication_id == publication_id:
            return served
        return await self.find(account, "publication", str(publication_id), lambda: self._current.numbered(publication_id))

    def _forget(self) -> None:
        served, now = self._current.last_known, time.monotonic()
        if served != self._while_served or now >= self._forgotten_at:
            self._while_served, self._forgotten_at, self._remembered = served, now + REMEMBERED_SECONDS, {}
