"""Logging in, staying in, logging out; one's own password."""

from typing import Any

from litestar import Request, post, put
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import JSONBody

from serving.identity.acting import actor, as_account
from serving.identity.bearers import whence
from serving.identity.credentials import Credentials
from serving.identity.limits import OF_AN_ACCOUNT, OF_LOGINS
from serving.identity.login import PasswordLogin, wrong_password
from serving.identity.passwords import PasswordChecker, WeakPassword
from serving.identity.roles import Permission, allow
from serving.identity.sessions import Given, SessionKeeper
from serving.routes.documented import BEARER, problems
from serving.schemas.identity import Login, PasswordChange, Refresh, TokenPair
from serving.store.accounts import Accounts


@post(
    "/auth/token",
    status_code=200,
    opt=allow(Permission.PUBLIC),
    security=[{}],
    tags=["auth"],
    summary="Log in",
    description="Exchanges a user name and password for an access token that is good for 15 minutes, and a refresh token: "
    f"a session, which ends after 30 days at the latest. An account may log in {OF_LOGINS.burst} times in a row, then once in "
    f"{1 / OF_LOGINS.per_second:.0f} seconds, and mistake its password {OF_AN_ACCOUNT.burst} times in a row; beyond, the answer "
    "is 429 with `Retry-After`.",
    responses=problems(400, 401, 413, 429, 503),
)
async def create_token(
    *,
    request: Request[Any, Any, Any],
    data: JSONBody[Login],
    password_login: NamedDependency[PasswordLogin],
    keeper: NamedDependency[SessionKeeper],
) -> TokenPair:
    """Begin a session."""
    account = await password_login.account(request, data.username, data.password)
    return _pair(await keeper.begin(account, as_account(request, account.account_id)))


@post(
    "/auth/refresh",
    status_code=200,
    opt=allow(Permission.PUBLIC),
    security=[{}],
    tags=["auth"],
    summary="Get the next access token",
    description="Exchanges a refresh token for a fresh access token, which ends with the session at the latest, and the next "
    "refresh token. Each is good for one use. Whoever lost the answer may send it again within 10 seconds and gets the same "
    "refresh token; sent again later, someone else has a copy, and the session ends.",
    responses=problems(400, 401, 413, 429, 503),
)
async def refresh_token(
    request: Request[Any, Any, Any], data: JSONBody[Refresh], keeper: NamedDependency[SessionKeeper]
) -> TokenPair:
    """Carry a session on."""
    owner = await keeper.owner(data.refresh_token, whence(request))
    return _pair(await keeper.refresh(data.refresh_token, as_account(request, owner)))


@post(
    "/auth/logout",
    status_code=204,
    opt=allow(Permission.OWN),
    security=BEARER,
    tags=["auth"],
    summary="Log out",
    description="Ends the session of this access token: within a second no worker takes any token of it.",
    responses=problems(401, 403, 503),
)
async def log_out(
    request: Request[Any, Any, Any], keeper: NamedDependency[SessionKeeper], credentials: NamedDependency[Credentials]
) -> None:
    """End the session."""
    await keeper.sessions.end(request.user.account_id, request.user.session_id, actor(request))
    await credentials.hear()


@put(
    "/auth/password",
    status_code=204,
    opt=allow(Permission.OWN),
    security=BEARER,
    tags=["auth"],
    summary="Change one's password",
    description="Takes the password that one has, which counts as an attempt to log in, and the new one: at least 12 characters, "
    "and not a common one. One's other sessions end, within a second on every worker; this one and API keys stay.",
    responses=problems(400, 401, 403, 413, 429, 503),
)
async def change_password(
    *,
    request: Request[Any, Any, Any],
    data: JSONBody[PasswordChange],
    password_login: NamedDependency[PasswordLogin],
    accounts: NamedDependency[Accounts],
    passwords: NamedDependency[PasswordChecker],
    credentials: NamedDependency[Credentials],
) -> None:
    """Change it."""
    account = await password_login.own_account(request, data.password)
    try:
        password_hash = await passwords.hash(data.new_password)
    except WeakPassword as error:
        raise ValidationException(str(error)) from None
    if not await accounts.replace_password(account, password_hash, request.user.session_id, actor(request)):
        raise wrong_password()
    await credentials.hear()


def _pair(given: Given) -> TokenPair:
    return TokenPair(
        access_token=given.access_token,
        token_type="Bearer",  # noqa: S106 - the kind of token, as RFC 6750 names it
        expires_in=int(given.lifetime.total_seconds()),
        refresh_token=given.refresh_token,
    )
