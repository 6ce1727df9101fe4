"""What has been published, as the service reads it.

Belongs here: the queries over the schema `published`. Does not belong here: which publication is being served.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects.postgresql import JSONB

from serving.schemas import Competition, Prediction, PredictionDetail, Publication
from serving.store.database import Reads
from serving.store.tables import pin

PREDICTION_COLUMNS: Final = tuple(name for name in Prediction.__struct_fields__ if name != "is_simulated")


def _published(name: str, columns: tuple[str, ...]) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns), schema="published")


_publication = _published("publication", Publication.__struct_fields__)
_manifest = sa.table("publication", sa.column("publication_id"), sa.column("manifest", JSONB), schema="published")
_competition = _published("competition", ("publication_id", *Competition.__struct_fields__))
_prediction = _published("prediction", PREDICTION_COLUMNS)
_issued = _published("issued_prediction", ("prediction_id", "issued_at"))
_details: tuple[sa.ColumnClause[Any], ...] = tuple(
    sa.column(name, JSONB, _selectable=_prediction) for name in ("book", "explanation")
)


class Filters(Struct, frozen=True, kw_only=True):
    """Which predictions are wanted: kick-off in [since, until), of a competition, with a team (its id or its name).

    Of one information set, or of each match the best informed.
    """

    since: datetime
    until: datetime | None = None
    competition: str | None = None
    team: str | None = None
    information_set: str | None = None


class Publications:
    """The queries."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def latest_publication(self) -> Publication | None:
        """The publication to be served: the newest unless an earlier one is pinned; None before the first."""
        pinned = sa.select(pin.c.publication_id).scalar_subquery()
        newest = sa.select(sa.func.max(_publication.c.publication_id)).scalar_subquery()
        return await self._first_publication(
            sa.select(_publication).where(_publication.c.publication_id == sa.func.coalesce(pinned, newest))
        )

    async def publication(self, publication_id: int) -> Publication | None:
        """A publication by its number."""
        return await self._first_publication(sa.select(_publication).where(_publication.c.publication_id == publication_id))

    async def listed(self, before: int | None, limit: int) -> list[Publication]:
        """At most `limit` publications, the latest first, those before the number `before` if given."""
        query = sa.select(_publication).order_by(_publication.c.publication_id.desc()).limit(limit)
        if before is not None:
            query = query.where(_publication.c.publication_id < before)
        return [Publication(**row) for row in await self._reads.rows(query)]

    async def manifest(self, publication_id: int) -> dict[str, Any]:
        """The raw files of a publication: key to SHA-256."""
        rows = await self._reads.rows(sa.select(_manifest.c.manifest).where(_manifest.c.publication_id == publication_id))
        manifest: dict[str, Any] = rows[0]["manifest"] if rows else {}
        return manifest

    async def competitions(self, publication_id: int) -> list[Competition]:
        """The competitions of a publication, by their id."""
        columns = [_competition.c[name] for name in Competition.__struct_fields__]
        query = sa.select(*columns).where(_competition.c.publication_id == publication_id).order_by(_competition.c.competition_id)
        return [Competition(**row) for row in await self._reads.rows(query)]

    async def predictions(
        self, publication: Publication, filters: Filters, after: tuple[datetime, str] | None, limit: int
    ) -> list[Prediction]:
        """At most `limit` predictions by (kick-off, id), those behind `after` if given."""
        at = _prediction.c
        query = sa.select(_prediction).where(at.publication_id == publication.publication_id, at.kickoff_at >= filters.since)
        if filters.information_set is None:
            query = query.where(at.is_best_informed)
        else:
            query = query.where(at.information_set == filters.information_set)
        if filters.until is not None:
            query = query.where(at.kickoff_at < filters.until)
        if filters.competition is not None:
            query = query.where(at.competition_id == filters.competition)
        if filters.team is not None:
            name = sa.func.lower(filters.team)
            query = query.where(
                sa.or_(
                    at.home_team_id == filters.team,
                    at.away_team_id == filters.team,
                    sa.func.lower(at.home_team) == name,
                    sa.func.lower(at.away_team) == name,
                )
            )
        if after is not None:
            kickoff_at, prediction_id = after
            query = query.where(sa.tuple_(at.kickoff_at, at.prediction_id) > sa.tuple_(kickoff_at, prediction_id))
        rows = await self._reads.rows(query.order_by(at.kickoff_at, at.prediction_id).limit(limit))
        return [Prediction.of(row, publication.is_simulated) for row in rows]

    async def details(self, publication: Publication, batch: int = 100) -> AsyncIterator[list[PredictionDetail]]:
        """All predictions of a publication with all they say, by their id, at most `batch` at a time."""
        at = _prediction.c
        after = ""
        while True:
            query = (
                sa.select(_prediction, *_details)
                .where(at.publication_id == publication.publication_id, at.prediction_id > after)
                .order_by(at.prediction_id)
                .limit(batch)
            )
            rows = await self._reads.rows(query)
            yield [PredictionDetail.of(row, publication.is_simulated) for row in rows]
            if len(rows) < batch:
                return
            after = rows[-1]["prediction_id"]

    async def first_with(self, prediction_id: str) -> int | None:
        """The number of the first publication behind a prediction's issue: what is issued is published by the same run.

        None if no prediction of this id was ever issued, or nothing was published since.
        """
        issued_at = sa.select(_issued.c.issued_at).where(_issued.c.prediction_id == prediction_id).scalar_subquery()
        first = sa.select(sa.func.min(_publication.c.publication_id).label("number")).where(
            _publication.c.published_at >= issued_at
        )
        number: int | None = (await self._reads.rows(first))[0]["number"]
        return number

    async def prediction(self, publication: Publication, prediction_id: str) -> PredictionDetail | None:
        """What a publication says in the prediction of this id; None if it has none."""
        at = _prediction.c
        query = sa.select(_prediction, *_details).where(
            at.publication_id == publication.publication_id, at.prediction_id == prediction_id
        )
        rows = await self._reads.rows(query)
        return PredictionDetail.of(rows[0], publication.is_simulated) if rows else None

    async def _first_publication(self, query: sa.Select[Any]) -> Publication | None:
        rows = await self._reads.rows(query)
        return Publication(**rows[0]) if rows else None
