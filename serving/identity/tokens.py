"""Access tokens, and the middleware that finds their bearer.

Belongs here: issuing, verifying, reading the header. Does not belong here: what a role may do, accounts, handlers.
"""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import jwt
from litestar.connection import ASGIConnection
from litestar.exceptions import ImproperlyConfiguredException, NotAuthorizedException
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp
from msgspec import Struct

from serving.identity.roles import Role

ALGORITHM: Final = "HS256"
AUDIENCE: Final = "football-api"
TYP: Final = "at+jwt"  # RFC 9068: no other kind of JWT passes for an access token
TOKEN_LIFETIME: Final = timedelta(minutes=15)
CLAIMS: Final = ("exp", "iat", "iss", "aud", "jti", "sub", "role")
MINIMUM_SECRET_BYTES: Final = 32
CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}


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
