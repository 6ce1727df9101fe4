"""Logging in."""

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.exceptions import NotAuthorizedException, TooManyRequestsException
from litestar.params import JSONBody

from serving.identity.limits import LoginLimit
from serving.identity.passwords import PasswordChecker
from serving.identity.roles import Permission, Role, allow
from serving.identity.tokens import CHALLENGE, TOKEN_LIFETIME, Tokens
from serving.routes.documented import problems
from serving.schemas import AccessToken, Login
from serving.store.accounts import Accounts
from serving.telemetry import Metrics


@post(
    "/auth/token",
    status_code=200,
    opt=allow(Permission.PUBLIC),
    security=[{}],
    tags=["auth"],
    summary="Log in",
    description="Exchanges a user name and password for an access token that is good for 15 minutes.",
    responses=problems(400, 401, 413, 429, 503),
)
async def create_token(
    *,
    request: Request[Any, Any, Any],
    data: JSONBody[Login],
    accounts: NamedDependency[Accounts],
    passwords: NamedDependency[PasswordChecker],
    logins: NamedDependency[LoginLimit],
    tokens: NamedDependency[Tokens],
    metrics: NamedDependency[Metrics],
) -> AccessToken:
    """Issue an access token."""
    address = request.client.host if request.client else ""
    if not await logins.take(data.username, address):
        metrics.logins.labels("limited").inc()
        raise TooManyRequestsException(
            "Too many attempts to log in. Try again later.", headers={"Retry-After": str(logins.seconds_left())}
        )
    account = await accounts.account(data.username)
    enabled = account if account is not None and account.disabled_at is None else None
    matches = await passwords.check(enabled.password_hash if enabled else None, data.password)
    if enabled is None or not matches:
        metrics.logins.labels("refused").inc()
        raise NotAuthorizedException("Wrong user name or password.", headers=CHALLENGE)
    await logins.give_back(data.username, address)
    metrics.logins.labels("accepted").inc()
    token = tokens.issue(str(enabled.account_id), Role(enabled.role))
    return AccessToken(token, "Bearer", int(TOKEN_LIFETIME.total_seconds()))
