"""What most will ask for of a publication, read as soon as it is served.

Belongs here: which reads these are. Does not belong here: who keeps what they find (`shared`).
"""

import asyncio
from typing import Final

import structlog

from serving.current import CurrentPublication
from serving.schemas import Publication
from serving.store.database import StoreUnavailable
from serving.store.lineage import Lineages
from serving.store.models import Models
from serving.store.record import Record
from serving.store.seasons import Seasons

LOOK_SECONDS: Final = 1.0

_log = structlog.get_logger("serving")


class CommonReads:
    """Reads what the pages of leagues, of the record, of models and of the service's state show: one after the other, so that
    readers come first."""

    def __init__(self, current: CurrentPublication, seasons: Seasons, record: Record, models: Models, lineages: Lineages) -> None:
        self._current = current
        self._seasons = seasons
        self._record = record
        self._models = models
        self._lineages = lineages

    async def follow(self) -> None:
        """Do so for ever, once whenever one is published or confirmed."""
        done: Publication | None = None
        while True:
            held = self._current.held
            if held is not None and (served := held.publication) != done:
                try:
                    await self.read(served.publication_id, [each.competition_id for each in held.competitions])
                    done = served
                except StoreUnavailable:
                    pass  # told by readiness
                except Exception as error:  # what cannot be read will be told whoever asks for it
                    done = served
                    _log.error("common_reads_failed", exc_info=error)
            await asyncio.sleep(LOOK_SECONDS)

    async def read(self, publication_id: int, competitions: list[str]) -> None:
        """Read all of it.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        board = await self._record.scoreboard(None, None)
        for information_set in sorted({each.information_set for each in board}):
            await self._record.distances(information_set)
        await self._record.calibration(None)
        await self._record.verification()
        await self._record.last_backup()
        await self._lineages.checks(publication_id)
        await self._models.served()
        for competition_id in competitions:
            season = await self._seasons.latest_season(competition_id)
            if season is not None:
                await self._seasons.table(competition_id, season)
                await self._seasons.outlook(competition_id, season)
