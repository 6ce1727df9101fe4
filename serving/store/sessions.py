"""The sessions: what logins began, and the refresh tokens that carry them on.

Belongs here: the queries over `app.session`, `app.refresh_token` and `app.sign_in_link`, which know tokens, cookies and links by
their digests alone. Does
not belong here: making tokens, what a worker remembers.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from serving.audit.entries import Actor
from serving.store.audit import Write, audited
from serving.store.database import Database
from serving.store.tables import account, refresh_token, session, sign_in_link

GRACE: Final = timedelta(seconds=10)
"""How long a used refresh token still gives its successor: to a client that lost the answer, or asked twice at once."""

KEPT: Final = timedelta(days=1)
"""How long a session is kept once it is over."""

_OPEN: Final = sa.and_(session.c.ended_at.is_(None), session.c.expires_at > sa.func.now())


class Session(Struct, frozen=True):
    """A session of an account."""

    session_id: str
    account_id: int
    role: str
    kind: str
    created_at: datetime
    refreshed_at: datetime | None
    expires_at: datetime
    address: str | None
    client: str | None


class Refreshed(Struct, frozen=True):
    """What the use of a refresh token came to: its session goes on with the token of this digest."""

    session_id: str
    account_id: int
    role: str
    expires_at: datetime
    successor_hash: bytes


class Reused(Exception):
    """A refresh token was used again after its successor had been given: someone has a copy, so the session has ended."""


_COLUMNS: Final = (
    *(session.c.session_id, session.c.account_id, account.c.role),
    *(session.c.kind, session.c.created_at, session.c.refreshed_at, session.c.expires_at),
    *(session.c.address, session.c.client),
)


class Sessions:
    """The queries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_api(
        self, account_id: int, revised_at: datetime, lifetime: timedelta, token_hash: bytes, by: Actor
    ) -> str | None:
        """Begin a session with its first refresh token; its id. None: the account was changed after it was looked at."""
        async with audited(self._database, by) as write:
            session_id = await _begin(write, account_id, revised_at, lifetime, kind="api")
            if session_id is not None:
                await write.connection.execute(sa.insert(refresh_token).values(token_hash=token_hash, session_id=session_id))
        return session_id

    async def begin_web(
        self, account_id: int, revised_at: datetime, lifetime: timedelta, cookie_hash: bytes, earlier: bytes | None, by: Actor
    ) -> str | None:
        """Begin the session of a browser's cookie; its id. None: the account was changed after it was looked at.

        The session of the browser's `earlier` cookie, of whichever account, ends with it: nobody holds that cookie any more.
        """
        async with audited(self._database, by) as write:
            return await _begin_web(write, account_id, revised_at, lifetime, cookie_hash, earlier)

    async def offer(self, account_id: int, lifetime: timedelta, link_hash: bytes, by: Actor) -> None:
        """Keep a link that signs a browser in as that account, once; those that nobody used in time go."""
        async with audited(self._database, by) as write:
            await write.connection.execute(sa.delete(sign_in_link).where(sign_in_link.c.expires_at < sa.func.now()))
            link = {"link_hash": link_hash, "account_id": account_id, "expires_at": datetime.now(UTC) + lifetime}
            (row,) = await write.rows(sa.insert(sign_in_link).values(link).returning(sign_in_link))
            await write.tell("session.offer", f"account/{account_id}", None, row)

    async def offered(self, link_hash: bytes) -> int | None:
        """Whom a link signs in; None: it was used, is too old, or the account was changed after it was made."""
        rows = await self._database.rows(_offered(link_hash))
        return int(rows[0]["account_id"]) if rows else None

    async def take_up(
        self, link_hash: bytes, lifetime: timedelta, cookie_hash: bytes, earlier: bytes | None, by: Actor
    ) -> str | None:
        """Use a link: begin the session of a browser's cookie as `begin_web`; its id.

        None as `offered`, for all but one of several at once.
        """
        async with audited(self._database, by) as write:
            if not (offered := await write.rows(_offered(link_hash))):
                return None
            await write.connection.execute(sa.delete(sign_in_link).where(sign_in_link.c.link_hash == link_hash))
            (one,) = offered
            return await _begin_web(write, one["account_id"], one["revised_at"], lifetime, cookie_hash, earlier)

    async def web_session(self, cookie_hash: bytes) -> Session | None:
        """The session of a cookie, while it is open."""
        query = _selected().where(session.c.cookie_hash == cookie_hash, _OPEN, account.c.disabled_at.is_(None))
        rows = await self._database.rows(query)
        return Session(**rows[0]) if rows else None

    async def sessions(self, account_id: int, after: tuple[datetime, str] | None, limit: int) -> list[Session]:
        """At most `limit` open sessions of an account, the latest first, those behind (begun at, id) if given."""
        begun = sa.tuple_(session.c.created_at, session.c.session_id)
        query = _selected().where(session.c.account_id == account_id, _OPEN)
        if after is not None:
            query = query.where(begun < sa.tuple_(*map(sa.literal, after)))
        query = query.order_by(session.c.created_at.desc(), session.c.session_id.desc()).limit(limit)
        return [Session(**row) for row in await self._database.rows(query)]

    async def owner(self, token_hash: bytes) -> int | None:
        """Whose open session that refresh token is of, used or not; None: nobody's, or nobody's any more."""
        query = _selected().join(refresh_token).where(refresh_token.c.token_hash == token_hash)
        rows = await self._database.rows(query.where(_OPEN, account.c.disabled_at.is_(None)))
        return int(rows[0]["account_id"]) if rows else None

    async def refresh(self, token_hash: bytes, successor_hash: bytes, by: Actor) -> Refreshed | None:
        """Use a refresh token: the first use makes that successor; another one within `GRACE` gets the one made then.

        Whoever comes at the same time waits: one use makes a successor, the others get it. None: the token is not known, or
        its session is over.

        Raises:
            Reused: it was used longer ago; its session has been ended for that.
        """
        query = (
            sa.select(refresh_token, session.c.account_id, session.c.ended_at, session.c.expires_at, account.c.role)
            .join_from(refresh_token, session)
            .join(account, account.c.account_id == session.c.account_id)
            .where(refresh_token.c.token_hash == token_hash, account.c.disabled_at.is_(None))
            .with_for_update(of=[refresh_token, session])
        )
        async with audited(self._database, by) as write:
            row = (await write.connection.execute(query)).mappings().one_or_none()
            # The clock now: the transaction may have waited for others.
            now: datetime = (await write.connection.execute(sa.select(sa.func.clock_timestamp()))).scalar_one()
            if row is None or row["ended_at"] is not None or row["expires_at"] <= now:
                return None
            session_id = row["session_id"]
            if is_reused := row["used_at"] is not None and now - row["used_at"] > GRACE:
                await _end(write, "session.reused", row["account_id"], session_id)
            elif row["used_at"] is None:
                used = sa.update(refresh_token).where(refresh_token.c.token_hash == token_hash)
                await write.connection.execute(used.values(used_at=now, successor_hash=successor_hash))
                await write.connection.execute(sa.insert(refresh_token).values(token_hash=successor_hash, session_id=session_id))
                this = session.c.session_id == session_id
                (before,) = await write.rows(sa.select(session).where(this))
                carried_on = {"refreshed_at": now, "address": by.address, "client": by.client}
                (after,) = await write.rows(sa.update(session).where(this).values(carried_on).returning(session))
                await write.tell("session.refresh", f"session/{session_id}", before, after)
        if is_reused:
            raise Reused(session_id)
        successor = row["successor_hash"] or successor_hash
        return Refreshed(session_id, row["account_id"], row["role"], row["expires_at"], successor)

    async def end(self, account_id: int, session_id: str, by: Actor) -> bool:
        """End an open session of an account; False if it has none of that id."""
        this = sa.and_(session.c.session_id == session_id, session.c.account_id == account_id, _OPEN)
        # Before the transaction, for all who write wait for each other: not for what there is not.
        if not await self._database.rows(sa.select(session.c.session_id).where(this)):
            return False
        async with audited(self._database, by) as write:
            return await _end(write, "session.end", account_id, session_id)


def ending(account_id: int, but_not: str = "") -> sa.Update:
    """What ends all open sessions of an account (but for one), in the transaction of whoever changes more than that."""
    others = sa.and_(session.c.account_id == account_id, session.c.session_id != but_not, _OPEN)
    return sa.update(session).where(others).values(ended_at=sa.func.now())


async def _end(write: Write, action: str, account_id: int, session_id: str) -> bool:
    this = session.c.session_id == session_id
    before = await write.rows(sa.select(session).where(this, session.c.account_id == account_id, _OPEN))
    if before:
        (after,) = await write.rows(sa.update(session).where(this).values(ended_at=sa.func.now()).returning(session))
        await write.tell(action, f"session/{session_id}", before[0], after)
    return bool(before)


async def _begin_web(
    write: Write, account_id: int, revised_at: datetime, lifetime: timedelta, cookie_hash: bytes, earlier: bytes | None
) -> str | None:
    begun = await _begin(write, account_id, revised_at, lifetime, kind="web", cookie_hash=cookie_hash)
    if begun is not None and earlier is not None:
        of_cookie = sa.select(session.c.session_id, session.c.account_id).where(session.c.cookie_hash == earlier, _OPEN)
        for each in await write.rows(of_cookie):
            await _end(write, "session.end", each["account_id"], each["session_id"])
    return begun


async def _begin(write: Write, account_id: int, revised_at: datetime, lifetime: timedelta, **values: Any) -> str | None:
    """Insert a session, and delete those of the account that have long been over."""
    # Locked against change: who disables the account ends this session, too, or is seen here.
    same = sa.select(account.c.account_id).where(account.c.account_id == account_id, account.c.revised_at == revised_at)
    if not await write.rows(same.with_for_update(read=True)):
        return None
    over = sa.func.coalesce(session.c.ended_at, session.c.expires_at) < sa.func.now() - KEPT
    await write.connection.execute(sa.delete(session).where(session.c.account_id == account_id, over))
    session_id = secrets.token_hex(16)
    begun = {"session_id": session_id, "account_id": account_id, "expires_at": datetime.now(UTC) + lifetime, **values}
    begun |= {"address": write.by.address or None, "client": write.by.client}
    (row,) = await write.rows(sa.insert(session).values(begun).returning(session))
    await write.tell("session.begin", f"session/{session_id}", None, row)
    return session_id


def _offered(link_hash: bytes) -> sa.Select[Any]:
    return (
        sa.select(account.c.account_id, account.c.revised_at)
        .join_from(sign_in_link, account)
        .where(
            sign_in_link.c.link_hash == link_hash,
            sign_in_link.c.expires_at > sa.func.now(),
            sign_in_link.c.created_at >= account.c.revised_at,
            account.c.disabled_at.is_(None),
        )
    )


def _selected() -> sa.Select[Any]:
    return sa.select(*_COLUMNS).join_from(session, account)
