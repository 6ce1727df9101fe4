"""Ids that nothing has: how often the database may be asked for them.

Belongs here: remembering which ids there is nothing of, and how many of them somebody may have looked for. Does not belong here:
what an id looks like, finding it, HTTP.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from serving.current import CurrentPublication
from serving.identity.buckets import Buckets, Rate
from serving.schemas import Publication

BUDGET: Final = Rate(per_second=2, burst=40)
"""How many ids that there is nothing of an account may have looked for by each worker."""

MAXIMUM_REMEMBERED: Final = 10_000
REMEMBERED_SECONDS: Final = 60.0
"""After that, and the seconds for which workers share an answer without rows, what came in between two publications is found."""

T = TypeVar("T")


class TooManyUnknown(Exception):
    """An account asked for too many things that there are not."""


class Unknown:
    """Remembers, for a minute or until a run publishes or confirms, what was looked for in vain."""

    def __init__(self, current: CurrentPublication) -> None:
        self._current = current
        self._budget = Buckets(None, "unknown", BUDGET)
        self._remembered: dict[tuple[str, str], None] = {}  # the first that was asked for first
        self._while_served: Publication | None = None
        self._forgotten_at = 0.0

    async def find(self, account: str, kind: str, name: str, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """What `look` finds of this kind and name; None if it finds nothing, or is known to.

        Raises:
            TooManyUnknown: the account asked for too many that there are not; what is found costs nothing.
        """
        self._forget()
        remembered = self._remembered
        if (kind, name) in remembered:
            return None
        # Taken before, so that many at once cannot slip past, and given back for what there is.
        if not (await self._budget.take(account))[0]:
            raise TooManyUnknown
        if (found := await look()) is not None:
            await self._budget.give_back(account)
            return found
        remembered[kind, name] = None
        if len(remembered) > MAXIMUM_REMEMBERED:
            del remembered[next(iter(remembered))]
        return None

    async def publication(self, account: str, publication_id: int) -> Publication | None:
        """A publication by its number; None if there is none, or known to be none.

        Raises:
            StoreUnavailable: the database would have to be asked, and does not answer.
            TooManyUnknown: the account asked for too many that there are not.
        """
        return await self.find(account, "publication", str(publication_id), lambda: self._current.numbered(publication_id))

    def _forget(self) -> None:
        served, now = self._current.last_known, time.monotonic()
        if served != self._while_served or now >= self._forgotten_at:
            self._while_served, self._forgotten_at, self._remembered = served, now + REMEMBERED_SECONDS, {}
