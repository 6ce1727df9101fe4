"""Everybody's accounts, sessions and keys, for administrators."""

from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, NotFoundException, ValidationException
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import UNSET

from serving.answers import cacheable, to_json
from serving.identity.acting import actor
from serving.identity.changes import Changes
from serving.identity.credentials import Credentials
from serving.identity.passwords import PasswordChecker, WeakPassword
from serving.identity.roles import Permission, allow
from serving.routes.documented import BEARER, CHANGES, NOT_MODIFIED, also_csv, problems
from serving.routes.keys import NO_SUCH_KEY, KeyId, listed_keys
from serving.routes.paging import MAXIMUM_LIMIT, TEXT, after, next_cursor, page
from serving.routes.sessions import NO_SUCH_SESSION, Cursor, Limit, SessionId, listed_sessions
from serving.schemas.identity import KeyInfo, KeyList, NewUser, SessionInfo, SessionList, User, UserChange, UserPage
from serving.store.accounts import Accounts
from serving.store.keys import Keys
from serving.store.sessions import Sessions

UserId = Annotated[int, PathParameter(ge=1, le=2**63 - 1)]

NO_SUCH_USER: Final = "There is no account of this number."


@get(
    "/users",
    opt=allow(Permission.ADMINISTER),
    security=BEARER,
    operation_class=also_csv(User),
    tags=["users"],
    summary="List the accounts",
    description="By name. `Accept: text/csv` gives CSV; the header `Link` then leads to the next page.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 503),
)
async def list_users(
    *,
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    search: Annotated[
        str | None, QueryParameter(max_length=100, pattern=TEXT, description="A part of the name, in any case.")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAXIMUM_LIMIT, description="At most so many.")] = 50,
    cursor: Annotated[str | None, QueryParameter(max_length=600, description="`next_cursor` of the page before.")] = None,
) -> Response[UserPage]:
    """Answer with one page of accounts."""
    filters = {"search": search}
    position = after(cursor, filters)
    found = await accounts.accounts(position.id if position else "", limit + 1, search)
    shown = [User.of(each) for each in found[:limit]]
    answer = UserPage(shown, next_cursor(filters, None, shown[-1].username) if len(found) > limit else None)
    return page(request, answer, shown, User, filters, limit)


@post(
    "/users",
    opt=allow(Permission.ADMINISTER),
    security=BEARER,
    tags=["users"],
    summary="Make an account",
    description="With a password of at least 12 characters that is not a common one.",
    responses=problems(400, 401, 403, 409, 413, 429, 503),
)
async def create_user(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    passwords: NamedDependency[PasswordChecker],
    data: JSONBody[NewUser],
) -> User:
    """Make one."""
    try:
        password_hash = await passwords.hash(data.password)
    except WeakPassword as error:
        raise ValidationException(str(error)) from None
    account = await accounts.create_account(data.username, password_hash, data.role, actor(request))
    if account is None:
        raise ClientException("There is an account of this name already.", status_code=409)
    return User.of(account)


@get(
    "/users/{user_id:int}",
    opt=allow(Permission.ADMINISTER),
    security=BEARER,
    tags=["users"],
    summary="Get one account",
    description="An account by its number.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def get_user(request: Request[Any, Any, Any], accounts: NamedDependency[Accounts], user_id: UserId) -> Response[User]:
    """Answer with one account."""
    if (account := await accounts.numbered(user_id)) is None:
        raise NotFoundException(NO_SUCH_USER)
    return cacheable(request, to_json(User.of(account)))


@patch(
    "/users/{user_id:int}",
    opt=allow(Permission.ADMINISTER),
    security=BEARER,
    tags=["users"],
    summary="Change an account",
    description="Give it another role, disable it or enable it again. Its sessions end; its keys are good for what its new role "
    "grants, and for nothing while it is disabled: within a second on every worker. One's own account cannot be changed.",
    responses=problems(400, 401, 403, 404, 409, 413, 503),
)
async def change_user(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    credentials: NamedDependency[Credentials],
    data: JSONBody[UserChange],
    user_id: UserId,
) -> User:
    """Change one."""
    if user_id == request.user.account_id:  # or nobody might be left who can undo it
        raise ClientException("Your own account can only be changed by another administrator.", status_code=409)
    changed = await accounts.change(
        user_id,
        actor(request),
        role=None if data.role is UNSET else data.role,
        is_disabled=None if data.is_disabled is UNSET else data.is_disabled,
    )
    if changed is None:
        raise NotFoundException(NO_SUCH_USER)
    await credentials.hear()
    return User.of(changed)


@get(
    "/users/{user_id:int}/sessions",
    opt=allow(Permission.ADMINISTER),
    security=BEARER,
    operation_class=also_csv(SessionInfo),
    tags=["users"],
    summary="List the sessions of an account",
    description="The open ones, the latest first; none of an account that does not exist. `Accept: text/csv` gives CSV; the "
    "header `Link` then leads to the next page.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def list_sessions_of_user(
    *,
    request: Request[Any, Any, Any],
    sessions: NamedDependency[Sessions],
    user_id: UserId,
    limit: Limit = MAXIMUM_LIMIT,
    cursor: Cursor = None,
) -> Response[SessionList]:
    """List them."""
    return await listed_sessions(request, sessions, user_id, limit, cursor)


@delete(
    "/users/{user_id:int}/sessions/{session_id:str}",
    opt=allow(Permission.ADMINISTER),
    security=BEARER,
    tags=["users"],
    summary="End a session of an account",
    description=f"Within a second no worker takes a token or the cookie of it. {CHANGES}",
    responses=problems(400, 401, 403, 404, 503),
)
async def end_session_of_user(
    request: Request[Any, Any, Any],
    sessions: NamedDependency[Sessions],
    credentials: NamedDependency[Credentials],
    changes: NamedDependency[Changes],
    user_id: UserId,
    session_id: SessionId,
) -> None:
    """End it."""
    await changes.count(request.user)
    if not await sessions.end(user_id, session_id, actor(request)):
        raise NotFoundException(NO_SUCH_SESSION)
    await credentials.hear()


@get(
    "/users/{user_id:int}/keys",
    opt=allow(Permission.ADMINISTER),
    security=BEARER,
    operation_class=also_csv(KeyInfo),
    tags=["users"],
    summary="List the API keys of an account",
    description="Those that are good, the latest first; none of an account that does not exist. `Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def list_keys_of_user(request: Request[Any, Any, Any], keys: NamedDependency[Keys], user_id: UserId) -> Response[KeyList]:
    """List them."""
    return listed_keys(request, await keys.keys(user_id))


@delete(
    "/users/{user_id:int}/keys/{key_id:str}",
    opt=allow(Permission.ADMINISTER),
    security=BEARER,
    tags=["users"],
    summary="Revoke an API key of an account",
    description=f"Within a second no worker takes it. {CHANGES}",
    responses=problems(400, 401, 403, 404, 503),
)
async def revoke_key_of_user(
    request: Request[Any, Any, Any],
    keys: NamedDependency[Keys],
    credentials: NamedDependency[Credentials],
    changes: NamedDependency[Changes],
    user_id: UserId,
    key_id: KeyId,
) -> None:
    """Revoke it."""
    await changes.count(request.user)
    if not await keys.revoke(user_id, key_id, actor(request)):
        raise NotFoundException(NO_SUCH_KEY)
    await credentials.hear()
