"""One's own sessions."""

from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter, QueryParameter

from serving.identity.acting import actor
from serving.identity.changes import Changes
from serving.identity.credentials import Credentials
from serving.identity.roles import Permission, allow
from serving.routes.documented import BEARER, CHANGES, NOT_MODIFIED, also_csv, problems
from serving.routes.paging import MAXIMUM_LIMIT, moment_after, next_cursor, page
from serving.schemas.identity import SessionInfo, SessionList
from serving.store.sessions import Sessions

SessionId = Annotated[str, PathParameter(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]

# As many by default as there can be on a page: who does not look for a next one gets what such a list always held.
Limit = Annotated[int, QueryParameter(ge=1, le=MAXIMUM_LIMIT, description="At most so many.")]
Cursor = Annotated[str | None, QueryParameter(max_length=600, description="`next_cursor` of the page before.")]

NO_SUCH_SESSION: Final = "There is no open session of this id."


@get(
    "/sessions",
    opt=allow(Permission.OWN),
    security=BEARER,
    operation_class=also_csv(SessionInfo),
    tags=["sessions"],
    summary="List one's sessions",
    description="The open sessions of whoever asks, the latest first. `Accept: text/csv` gives CSV; the header `Link` then leads "
    "to the next page.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 503),
)
async def list_sessions(
    request: Request[Any, Any, Any], sessions: NamedDependency[Sessions], limit: Limit = MAXIMUM_LIMIT, cursor: Cursor = None
) -> Response[SessionList]:
    """List them."""
    return await listed_sessions(request, sessions, request.user.account_id, limit, cursor)


async def listed_sessions(
    request: Request[Any, Any, Any], sessions: Sessions, account_id: int, limit: int, cursor: str | None
) -> Response[SessionList]:
    """The answer with one page of an account's sessions."""
    found = await sessions.sessions(account_id, moment_after(cursor, {}), limit + 1)
    shown = [SessionInfo.of(each, request.user.session_id) for each in found[:limit]]
    behind = next_cursor({}, shown[-1].created_at, shown[-1].session_id) if len(found) > limit else None
    answer = SessionList(shown, behind)
    return page(request, answer, shown, SessionInfo, {}, limit)


@delete(
    "/sessions/{session_id:str}",
    opt=allow(Permission.OWN),
    security=BEARER,
    tags=["sessions"],
    summary="End one of one's sessions",
    description=f"Within a second no worker takes a token or the cookie of it. {CHANGES}",
    responses=problems(400, 401, 403, 404, 503),
)
async def end_session(
    request: Request[Any, Any, Any],
    sessions: NamedDependency[Sessions],
    credentials: NamedDependency[Credentials],
    changes: NamedDependency[Changes],
    session_id: SessionId,
) -> None:
    """End it."""
    await changes.count(request.user)
    if not await sessions.end(request.user.account_id, session_id, actor(request)):
        raise NotFoundException(NO_SUCH_SESSION)
    await credentials.hear()
