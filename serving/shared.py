"""What is read of `published`, in Redis for all workers.

Belongs here: keeping what a statement answered under the publication being served, and making it anew when its time is over.
Handed to the stores of what everybody may read in the place of the database; whoever reads accounts, sessions, keys, the audit or
which publication is served has the database itself. Does not belong here: the publication's own answers (`held`), and what
there is nothing of (`unknown`).

An answer is fresh for half a minute, jittered; nothing that there is nothing of, for two seconds. After that one worker asks the
database, the others give the last answer meanwhile, or wait for the new one where the last is older than a minute or there is
none. While the database is away the last answer is given for six hours. Without Redis everybody asks the database.
"""

import asyncio
import hashlib
import math
import random
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from msgspec import DecodeError, Struct, json, msgpack
from prometheus_client import Counter
from redis.exceptions import RedisError
from sqlalchemy.dialects import postgresql

from serving.current import CurrentPublication
from serving.identity.buckets import BREAK_SECONDS
from serving.store.database import Database, StoreUnavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

FRESH_SECONDS: Final = 30.0
"""What comes into `published` between two publications (scores, backups, verifications) is seen after that."""

JITTER: Final = 0.2
"""By what part of it an answer's time is longer or shorter, so that those of a moment do not end at a moment."""

NOTHING_SECONDS: Final = 2.0
"""The same of an answer without rows: what is being published comes row by row."""

YOUNG_SECONDS: Final = 30.0
"""For how long after its time an answer is given while the next is made (RFC 5861's `stale-while-revalidate`)."""

KEPT_SECONDS: Final = 6 * 3600.0
"""For how long after its time, while the database is away (`stale-if-error`)."""

LOCK_SECONDS: Final = 5.0
REBUILD_SECONDS: Final = 3.0
"""How long the database may take: less than nobody else tries."""

PATIENCE_SECONDS: Final = 1.0
LOOK_AGAIN_SECONDS: Final = 0.02
"""How long, and how often, one waits for the answer that another worker makes, before asking the database oneself."""

VALUE_BYTES: Final = 256 * 1024
"""What is larger is not shared."""

ALL_BYTES: Final = 16 * 1024 * 1024
"""What all answers of an edition may weigh; beyond, any of them goes, whatever is asked for and however often."""

CALLS_AT_ONCE: Final = 16

# The answer if it is fresh; else also whose turn it is to make the next one. By Redis' own clock, for workers' may differ.
_LOOK: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HGET', KEYS[1], ARGV[1])
local overdue = -1
if found then
  overdue = now - tonumber(string.sub(found, 1, 13))
  found = string.sub(found, 14)
  if overdue < 0 then return {found, -1, 0} end
  if overdue > tonumber(ARGV[3]) then found = false end
end
local is_ours = redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[2]) and 1 or 0
return {found, overdue, is_ours}
"""

# All of a publication goes with the first answer of another; of too many bytes any answers go. Then the next turn is free.
_KEEP: Final = """
local time = redis.call('TIME')
local until_ = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[4])
if redis.call('HGET', KEYS[1], 'of') ~= ARGV[3] then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'of', ARGV[3], 'bytes', 0)
end
local bytes = tonumber(redis.call('HGET', KEYS[1], 'bytes')) + 13 + #ARGV[2] - redis.call('HSTRLEN', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%013.0f', until_) .. ARGV[2])
while bytes > tonumber(ARGV[5]) do
  local each = redis.call('HRANDFIELD', KEYS[1])
  if each ~= 'of' and each ~= 'bytes' then
    bytes = bytes - redis.call('HSTRLEN', KEYS[1], each)
    redis.call('HDEL', KEYS[1], each)
  end
end
redis.call('HSET', KEYS[1], 'bytes', bytes)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('DEL', KEYS[2])
"""

_NOT_SHARED: Final = b""
_TOLD: Final = frozenset({bool, int, float, str, bytes, datetime, list, dict, type(None)})
_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]

Rows = list[dict[str, Any]]


class Found(Struct, frozen=True):
    """What Redis has of a read: its rows (None: no more), seconds since their time was over, and whether we make the next."""

    rows: Rows | None
    overdue: float
    is_ours: bool


class SharedReads:
    """In the place of the database: what a statement answers, from Redis where it is known there."""

    def __init__(
        self,
        database: Database,
        redis: "Redis | None",
        edition: str,
        current: CurrentPublication,
        lookups: tuple[Counter, Counter],
    ) -> None:
        self._database = database
        self._current = current
        self._hit, self._miss = lookups
        self._name = f"football:{edition}:reads"
        self._look_up = redis.register_script(_LOOK) if redis is not None else None
        self._keep = redis.register_script(_KEEP) if redis is not None else None
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)
        self._rests_until = -math.inf
        self._being_made: set[asyncio.Task[Rows]] = set()
        self._release = _release()

    async def rows(self, statement: sa.Executable) -> Rows:
        """What one statement answers, a dict a row.

        Raises:
            StoreUnavailable: nobody knows it any more, and the database does not answer in time.
        """
        if (served := self._served()) is not None:
            field = self._field(served, statement)
            given_up_at = time.monotonic() + PATIENCE_SECONDS
            while (found := await self._look(field)) is not None:
                # Begun whoever waits for it: also behind the back of who is content with the last answer.
                made = self._begin(served, field, statement) if found.is_ours else None
                if found.rows is not None and (found.overdue < YOUNG_SECONDS or not self._current.database_answers):
                    self._hit.inc()
                    return found.rows
                if made is not None:
                    return await self._wait(made, found.rows)
                if time.monotonic() >= given_up_at:
                    break
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
        self._miss.inc()
        return await self._database.rows(statement)

    async def close(self) -> None:
        """Make nothing any more."""
        for each in self._being_made:
            each.cancel()
        await asyncio.gather(*self._being_made, return_exceptions=True)

    def _served(self) -> str | None:
        """What is being served, and since when it is known to be right; None: nothing, or there is no Redis now."""
        known = self._current.last_known
        if known is None or self._look_up is None or time.monotonic() < self._rests_until:
            return None
        return f"{known.publication_id} {known.confirmed_at.timestamp()}"

    def _field(self, served: str, statement: Any) -> str:
        """Of what an answer depends on: the publication, the statement and its values, and how this release reads rows."""
        compiled = statement.compile(dialect=_DIALECT)
        parts = (self._release, served, str(compiled), compiled.params)
        return hashlib.sha256(json.encode(parts)).hexdigest()

    async def _look(self, field: str) -> Found | None:
        """What Redis has; None where it does not answer, and of what is not shared."""
        keys = [self._name, f"{self._name}:{field}"]
        if (found := await self._call(self._look_up, keys, field, int(LOCK_SECONDS * 1000), int(KEPT_SECONDS * 1000))) is None:
            return None
        value, overdue, is_ours = found
        if value is None:
            return Found(None, math.inf, bool(is_ours))
        try:
            return Found(msgpack.decode(value, type=Rows), overdue / 1000, bool(is_ours))
        except DecodeError:
            return None

    def _begin(self, served: str, field: str, statement: sa.Executable) -> "asyncio.Task[Rows]":
        made = asyncio.create_task(self._make(served, field, statement))
        self._being_made.add(made)
        made.add_done_callback(self._being_made.discard)
        # A failure that nobody waits for is no news: the last answer was given, and the next who asks begins again.
        made.add_done_callback(lambda each: each.cancelled() or each.exception())
        return made

    async def _make(self, served: str, field: str, statement: sa.Executable) -> Rows:
        """Ask the database, and let the others have what it says."""
        try:
            async with asyncio.timeout(REBUILD_SECONDS):
                rows = await self._database.rows(statement)
        except TimeoutError as error:
            raise StoreUnavailable("The database cannot be reached.") from error
        value = msgpack.encode(rows) if all(map(_comes_back, rows)) else _NOT_SHARED
        if len(value) > VALUE_BYTES:
            value = _NOT_SHARED
        seconds = FRESH_SECONDS * random.uniform(1 - JITTER, 1 + JITTER) if rows else NOTHING_SECONDS  # noqa: S311 - no secret
        keys = [self._name, f"{self._name}:{field}"]
        await self._call(self._keep, keys, field, value, served, int(seconds * 1000), ALL_BYTES, int(KEPT_SECONDS * 1000))
        return rows

    async def _wait(self, made: "asyncio.Task[Rows]", last: Rows | None) -> Rows:
        """What is being made; the last answer instead where there is one and the database takes too long."""
        try:
            async with asyncio.timeout(None if last is None else PATIENCE_SECONDS):
                rows = await asyncio.shield(made)  # a client that goes away must not take the others' answer with it
        except (StoreUnavailable, TimeoutError):
            if last is None:
                raise
            self._hit.inc()
            return last
        self._miss.inc()
        return rows

    async def _call(self, script: "AsyncScript | None", keys: list[str], *arguments: Any) -> Any:
        """What a script answers; None where Redis does not, which is then left alone for a while."""
        async with self._calls:
            if script is None or time.monotonic() < self._rests_until:
                return None
            try:
                return await script(keys=keys, args=arguments)
            except (RedisError, OSError):
                self._rests_until = time.monotonic() + BREAK_SECONDS
                return None


def _comes_back(row: dict[str, Any]) -> bool:
    """Whether MessagePack tells each value as what it is: it makes text of days and of exact numbers."""
    return all(type(value) in _TOLD and not (type(value) is datetime and value.tzinfo is None) for value in row.values())


def _release() -> str:
    """Of the modules that read rows: another release of them may want other columns of the same statement."""
    sources = sorted((Path(__file__).parent / "store").glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
