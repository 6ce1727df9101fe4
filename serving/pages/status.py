"""The state of the service and of its data, for people.

Belongs here: which facts are shown, and what to do about those that are not as they should be. Does not belong here: finding
them out (`routes.status` answers the same to machines).
"""

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from serving.current import CurrentPublication
from serving.identity.limits import LoginLimit
from serving.identity.roles import Permission, allow
from serving.pages.site import page
from serving.parts import known
from serving.settings import Settings
from serving.store.lineage import Lineages
from serving.store.record import Record


@get("/status", opt=allow(Permission.READ), include_in_schema=False)
async def status_page(
    *,
    request: Request[Any, Any, Any],
    settings: NamedDependency[Settings],
    current: NamedDependency[CurrentPublication],
    record: NamedDependency[Record],
    lineages: NamedDependency[Lineages],
    logins: NamedDependency[LoginLimit],
) -> Response[Any]:
    """Show how old everything is."""
    held = await current.hold()
    questions: dict[str, Awaitable[Any]] = {"backup": record.last_backup()}
    if held is not None:
        questions["checks"] = lineages.checks(held.publication.publication_id)
    parts, unknown = await known(**questions)
    return page(
        request,
        "status.html",
        twin="/v1/status",
        settings=settings,
        now=datetime.now(UTC),
        served=held and held.publication,
        n_files=len(held.manifest) if held else 0,
        checks=parts.get("checks") or [],
        competitions=held.competitions if held else [],
        backup=parts["backup"],
        unknown=unknown,
        database_answers=current.database_answers,
        redis=await logins.redis_state(),
    )
