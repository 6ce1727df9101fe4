"""Access tokens: signed, so that no worker has to ask anyone whose they are.

Belongs here: issuing and verifying. Does not belong here: which of them were taken back (`credentials`), the secrets
themselves (`signing_keys`), what a role may do.
"""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import jwt

from serving.identity.roles import Principal, Role
from serving.identity.signing_keys import SigningKeys

ALGORITHM: Final = "HS256"
AUDIENCE: Final = "football-api"
TYP: Final = "at+jwt"  # RFC 9068: no other kind of JWT passes for an access token
TOKEN_LIFETIME: Final = timedelta(minutes=15)
CLOCKS_APART: Final = 5
"""Seconds by which the clock of a worker that issued a token may be ahead of that of one which verifies it: machines set theirs
by the network, and who has just logged in must not be refused by the machine beside. No token is good for longer by it."""

CLAIMS: Final = ("exp", "iat", "iss", "aud", "jti", "sub", "sid", "role")


class InvalidToken(Exception):
    """It is not a token of ours, or no longer."""


class Tokens:
    """Issues and verifies access tokens of one edition."""

    def __init__(self, keys: SigningKeys, edition: str, clock: Callable[[], float] = time.time) -> None:
        self.keys = keys
        self._clock = clock
        self._issuer = f"football-{edition}"

    @classmethod
    def from_file(cls, path: Path, edition: str) -> "Tokens":
        """Tokens signed with the newest secret of a file."""
        return cls(SigningKeys(path), edition)

    def issue(self, subject: str, role: Role, session_id: str, lifetime: timedelta = TOKEN_LIFETIME) -> str:
        """A token of a session, good for so long from now."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": subject,
            "sid": session_id,
            "role": role,
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + lifetime,
        }
        key = self.keys.newest
        return jwt.encode(claims, key.secret, ALGORITHM, headers={"typ": TYP, "kid": key.key_id})

    def verify(self, token: str) -> tuple[Principal, float]:
        """Whose token it is, and when it expires, in seconds since 1970.

        Raises:
            InvalidToken: it is not a token of ours, or no longer.
        """
        try:
            header = jwt.get_unverified_header(token)
            # Of the header only this is believed, and only to choose among our own secrets.
            secret = self.keys.secret(header.get("kid", ""))
            if secret is None or header.get("typ") != TYP:
                raise jwt.InvalidTokenError("another kind of token, or signed by an unknown key")
            claims = jwt.decode(
                token,
                secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                # The library's leeway would make each token good for longer, too.
                options={"require": list(CLAIMS), "strict_aud": True, "verify_iat": False},
            )
            if not claims["iat"] <= self._clock() + CLOCKS_APART:
                raise jwt.ImmatureSignatureError("issued in the future")
            if not isinstance(claims["sid"], str):
                raise jwt.InvalidTokenError("a session that is no text")
            return Principal.of_session(claims["sub"], Role(claims["role"]), claims["sid"]), float(claims["exp"])
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            raise InvalidToken from error
