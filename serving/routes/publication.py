"""The publication being served."""

from datetime import UTC, datetime

from litestar import get
from litestar.di import NamedDependency
from msgspec.structs import asdict

from serving.current import CurrentPublication
from serving.held import HeldPublication
from serving.identity.roles import Permission, allow
from serving.problems import NoPublication
from serving.routes.documented import BEARER, problems
from serving.schemas import ManifestAnswer, ManifestSummary, PublicationAnswer
from serving.settings import Settings


@get(
    "/publication",
    opt=allow(Permission.READ),
    security=BEARER,
    tags=["publication"],
    summary="Get the current publication",
    description="Which publication is being served, how old it is, and what it rests on.",
    responses=problems(401, 403, 404, 503),
)
async def get_publication(settings: NamedDependency[Settings], current: NamedDependency[CurrentPublication]) -> PublicationAnswer:
    """Answer with the publication being served."""
    held = await _served(current)
    publication = held.publication
    now = datetime.now(UTC)
    return PublicationAnswer(
        **asdict(publication),
        edition=settings.edition,
        age_seconds=round((now - publication.published_at).total_seconds(), 3),
        confirmed_age_seconds=round((now - publication.confirmed_at).total_seconds(), 3),
        manifest=ManifestSummary(n_files=len(held.manifest)),
    )


@get(
    "/publication/manifest",
    opt=allow(Permission.OPERATE),
    security=BEARER,
    tags=["publication"],
    summary="Get the manifest of the current publication",
    description="Every raw file the publication rests on, with the SHA-256 of its bytes. For operators.",
    responses=problems(401, 403, 404, 503),
)
async def get_manifest(current: NamedDependency[CurrentPublication]) -> ManifestAnswer:
    """Answer with the raw files behind the publication."""
    held = await _served(current)
    return ManifestAnswer(
        is_simulated=held.publication.is_simulated,
        publication_id=held.publication.publication_id,
        manifest=held.manifest,
    )


async def _served(current: CurrentPublication) -> HeldPublication:
    if (held := await current.hold()) is None:
        raise NoPublication
    return held
