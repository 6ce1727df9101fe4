"""Who is asking, and what they may do.

Belongs here: access tokens, roles and their permissions, the middleware and the guard that enforce them. Does not belong
here: passwords, accounts' storage, handlers.

Every handler declares its permission by `opt=allow(Permission.…)`; `require_declarations` refuses an app with one that
does not. Nothing is excluded from authentication by a pattern over paths.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import jwt
from litestar.connection import ASGIConnection
from litestar.exceptions import ImproperlyConfiguredException, NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp
from msgspec import Struct

ALGORITHM: Final = "HS256"
AUDIENCE: Final = "football-api"
TYP: Final = "at+jwt"  # RFC 9068: no other kind of JWT passes for an access token
TOKEN_LIFETIME: Final = timedelta(minutes=15)
CLAIMS: Final = ("exp", "iat", "iss", "aud", "jti", "sub", "role")
MINIMUM_SECRET_BYTES: Final = 32
CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}


class Role(StrEnum):
    """What an account is."""

    READER = "reader"
    OPERATOR = "operator"


class Permission(StrEnum):
    """What a handler asks for."""

    PUBLIC = "public"
    READ = "read"
    OPERATE = "operate"


GRANTS: Final = {
    Role.READER: frozenset({Permission.READ}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.OPERATE}),
}


class Principal(Struct, frozen=True):
    """The bearer of a valid token."""

    subject: str
    role: Role


class Tokens:
    """Issues and verifies access tokens of one edition."""

    def __init__(self, secret: bytes, edition: str) -> None:
        if len(secret) < MINIMUM_SECRET_BYTES:
            raise ImproperlyConfiguredException(
                f"The secret for tokens has {len(secret)} bytes; it needs at least {MINIMUM_SECRET_BYTES} random ones."
            )
        self._secret = secret
        self._issuer = f"football-{edition}"

    @classmethod
    def from_file(cls, path: Path, edition: str) -> "Tokens":
        """Tokens signed with the secret in a file; white space around it does not count."""
        return cls(path.read_bytes().strip(), edition)

    def issue(self, subject: str, role: Role) -> str:
        """A token good for `TOKEN_LIFETIME` from now."""
        now = datetime.now(UTC)
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": subject,
            "role": role,
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + TOKEN_LIFETIME,
        }
        return jwt.encode(claims, self._secret, ALGORITHM, headers={"typ": TYP})

    def verify(self, token: str) -> Principal:
        """Who bears the token.

        Raises:
            NotAuthorizedException: it is not a token of ours, or no longer.
        """
        try:
            decoded = jwt.decode_complete(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                options={"require": list(CLAIMS), "strict_aud": True},
            )
            if decoded["header"].get("typ") != TYP:
                raise jwt.InvalidTokenError("not an access token")
            return Principal(subject=decoded["payload"]["sub"], role=Role(decoded["payload"]["role"]))
        except (jwt.InvalidTokenError, ValueError) as error:
            raise NotAuthorizedException(
                "The access token is not valid, or no longer.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
            ) from error


class BearerAuthentication(AbstractAuthenticationMiddleware):
    """Puts the bearer of the request's token on the connection, for every handler that is not public."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        super().__init__(app=app)
        self._tokens = tokens

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Read the header `Authorization: Bearer …`."""
        scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotAuthorizedException("Send an access token: Authorization: Bearer …", headers=CHALLENGE)
        return AuthenticationResult(user=self._tokens.verify(token.strip()), auth=None)


def allow(permission: Permission) -> dict[str, Any]:
    """The options of a handler that asks for this permission."""
    return {"permission": permission, "exclude_from_auth": permission is Permission.PUBLIC}


def authorise(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of the whole app: the bearer's role must grant what the handler asks for."""
    if connection.scope.get("method") == "OPTIONS":  # Litestar's own handler, which only lists the methods
        return
    permission = handler.opt["permission"]
    if permission is not Permission.PUBLIC and permission not in GRANTS[connection.user.role]:
        raise PermissionDeniedException(f"This needs the permission to {permission}, which a {connection.user.role} has not.")


def require_declarations(routes: Iterable[BaseRoute]) -> None:
    """Refuse routes on which anything but Litestar's own OPTIONS handler declares no permission.

    Raises:
        ImproperlyConfiguredException: naming the handler.
    """
    for route in routes:
        if not isinstance(route, HTTPRoute):
            raise ImproperlyConfiguredException(f"{route.path} is not an HTTP route: say here how it is authorised")
        for handler in route.route_handlers:
            if handler.http_methods != {"OPTIONS"} and not isinstance(handler.opt.get("permission"), Permission):
                raise ImproperlyConfiguredException(f"{handler} on {route.path} declares no permission: opt=allow(...)")
