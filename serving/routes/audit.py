"""The audit, for those who answer for the service."""

from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import QueryParameter

from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.routes.documented import BEARER, NOT_MODIFIED, also_csv, problems
from serving.routes.paging import MAXIMUM_LIMIT, NUMBER, TEXT, after, next_cursor, page
from serving.routes.predictions import period
from serving.schemas.audit import AuditEntry, AuditPage
from serving.store.audit import Audit, AuditFilters

TO_AUDIT: Final = Permission.ADMINISTER


@get(
    "/audit",
    opt=allow(TO_AUDIT),
    security=BEARER,
    operation_class=also_csv(AuditEntry),
    tags=["audit"],
    summary="List the audit",
    description="Every write of the service, the latest first: who, what, when, from where, and what was there before and after. "
    "Each row is linked to the one before it; `football audit verify` computes all links anew. `Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 422, 503),
)
async def list_audit(
    *,
    request: Request[Any, Any, Any],
    audit: NamedDependency[Audit],
    current: NamedDependency[CurrentPublication],
    actor: Annotated[str | None, QueryParameter(max_length=200, pattern=TEXT, description="Who, e.g. `account:7`.")] = None,
    action: Annotated[str | None, QueryParameter(max_length=100, pattern=TEXT, description="E.g. `publication.pin`.")] = None,
    what: Annotated[
        str | None, QueryParameter(name="object", max_length=200, pattern=TEXT, description="E.g. `publication/41`.")
    ] = None,
    since: Annotated[
        str | None, QueryParameter(name="from", max_length=40, description="First moment: a day (UTC) or an instant.")
    ] = None,
    until: Annotated[
        str | None,
        QueryParameter(name="to", max_length=40, description="Last moment: a day (UTC), inclusive, or an instant, exclusive."),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAXIMUM_LIMIT, description="At most so many.")] = 50,
    cursor: Annotated[
        str | None, QueryParameter(max_length=600, description="`next_cursor` of the page before, with the same filters.")
    ] = None,
) -> Response[AuditPage]:
    """Answer with one page of the audit."""
    filters = {"actor": actor, "action": action, "object": what, "from": since, "to": until}
    position = after(cursor, filters)
    if position is not None and not NUMBER.fullmatch(position.id):
        raise ValidationException("This cursor is not one that the service gave out.")
    first, last = period(since, until)
    wanted = AuditFilters(actor=actor, action=action, object=what, since=first, until=last)
    found = await audit.entries(wanted, int(position.id) if position else None, limit + 1)
    shown = found[:limit]
    answer = AuditPage(
        is_simulated=current.is_simulated,
        entries=shown,
        next_cursor=next_cursor(filters, None, str(shown[-1].sequence)) if len(found) > limit else None,
    )
    return page(request, answer, shown, AuditEntry, filters, limit)
