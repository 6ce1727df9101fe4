"""Predictions that are no longer served.

Belongs here: telling them as they were published first. Does not belong here: those of the publication being served (`held`),
HTTP.
"""

import re
from typing import Final

from serving.current import CurrentPublication
from serving.schemas import PredictionDetail
from serving.store.publications import Publications
from serving.unknown import Unknown

ID: Final = re.compile(r"[0-9a-f]{32}")
"""What the ledger's ids look like: half a SHA-256."""


class Earlier:
    """Finds them in the database."""

    def __init__(self, publications: Publications, current: CurrentPublication, unknown: Unknown) -> None:
        self._publications = publications
        self._current = current
        self._unknown = unknown

    async def find(self, account: str, prediction_id: str) -> PredictionDetail | None:
        """A prediction that the publication being served does not have; None if none of this id was published.

        Raises:
            StoreUnavailable: the database would have to be asked, and does not answer.
            TooManyUnknown: the account asked for too many that there are not.
        """
        if ID.fullmatch(prediction_id) is None:
            return None
        return await self._unknown.find(account, "prediction", prediction_id, lambda: self._first_published(prediction_id))

    async def _first_published(self, prediction_id: str) -> PredictionDetail | None:
        number = await self._publications.first_with(prediction_id)
        publication = None if number is None else await self._current.numbered(number)
        return None if publication is None else await self._publications.prediction(publication, prediction_id)
