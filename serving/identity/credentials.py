"""Whose a token, a key or a cookie is, as long as it is good.

Belongs here: recognising them, remembering those that were good, hearing within a second that one was taken back, telling
when a key was last used. Does not belong here: reading a request (`bearers`), making or ending any of them.

What was found good is remembered until it expires; PostgreSQL away, it stays good. Twice a second each worker asks which
sessions and keys have ended and which accounts have changed, and forgets what rests on them. Only of an access token, which
bears its session in itself, an ended session has to be remembered, for as long as the token could live.
"""

import asyncio
import hmac
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import structlog
from litestar.exceptions import NotAuthorizedException

from serving.identity import opaque
from serving.identity.lookups import Lookups
from serving.identity.roles import Principal, Role
from serving.identity.tokens import TOKEN_LIFETIME, InvalidToken, Tokens
from serving.store.database import StoreUnavailable
from serving.store.endings import Endings
from serving.store.keys import Key, Keys
from serving.store.sessions import Sessions

ASK_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 3.0
USES_SECONDS: Final = 30.0
"""How often it is written down when keys were last used."""

MAXIMUM_REMEMBERED: Final = 10_000

_log = structlog.get_logger("serving")


class Remembered:
    """What was found good, by what was shown."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Principal, float]] = {}

    def get(self, shown: str) -> Principal | None:
        """Whose it is, if that is known and it has not expired."""
        known = self._found.get(shown)
        return known[0] if known is not None and known[1] > time.time() else None

    def put(self, shown: str, principal: Principal, expires: float) -> None:
        """Remember it until then, in seconds since 1970."""
        if len(self._found) >= MAXIMUM_REMEMBERED:
            self._found.clear()
        self._found[shown] = principal, expires

    def forget(self, is_affected: Callable[[Principal], bool]) -> None:
        """Forget those whose principal is affected."""
        self._found = {shown: found for shown, found in self._found.items() if not is_affected(found[0])}


class Credentials:
    """Recognises what is shown by requests."""

    def __init__(self, tokens: Tokens, sessions: Sessions, keys: Keys, endings: Endings, lookups: Lookups) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._keys = keys
        self._endings = endings
        self._lookups = lookups
        self._bearers = Remembered()
        self._cookies = Remembered()
        self._secrets = tokens.keys.secrets
        self._asked_at: datetime | None = None
        self._ended: dict[str, float] = {}
        self._uses: dict[str, datetime] = {}

    async def bearer(self, shown: str, address: str) -> Principal:
        """Whose access token or API key this is, shown from there.

        Raises:
            NotAuthorizedException: nobody's, or no longer.
            TooManyRequestsException: it is a key that is not known yet, and too many that are nobody's come from there.
            StoreUnavailable: it is a key that is not known yet, and the database does not answer.
        """
        principal = self._bearers.get(shown)
        if principal is None:
            is_key = shown.startswith(opaque.KEY_START)
            principal = await self._find_key(shown, address) if is_key else self._verify(shown)
        if principal.key_id is not None:
            self._uses[principal.key_id] = datetime.now(UTC)
        return principal

    async def cookie(self, shown: str, address: str) -> Principal:
        """Whose cookie this is, shown from there.

        Raises:
            NotAuthorizedException: nobody's, or no longer.
            TooManyRequestsException: it is not known yet, and too many that are nobody's come from there.
            StoreUnavailable: it is not known yet, and the database does not answer.
        """
        return self._cookies.get(shown) or await self._find_cookie(shown, address)

    async def follow(self) -> None:
        """Keep up for ever with what is taken back, with the signing keys, and with the use of API keys."""
        written = time.monotonic()
        while True:
            try:
                await self.catch_up()
                if time.monotonic() - written >= USES_SECONDS:
                    written = time.monotonic()
                    await self.write_uses()
            except StoreUnavailable:
                pass  # told by readiness; until it is back, what is known holds
            except Exception as error:  # whatever it was must not end the search for what is taken back
                _log.error("revocations_not_read", exc_info=error)
            await asyncio.sleep(ASK_SECONDS)

    async def hear(self) -> None:
        """Know at once what was just taken back by this worker; where the database does not answer, as soon as the others do.

        What was changed stands either way: to answer that it failed would have it done again.
        """
        with suppress(StoreUnavailable):
            await self.catch_up()

    async def catch_up(self) -> None:
        """Ask what has ended since the last time, and forget what rests on it.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        self._tokens.keys.refresh()
        if self._secrets != self._tokens.keys.secrets:
            self._secrets = self._tokens.keys.secrets
            self._bearers.forget(lambda principal: principal.session_id is not None)  # what signed them may be retired
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                ended = await self._endings.since(self._asked_at)
        except TimeoutError as error:
            raise StoreUnavailable("The database cannot be reached.") from error
        self._asked_at = ended.asked_at
        now = time.monotonic()
        self._ended = {each: at for each, at in self._ended.items() if now - at < 2 * TOKEN_LIFETIME.total_seconds()}
        new = {*ended.sessions, *ended.keys} - self._ended.keys()
        self._ended |= dict.fromkeys(new, now)
        if new or ended.accounts:
            accounts = {str(account_id) for account_id in ended.accounts}
            if accounts:
                self._lookups.forget()
            for remembered in (self._bearers, self._cookies):
                remembered.forget(
                    lambda principal: (principal.session_id or principal.key_id) in new or principal.subject in accounts
                )

    async def write_uses(self) -> None:
        """Write down when keys were last used.

        Raises:
            StoreUnavailable: the database does not answer; then it is written the next time.
        """
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            await self._keys.used(uses)
        except StoreUnavailable:
            self._uses = uses | self._uses
            raise

    async def close(self) -> None:
        """Write down what is left, if the database lets us."""
        with suppress(StoreUnavailable):
            await self.write_uses()

    def _verify(self, token: str) -> Principal:
        try:
            principal, expires = self._tokens.verify(token)
        except InvalidToken as error:
            raise _refusal("access token") from error
        if principal.session_id in self._ended:
            raise _refusal("access token")
        self._bearers.put(token, principal, expires)
        return principal

    async def _find_key(self, shown: str, address: str) -> Principal:
        key_id = opaque.key_id(shown)
        if key_id is None:
            raise _refusal("API key")

        digest = opaque.digest(shown)

        async def look() -> Key | None:
            key = await self._keys.good_key(key_id)
            return key if key is not None and hmac.compare_digest(key.key_hash, digest) else None

        key = await self._lookups.find(address, "key", digest, look)
        if key is None or key_id in self._ended:
            raise _refusal("API key")
        principal = Principal.of_key(str(key.account_id), Role(key.role), key_id, key.scopes)
        self._bearers.put(shown, principal, key.expires_at.timestamp())
        return principal

    async def _find_cookie(self, shown: str, address: str) -> Principal:
        if not opaque.looks_right(shown):
            raise _refusal("cookie")
        digest = opaque.digest(shown)
        session = await self._lookups.find(address, "cookie", digest, lambda: self._sessions.web_session(digest))
        if session is None or session.session_id in self._ended:
            raise _refusal("cookie")
        principal = Principal.of_session(str(session.account_id), Role(session.role), session.session_id)
        self._cookies.put(shown, principal, session.expires_at.timestamp())
        return principal


def _refusal(what: str) -> NotAuthorizedException:
    return NotAuthorizedException(
        f"The {what} is not valid, or no longer.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
    )
