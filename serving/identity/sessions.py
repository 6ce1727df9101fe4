"""Sessions: what somebody is given who has logged in, and how it is carried on.

Belongs here: refresh tokens and their successors, cookies, links that give one, and for how long. Does not belong here:
passwords (`login`), access tokens (`tokens`), recognising any of them (`credentials`).
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from litestar.exceptions import NotAuthorizedException, TooManyRequestsException
from msgspec import Struct

from serving.audit.entries import Actor
from serving.identity import opaque
from serving.identity.bearers import CHALLENGE
from serving.identity.buckets import Buckets
from serving.identity.lookups import Lookups
from serving.identity.roles import Role
from serving.identity.tokens import TOKEN_LIFETIME, Tokens
from serving.refusals import refused_by
from serving.store.accounts import Account
from serving.store.sessions import Reused, Sessions

SESSION_LIFETIME: Final = timedelta(days=30)
COOKIE_LIFETIME: Final = timedelta(hours=8)
LINK_LIFETIME: Final = timedelta(minutes=15)

_log = structlog.get_logger("serving")


class Given(Struct, frozen=True):
    """What carries a session on, and for how long the access token does."""

    access_token: str
    lifetime: timedelta
    refresh_token: str


class SessionKeeper(Struct, frozen=True):
    """The parts that giving tokens needs."""

    tokens: Tokens
    sessions: Sessions
    refreshes: Buckets
    lookups: Lookups

    async def begin(self, account: Account, by: Actor) -> Given:
        """Begin a session of an account that has just logged in.

        Raises:
            NotAuthorizedException: the account was changed at this very moment.
        """
        token = opaque.new()
        kept = opaque.digest(token)
        begun = self.sessions.begin_api(account.account_id, account.revised_at, SESSION_LIFETIME, kept, by)
        if (session_id := await begun) is None:
            raise _refusal("login")
        access_token = self.tokens.issue(str(account.account_id), Role(account.role), session_id)
        return Given(access_token, TOKEN_LIFETIME, token)

    async def begin_web(self, account: Account, by: Actor, earlier: str = "") -> str:
        """Begin the session of a browser: its cookie. The session of the `earlier` one that it sent, if any, ends with that.

        Raises:
            NotAuthorizedException: the account was changed at this very moment.
        """
        cookie = opaque.new()
        kept = opaque.digest(cookie)
        begun = self.sessions.begin_web(account.account_id, account.revised_at, COOKIE_LIFETIME, kept, _kept(earlier), by)
        if await begun is None:
            raise _refusal("login")
        return cookie

    async def offered(self, code: str, address: str) -> int | None:
        """Whom the code of a link signs in, followed from there; None: nobody, or nobody any more.

        Raises:
            TooManyRequestsException: too many that are nobody's come from there.
        """
        if not opaque.looks_right(code):
            return None
        digest = opaque.digest(code)
        return await self.lookups.find(address, "link", digest, lambda: self.sessions.offered(digest))

    async def take_up(self, code: str, by: Actor, earlier: str = "") -> str | None:
        """Use the code of a link, once: the cookie of a browser's session, as `begin_web`."""
        cookie = opaque.new()
        kept = opaque.digest(cookie)
        begun = await self.sessions.take_up(opaque.digest(code), COOKIE_LIFETIME, kept, _kept(earlier), by)
        return begun and cookie

    async def owner(self, token: str, address: str) -> int:
        """Whose session this refresh token is of, used or not, sent from there: to carry on, or to end, which is counted.

        Raises:
            NotAuthorizedException: nobody's, or nobody's any more.
            TooManyRequestsException: the owner's sessions were carried on too often, or too many tokens that are
                nobody's come from there.
        """
        if not opaque.looks_right(token):
            raise _refusal("refresh token")
        digest = opaque.digest(token)
        owner = await self.lookups.find(address, "refresh token", digest, lambda: self.sessions.owner(digest))
        if owner is None:
            raise _refusal("refresh token")
        if not (await self.refreshes.take(str(owner)))[0]:
            refused_by("refreshes")
            raise TooManyRequestsException("Too many refresh tokens were used. Try again soon.", headers={"Retry-After": "1"})
        return owner

    async def refresh(self, token: str, by: Actor) -> Given:
        """Give the successor of a refresh token, and a fresh access token.

        The successor is computed from the token, so that the same one can be given again though none is kept in the clear.

        Raises:
            NotAuthorizedException: the token is not good, or no longer.
        """
        self.tokens.keys.refresh()  # another worker may have used a newer key for the same token
        successors = {opaque.digest(each): each for each in (opaque.successor(key, token) for key in self.tokens.keys.secrets)}
        try:
            refreshed = await self.sessions.refresh(opaque.digest(token), next(iter(successors)), by)
        except Reused as error:
            _log.warning("refresh_token_reused", session_id=str(error))
            raise _refusal("refresh token") from None
        # A signing key that was retired within these seconds takes the way back to the successor with it.
        if refreshed is None or refreshed.successor_hash not in successors:
            raise _refusal("refresh token")
        # Never beyond the session's end: a token of a session that is over can no longer be taken back.
        lifetime = min(TOKEN_LIFETIME, refreshed.expires_at - datetime.now(UTC))
        access_token = self.tokens.issue(str(refreshed.account_id), Role(refreshed.role), refreshed.session_id, lifetime)
        return Given(access_token, lifetime, successors[refreshed.successor_hash])


def _kept(cookie: str) -> bytes | None:
    """Under what a cookie that a browser sent is kept; None if it can be none of ours."""
    return opaque.digest(cookie) if opaque.looks_right(cookie) else None


def _refusal(what: str) -> NotAuthorizedException:
    return NotAuthorizedException(f"The {what} is not valid, or no longer. Log in again.", headers=CHALLENGE)
