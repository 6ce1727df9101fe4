"""Which publication is being served.

Belongs here: noticing a new one and changing over, the earlier ones that readers are in the middle of. Does not belong here:
what a publication contains, how one is announced.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from msgspec.structs import replace

from serving.held import HeldPublication
from serving.schemas import Publication
from serving.store.database import StoreUnavailable, in_time
from serving.store.publications import Publications

MAXIMUM_AGE_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 4.0
"""How long the database may take to say which publication is the newest, and each part of what it says: a frozen one closes no
connection."""

EARLIER_KEPT: Final = 256
EARLIER_AT_ONCE: Final = 4
"""Readers of earlier publications at a time: the other connections are for those who log in."""

Prepare = Callable[[HeldPublication], None]
T = TypeVar("T")

_log = structlog.get_logger("serving")


class CurrentPublication:
    """The publication in force, held in memory: asked of the database every second, and at once when one is announced.

    While the database is away, what was held last is served on. In a simulated edition everything is labelled as simulated,
    whatever a publication says of itself.
    """

    def __init__(self, publications: Publications, is_simulated: bool, prepare: Prepare | None = None) -> None:
        self._publications = publications
        self.earlier = publications
        """Who is asked for the other publications."""
        self._edition_is_simulated = is_simulated
        self._prepare = prepare
        self._asking: asyncio.Task[None] | None = None
        self._earlier: OrderedDict[int, Publication] = OrderedDict()
        self._turns = asyncio.Semaphore(EARLIER_AT_ONCE)
        self.held: HeldPublication | None = None
        self.database_answers = False

    @property
    def last_known(self) -> Publication | None:
        """The head of what is held, without asking: for labels and gauges, which must not wait for a database."""
        return self.held.publication if self.held else None

    @property
    def is_simulated(self) -> bool:
        """Whether what is being served must be labelled as simulated."""
        return self._edition_is_simulated or (self.held is not None and self.held.publication.is_simulated)

    async def get(self) -> Publication | None:
        """The publication being served, or None before the first.

        Raises:
            StoreUnavailable: nothing is held yet, and the database does not answer.
        """
        held = await self.hold()
        return held.publication if held else None

    async def hold(self) -> HeldPublication | None:
        """The same with all that it says. Only as long as nothing is held does a reader wait for the database.

        Raises:
            StoreUnavailable: nothing is held yet, and the database does not answer.
        """
        if self.held is None:
            await self.refresh()
        return self.held

    async def refresh(self) -> None:
        """Ask the database which publication is the newest, and change over to it.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        # All who ask at a moment wait for one question, and share its failure too.
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
            # A failure that nobody waits for any more, for all who did have hung up, is no news.
            self._asking.add_done_callback(lambda asking: asking.cancelled() or asking.exception())
        await asyncio.shield(self._asking)

    async def hear(self) -> None:
        """Know at once which it is, for whoever just changed that: a question that was under way may have been answered before.

        Where the database does not answer, as soon as the other workers do: what was changed stands either way.
        """
        if self._asking is not None:
            await asyncio.wait([self._asking])
        with suppress(StoreUnavailable):
            await self.refresh()

    async def follow(self, announced: Callable[[float], Awaitable[None]]) -> None:
        """Keep up for ever: `announced` waits at most so many seconds, less if a publication is announced meanwhile."""
        while True:
            try:
                await self.refresh()
            except StoreUnavailable:
                pass  # told by readiness, and by the gauge of the publication's age
            except Exception as error:  # a publication that cannot be read must not end the search for the next
                _log.error("publication_not_loaded", exc_info=error)
            await announced(MAXIMUM_AGE_SECONDS)

    async def numbered(self, publication_id: int) -> Publication | None:
        """Another publication than the one being served; None if there is none of the number, which is not remembered here.

        Raises:
            StoreUnavailable: it is not known yet, and the database does not answer.
        """
        if (known := self._earlier.get(publication_id)) is not None:
            return known
        async with self._turns:
            found = self._label(await self.earlier.publication(publication_id))
        if found is not None:
            self._earlier[publication_id] = found
            if len(self._earlier) > EARLIER_KEPT:
                self._earlier.popitem(last=False)
        return found

    async def _ask(self) -> None:
        try:
            newest = self._label(await self._in_time(self._publications.latest_publication()))
            self.database_answers = True
            if newest is None:
                self.held = None
            elif self.held is not None and self.held.publication.publication_id == newest.publication_id:
                self.held.publication = newest  # confirmed since, perhaps
            else:
                held = await HeldPublication.load(self._publications, newest, self._in_time)
                if self._prepare is not None:
                    self._prepare(held)
                self.held = held
        except StoreUnavailable:
            self.database_answers = False
            raise

    async def _in_time(self, question: Coroutine[Any, Any, T]) -> T:
        return await in_time(question, ANSWER_SECONDS)

    def _label(self, publication: Publication | None) -> Publication | None:
        return replace(publication, is_simulated=True) if publication and self._edition_is_simulated else publication
