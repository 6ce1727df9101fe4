"""Predictions that are no longer served.

Belongs here: telling them as they were published first, and how often the database may be asked for one. Does not belong here:
those of the publication being served (`held`), HTTP.
"""

import re
from typing import Final

from serving.current import CurrentPublication
from serving.identity.buckets import Buckets, Rate
from serving.schemas import PredictionDetail
from serving.store.publications import Publications

ID: Final = re.compile(r"[0-9a-f]{32}")
"""What the ledger's ids look like: half a SHA-256."""

BUDGET: Final = Rate(per_second=20, burst=40)
"""How often each worker asks the database, whoever wants to know."""

MAXIMUM_UNKNOWN: Final = 10_000


class TooManyAsk(Exception):
    """The database was asked as often as it may be."""


class Earlier:
    """Finds them, and remembers until the next publication which ids there are none of."""

    def __init__(self, publications: Publications, current: CurrentPublication) -> None:
        self._publications = publications
        self._current = current
        self._budget = Buckets(None, "earlier", BUDGET)
        self._unknown: dict[str, None] = {}  # the first that was asked for first
        self._while_served = 0

    async def find(self, prediction_id: str, while_served: int) -> PredictionDetail | None:
        """A prediction that the publication of the number `while_served` does not have; None if none of this id was published.

        Raises:
            StoreUnavailable: the database would have to be asked, and does not answer.
            TooManyAsk: it would have to be asked, and has been too often.
        """
        if ID.fullmatch(prediction_id) is None:
            return None
        if while_served != self._while_served:
            self._while_served, self._unknown = while_served, {}
        unknown = self._unknown
        if prediction_id in unknown:
            return None
        if not (await self._budget.take(""))[0]:
            raise TooManyAsk
        number = await self._publications.first_with(prediction_id)
        publication = None if number is None else await self._current.numbered(number)
        found = None if publication is None else await self._publications.prediction(publication, prediction_id)
        if found is None:
            unknown[prediction_id] = None
            if len(unknown) > MAXIMUM_UNKNOWN:
                del unknown[next(iter(unknown))]
        return found
