"""What is answered about the models: which is served, what was decided of others, and why."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct, structs


class ModelVersion(Struct, frozen=True, kw_only=True):
    """A registered model that is, or was, served."""

    model_name: str
    model_version: int
    information_set: Annotated[str, Meta(description="What it is allowed to know: results, history or market.")]
    recipe: str | None
    registry_run_id: Annotated[str | None, Meta(description="Of its training, in the model registry.")]
    git_revision: Annotated[str | None, Meta(description="Of the code that made it.")]
    data_sha256: Annotated[str | None, Meta(description="Of what it learnt from.")]
    features_sha256: Annotated[str | None, Meta(description="Of the names of its features.")]
    is_champion: bool


class Decision(Struct, frozen=True, kw_only=True):
    """What was decided of a challenger, and why."""

    model_name: str
    model_version: int
    decided_at: datetime
    decision: Annotated[str, Meta(description="promoted or kept_champion.")]
    reasons: list[str]


class Evidence(Decision, frozen=True, kw_only=True):
    """A decision with the figures it rests on."""

    figures: Annotated[dict[str, Any], Meta(description="Scores of challenger, champion and market on the same matches.")]


class ServedModel(Struct, frozen=True, kw_only=True):
    """What is served of an information set, and what last stood against it."""

    champion: ModelVersion
    promotion: Annotated[Decision | None, Meta(description="Why it is champion; null where that was decided before it was kept.")]
    challenger: Annotated[Decision | None, Meta(description="The last model since that was not promoted; null if none was made.")]


class ServedModelRow(ModelVersion, frozen=True, kw_only=True):
    """A champion as a line of CSV: since when it is one, and what last stood against it; empty where that is not known."""

    promoted_at: datetime | None
    challenger_version: int | None
    challenger_decided_at: datetime | None

    @classmethod
    def of(cls, model: ServedModel) -> "ServedModelRow":
        """The line of a model."""
        promotion, challenger = model.promotion, model.challenger
        return cls(
            **structs.asdict(model.champion),
            promoted_at=promotion.decided_at if promotion else None,
            challenger_version=challenger.model_version if challenger else None,
            challenger_decided_at=challenger.decided_at if challenger else None,
        )


class ModelsAnswer(Struct, frozen=True, kw_only=True):
    """The models being served, one for each information set."""

    is_simulated: bool
    models: list[ServedModel]


class EvidenceAnswer(Struct, frozen=True, kw_only=True):
    """All that was ever decided of the versions of a model, the latest first."""

    is_simulated: bool
    model_name: str
    evidence: list[Evidence]
