"""The models: which are served, and what was decided.

Belongs here: the queries over `published.model` and `published.model_evidence`.
"""

from typing import Any

import msgspec
import sqlalchemy as sa

from serving.schemas.models import Decision, Evidence, ModelVersion, ServedModel
from serving.store.database import Reads


class Models:
    """The queries."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def served(self) -> list[ServedModel]:
        """The champion of each information set, why it is one, and what last stood against it."""
        query = """
            select
                m.*, to_jsonb(promotion) - 'figures' as promotion, to_jsonb(challenger) - 'figures' as challenger
            from published.model as m
            left join lateral (
                select * from published.model_evidence as e
                where e.model_name = m.model_name and e.model_version = m.model_version and e.decision = 'promoted'
                order by evidence_id desc limit 1
            ) as promotion on true
            left join lateral (
                select * from published.model_evidence as e
                where e.model_name = m.model_name and e.decision <> 'promoted' and e.evidence_id > promotion.evidence_id
                order by evidence_id desc limit 1
            ) as challenger on true
            where m.is_champion
            order by m.information_set, m.model_name
        """
        return [
            ServedModel(
                champion=_of(ModelVersion, row),
                promotion=_decision(row["promotion"]),
                challenger=_decision(row["challenger"]),
            )
            for row in await self._rows(query)
        ]

    async def version(self, model_name: str, model_version: int) -> ModelVersion | None:
        """One version of a model; None where it never was served."""
        query = "select * from published.model where model_name = :name and model_version = :version"
        rows = await self._rows(query, name=model_name, version=model_version)
        return _of(ModelVersion, rows[0]) if rows else None

    async def evidence(self, model_name: str) -> list[Evidence] | None:
        """What was decided of the versions of a model, the latest first; None if nothing ever was."""
        query = "select * from published.model_evidence where model_name = :name order by evidence_id desc"
        return [_of(Evidence, row) for row in await self._rows(query, name=model_name)] or None

    async def _rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        return await self._reads.rows(sa.text(query).bindparams(**values))


def _of(kind: Any, row: dict[str, Any]) -> Any:
    return kind(**{name: row[name] for name in kind.__struct_fields__})


def _decision(row: dict[str, Any] | None) -> Decision | None:
    return None if row is None else msgspec.convert(row, Decision)
