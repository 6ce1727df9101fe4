"""Which publication is being served.

Belongs here: how long the answer to that question may be old. Does not belong here: what a publication contains.
"""

import asyncio
import time
from typing import Final

from msgspec.structs import replace

from serving.schemas import Publication
from serving.store.publications import Publications

MAXIMUM_AGE_SECONDS: Final = 1.0


class CurrentPublication:
    """The newest publication, asked of the database at most once in `MAXIMUM_AGE_SECONDS`.

    `last_known` is what was found last, without asking: for labels and gauges, which must not wait for a database.
    In a simulated edition everything is labelled as simulated, whatever a publication says of itself.
    """

    def __init__(self, publications: Publications, is_simulated: bool) -> None:
        self._publications = publications
        self._edition_is_simulated = is_simulated
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self.last_known: Publication | None = None

    async def get(self) -> Publication | None:
        """The newest publication, or None before the first.

        Raises:
            StoreUnavailable: it is time to ask again and the database does not answer.
        """
        if time.monotonic() - self._asked_at > MAXIMUM_AGE_SECONDS:
            # All requests of the moment wait for one question, and share its failure too.
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
            await asyncio.shield(self._asking)
        return self.last_known

    async def numbered(self, publication_id: int) -> Publication | None:
        """An earlier publication, for a reader who is in the middle of it."""
        return self._label(await self._publications.publication(publication_id))

    @property
    def is_simulated(self) -> bool:
        """Whether what is being served must be labelled as simulated."""
        return self._edition_is_simulated or (self.last_known is not None and self.last_known.is_simulated)

    async def _ask(self) -> None:
        self.last_known = self._label(await self._publications.latest_publication())
        self._asked_at = time.monotonic()

    def _label(self, publication: Publication | None) -> Publication | None:
        return replace(publication, is_simulated=True) if publication and self._edition_is_simulated else publication
