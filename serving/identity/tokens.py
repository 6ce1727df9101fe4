"""Access tokens, and the middleware that finds their bearer.

Belongs here: issuing, verifying, reading the header. Does not belong here: what a role may do, accounts, handlers.
"""

import time
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
COOKIE_TYP: Final = "web+jwt"  # and what a browser holds passes for no access token
COOKIE: Final = "football"
TOKEN_LIFETIME: Final = timedelta(minutes=15)
COOKIE_LIFETIME: Final = timedelta(hours=8)
CLAIMS: Final = ("exp", "iat", "iss", "aud", "jti", "sub", "role")
MINIMUM_SECRET_BYTES: Final = 32
MAXIMUM_REMEMBERED: Final = 10_000
SAFE_METHODS: Final = ("GET", "HEAD")
"""For which a cookie suffices: another site can make a browser send it, but reads no answer."""
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
        self._verified: dict[tuple[str, str], tuple[Principal, float]] = {}

    @classmethod
    def from_file(cls, path: Path, edition: str) -> "Tokens":
        """Tokens signed with the secret in a file; white space around it does not count."""
        return cls(path.read_bytes().strip(), edition)

    def issue(self, subject: str, role: Role) -> str:
        """A token good for `TOKEN_LIFETIME` from now."""
        return self._issue(subject, role, TYP, TOKEN_LIFETIME)

    def issue_cookie(self, subject: str, role: Role) -> str:
        """What a browser shows for `COOKIE_LIFETIME` from now."""
        return self._issue(subject, role, COOKIE_TYP, COOKIE_LIFETIME)

    def _issue(self, subject: str, role: Role, typ: str, lifetime: timedelta) -> str:
        now = datetime.now(UTC)
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": subject,
            "role": role,
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + lifetime,
        }
        return jwt.encode(claims, self._secret, ALGORITHM, headers={"typ": typ})

    def verify(self, token: str, typ: str = TYP) -> Principal:
        """Who bears the token of this kind. A valid one is remembered until it expires: its bearer comes again and again.

        Raises:
            NotAuthorizedException: it is not a token of ours, or no longer.
        """
        known = self._verified.get((typ, token))
        if known is not None and known[1] > time.time():
            return known[0]
        try:
            decoded = jwt.decode_complete(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                options={"require": list(CLAIMS), "strict_aud": True},
            )
            if decoded["header"].get("typ") != typ:
                raise jwt.InvalidTokenError("another kind of token")
            principal = Principal(subject=decoded["payload"]["sub"], role=Role(decoded["payload"]["role"]))
        except (jwt.InvalidTokenError, ValueError) as error:
            raise NotAuthorizedException(
                "The access token is not valid, or no longer.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
            ) from error
        if len(self._verified) >= MAXIMUM_REMEMBERED:
            self._verified.clear()
        self._verified[typ, token] = principal, decoded["payload"]["exp"]
        return principal


class BearerAuthentication(AbstractAuthenticationMiddleware):
    """Puts the bearer of the request's token on the connection, for every handler that is not public."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        super().__init__(app=app)
        self._tokens = tokens

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Read the header `Authorization: Bearer …`; without it, of a request that changes nothing, the cookie."""
        scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
        cookie = connection.cookies.get(COOKIE)
        if not scheme and cookie and connection.scope.get("method") in SAFE_METHODS:
            return AuthenticationResult(user=self._tokens.verify(cookie, COOKIE_TYP), auth=None)
        if scheme.lower() != "bearer" or not token:
            raise NotAuthorizedException("Send an access token: Authorization: Bearer …", headers=CHALLENGE)
        return AuthenticationResult(user=self._tokens.verify(token.strip()), auth=None)
