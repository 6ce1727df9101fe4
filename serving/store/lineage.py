"""Lineage: what stands behind a prediction.

Belongs here: following one prediction from the ledger to its publication, its model and its basis, each by a key.
"""

import math
import struct
from typing import Any

import sqlalchemy as sa
from msgspec import convert

from serving.schemas.lineage import Basis, CheckResult, FirstPublished, LedgerEntry, Outline, Transformation
from serving.store.database import Reads


class Lineages:
    """The queries."""

    def __init__(self, reads: Reads, common: Reads | None = None) -> None:
        """`common` answers what the checks said of the publication being served (default: `reads`)."""
        self._reads = reads
        self._common = reads if common is None else common

    async def entry(self, prediction_id: str) -> tuple[LedgerEntry, str, int] | None:
        """Where a prediction stands in the ledger, with the name and version of its model; None if it does not."""
        query = "select * from published.issued_prediction where prediction_id = :prediction_id"
        rows = await self._rows(query, prediction_id=prediction_id)
        if not rows:
            return None
        row = rows[0]
        entry = LedgerEntry(**{name: row[name] for name in LedgerEntry.__struct_fields__})
        return entry, row["model_name"], row["model_version"]

    async def first_published(self, prediction_id: str, entry: LedgerEntry) -> FirstPublished | None:
        """The first publication behind the issue, if it has the prediction: what is issued is published by the same run."""
        query = """
            select publication_id, published_at, git_revision, manifest as files
            from published.publication
            where publication_id = (
                select min(publication_id) from published.publication where published_at >= :issued_at
            )
            and exists (
                select from published.prediction as p
                where p.publication_id = publication.publication_id and p.prediction_id = :prediction_id
            )
        """
        rows = await self._rows(query, prediction_id=prediction_id, issued_at=entry.issued_at)
        if not rows:
            return None
        publication_id = rows[0]["publication_id"]
        transformation, checks = await self._transformation(publication_id), await self._checks(self._reads, publication_id)
        return FirstPublished(**rows[0], transformation=transformation, checks=checks)

    async def outline(self, prediction_id: str) -> Outline | None:
        """How long the way of a prediction is, from the ledger back to the files; None if the ledger does not have it."""
        query = """
            select
                said.sequence, publication.publication_id, published_at,
                (select jsonb_array_length(models) from published.transformation as t
                 where t.publication_id = publication.publication_id) as n_models,
                (select count(*) from published.check_result as c
                 where c.publication_id = publication.publication_id) as n_checks,
                (select count(*) from published.check_result as c
                 where c.publication_id = publication.publication_id and passed) as n_passed,
                (select count(*) from jsonb_object_keys(manifest)) as n_files
            from published.issued_prediction as said
            left join published.publication on publication_id = (
                select min(publication_id) from published.publication where published_at >= said.issued_at
            )
            and exists (
                select from published.prediction as p
                where p.publication_id = publication.publication_id and p.prediction_id = said.prediction_id
            )
            where said.prediction_id = :prediction_id
        """
        rows = await self._rows(query, prediction_id=prediction_id)
        return Outline(**rows[0]) if rows else None

    async def _transformation(self, publication_id: int) -> Transformation | None:
        query = "select project_sha256, models from published.transformation where publication_id = :publication_id"
        rows = await self._rows(query, publication_id=publication_id)
        return convert(rows[0], Transformation) if rows else None

    async def checks(self, publication_id: int) -> list[CheckResult]:
        """What the checks of the run said that made the publication being served: those that found something first."""
        return await self._checks(self._common, publication_id)

    async def _checks(self, reads: Reads, publication_id: int) -> list[CheckResult]:
        query = """
            select asset, name, passed, is_blocking, description, checked_at
            from published.check_result where publication_id = :publication_id order by passed, asset, name
        """
        statement = sa.text(query).bindparams(publication_id=publication_id)
        return [CheckResult(**row) for row in await reads.rows(statement)]

    async def features(self, prediction_id: str) -> dict[str, float | None] | None:
        """What the model saw, None for what was not known; None where the row was not kept."""
        query = "select names, content from published.feature_row where prediction_id = :prediction_id"
        rows = await self._rows(query, prediction_id=prediction_id)
        if not rows:
            return None
        names, content = rows[0]["names"], rows[0]["content"]
        values = struct.unpack(f"<{len(names)}d", content)
        return {name: value if math.isfinite(value) else None for name, value in zip(names, values, strict=True)}

    async def basis(self, entry: LedgerEntry) -> Basis | None:
        """What the issue rests on; None where that was not noted."""
        query = """
            select data_cutoff, through_file_id, files_sha256, git_revision, platform, lock_sha256
            from published.issue where :sequence between first_sequence and last_sequence
        """
        rows = await self._rows(query, sequence=entry.sequence)
        return Basis(**rows[0]) if rows else None

    async def _rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        return await self._reads.rows(sa.text(query).bindparams(**values))
