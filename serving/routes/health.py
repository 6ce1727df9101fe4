"""Whether the process lives, and whether it can do its work."""

from datetime import UTC, datetime

from litestar import get
from litestar.di import NamedDependency

from serving.current import CurrentPublication
from serving.identity.limits import LoginLimit
from serving.identity.roles import Permission, allow
from serving.routes.documented import problems
from serving.schemas import Liveness, Readiness


@get(
    "/health/live",
    opt=allow(Permission.PUBLIC),
    security=[{}],
    tags=["health"],
    summary="Is the process alive?",
    description="Asks nothing of the database or Redis: a restart would not help them.",
    responses=problems(),
)
async def live() -> Liveness:
    """Answer."""
    return Liveness("alive")


@get(
    "/health/ready",
    opt=allow(Permission.PUBLIC),
    security=[{}],
    tags=["health"],
    summary="Can the service answer?",
    description="503 while nothing can be answered. `degraded` before the first publication, without Redis, and without the "
    "database: then the last publication is served on, and nobody can log in.",
    responses=problems(503),
)
async def ready(current: NamedDependency[CurrentPublication], logins: NamedDependency[LoginLimit]) -> Readiness:
    """Ask Redis, and say what was last heard of the database."""
    publication = await current.get()
    redis = await logins.redis_state()
    now = datetime.now(UTC)
    return Readiness(
        status="ready" if publication and redis != "down" and current.database_answers else "degraded",
        database="up" if current.database_answers else "down",
        redis=redis,
        is_simulated=current.is_simulated,
        publication_id=publication.publication_id if publication else None,
        publication_age_seconds=round((now - publication.published_at).total_seconds(), 3) if publication else None,
        confirmed_age_seconds=round((now - publication.confirmed_at).total_seconds(), 3) if publication else None,
    )
