"""The middleware that finds out who asks.

Belongs here: reading a request. Does not belong here: whose a token, key or cookie is (`credentials`), what they
may do (`roles`).
"""

from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp

from serving.headers import header
from serving.identity.credentials import Credentials

COOKIE: Final = "football"
SAFE_METHODS: Final = ("GET", "HEAD")
"""For which a cookie suffices: another site can make a browser send it, but reads no answer."""
CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}


class BearerAuthentication(AbstractAuthenticationMiddleware):
    """Puts the principal on the connection, for every handler that is not public."""

    def __init__(self, app: ASGIApp, credentials: Credentials) -> None:
        super().__init__(app=app)
        self._credentials = credentials

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Read the header `Authorization: Bearer …`; without it, of a request that changes nothing, the cookie."""
        scheme, _, shown = header(connection.scope, b"authorization").decode("latin-1").partition(" ")
        is_safe = connection.scope.get("method") in SAFE_METHODS
        if not scheme and is_safe and (cookie := connection.cookies.get(COOKIE)):
            return AuthenticationResult(user=await self._credentials.cookie(cookie, whence(connection)), auth=None)
        if scheme.lower() != "bearer" or not shown:
            raise NotAuthorizedException("Send an access token or an API key: Authorization: Bearer …", headers=CHALLENGE)
        return AuthenticationResult(user=await self._credentials.bearer(shown.strip(), whence(connection)), auth=None)


def whence(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The address of who asks; nothing where nobody knows."""
    client = connection.scope.get("client")
    return client[0] if client else ""
