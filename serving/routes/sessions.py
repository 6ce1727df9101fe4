"""One's own sessions."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter

from serving.answers import tabular
from serving.identity.acting import actor
from serving.identity.changes import Changes
from serving.identity.credentials import Credentials
from serving.identity.roles import Permission, allow
from serving.routes.documented import BEARER, CHANGES, NOT_MODIFIED, also_csv, problems
from serving.schemas.identity import SessionInfo, SessionList
from serving.store.sessions import Session, Sessions

SessionId = Annotated[str, PathParameter(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]

NO_SUCH_SESSION: Final = "There is no open session of this id."


@get(
    "/sessions",
    opt=allow(Permission.OWN),
    security=BEARER,
    operation_class=also_csv(SessionInfo),
    tags=["sessions"],
    summary="List one's sessions",
    description="The open sessions of whoever asks, the latest first. `Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(401, 403, 503),
)
async def list_sessions(request: Request[Any, Any, Any], sessions: NamedDependency[Sessions]) -> Response[SessionList]:
    """List them."""
    return listed_sessions(request, await sessions.sessions(request.user.account_id))


def listed_sessions(request: Request[Any, Any, Any], sessions: Sequence[Session]) -> Response[SessionList]:
    """The answer with these sessions."""
    shown = [SessionInfo.of(each, request.user.session_id) for each in sessions]
    return tabular(request, SessionList(shown), shown, SessionInfo)


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
    await credentials.catch_up()
