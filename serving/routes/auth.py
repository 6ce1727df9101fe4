"""Logging in."""

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from serving.identity.login import PasswordLogin
from serving.identity.roles import Permission, Role, allow
from serving.identity.tokens import TOKEN_LIFETIME, Tokens
from serving.routes.documented import problems
from serving.schemas import AccessToken, Login


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
    password_login: NamedDependency[PasswordLogin],
    tokens: NamedDependency[Tokens],
) -> AccessToken:
    """Issue an access token."""
    address = request.client.host if request.client else ""
    account = await password_login.account(data.username, data.password, address)
    token = tokens.issue(str(account.account_id), Role(account.role))
    return AccessToken(token, "Bearer", int(TOKEN_LIFETIME.total_seconds()))
