"""The publication being served."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from msgspec.structs import asdict, replace

from serving.answers import cacheable, tabular, to_json
from serving.current import CurrentPublication
from serving.held import HeldPublication
from serving.identity.roles import Permission, allow
from serving.problems import NoPublication
from serving.routes.documented import BEARER, NOT_MODIFIED, also_csv, problems
from serving.schemas import ManifestAnswer, ManifestSummary, PublicationAnswer
from serving.schemas.lineage import CheckResult, ChecksAnswer
from serving.settings import Settings
from serving.store.lineage import Lineages


@get(
    "/publication",
    opt=allow(Permission.READ),
    security=BEARER,
    tags=["publication"],
    summary="Get the current publication",
    description="Which publication is being served, how old it is, and what it rests on. Its `ETag` is a weak one: it stands for "
    "the publication and its confirmation, so after 304 the ages are to be reckoned from `published_at` and `confirmed_at`.",
    responses=NOT_MODIFIED | problems(401, 403, 404, 503),
)
async def get_publication(
    request: Request[Any, Any, Any], settings: NamedDependency[Settings], current: NamedDependency[CurrentPublication]
) -> Response[PublicationAnswer]:
    """Answer with the publication being served."""
    held = await _served(current)
    publication = held.publication
    now = datetime.now(UTC)
    answer = PublicationAnswer(
        **asdict(publication),
        edition=settings.edition,
        age_seconds=round((now - publication.published_at).total_seconds(), 3),
        confirmed_age_seconds=round((now - publication.confirmed_at).total_seconds(), 3),
        manifest=ManifestSummary(n_files=len(held.manifest)),
    )
    return cacheable(request, to_json(answer), meaning=to_json(replace(answer, age_seconds=0.0, confirmed_age_seconds=0.0)))


@get(
    "/publication/manifest",
    opt=allow(Permission.OPERATE),
    security=BEARER,
    tags=["publication"],
    summary="Get the manifest of the current publication",
    description="Every raw file the publication rests on, with the SHA-256 of its bytes. For operators.",
    responses=NOT_MODIFIED | problems(401, 403, 404, 503),
)
async def get_manifest(request: Request[Any, Any, Any], current: NamedDependency[CurrentPublication]) -> Response[ManifestAnswer]:
    """Answer with the raw files behind the publication."""
    held = await _served(current)
    answer = ManifestAnswer(
        is_simulated=held.publication.is_simulated,
        publication_id=held.publication.publication_id,
        manifest=held.manifest,
    )
    return cacheable(request, to_json(answer))


@get(
    "/publication/checks",
    opt=allow(Permission.READ),
    security=BEARER,
    operation_class=also_csv(CheckResult),
    tags=["publication"],
    summary="Get what the checks said of the current publication",
    description="Each check of the tables behind the publication, in the last run that made or confirmed it: dbt's tests, the "
    "expectations, that every line is accounted for. Those that found something come first. `Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(401, 403, 404, 503),
)
async def get_checks(
    request: Request[Any, Any, Any], current: NamedDependency[CurrentPublication], lineages: NamedDependency[Lineages]
) -> Response[ChecksAnswer]:
    """Answer with the checks."""
    publication = (await _served(current)).publication
    checks = await lineages.checks(publication.publication_id)
    answer = ChecksAnswer(is_simulated=publication.is_simulated, publication_id=publication.publication_id, checks=checks)
    return tabular(request, answer, checks, CheckResult)


async def _served(current: CurrentPublication) -> HeldPublication:
    if (held := await current.hold()) is None:
        raise NoPublication
    return held
