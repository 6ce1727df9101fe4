"""What is read of `published`, in Redis for all workers.

Belongs here: keeping what a statement answered under the publication being served, and making it anew when its time is over.
Handed to the stores of what everybody may read in the place of the database; whoever reads accounts, sessions, keys, the audit or
which publication is served has the database itself. Does not belong here: the publication's own answers (`held`), and what
there is nothing of (`unknown`).

An answer is fresh for half a minute, jittered; nothing that there is nothing of, for two seconds. After that one worker asks the
database, the others give the last answer meanwhile, or wait for the new one where the last is older than a minute or there is
none. While the database is away the last answer is given for six hours. Without Redis each worker asks the database, the same
thing once at a time.
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
from redis.exceptions import RedisError
from sqlalchemy.dialects import postgresql

from serving.current import CurrentPublication
from serving.ending import end
from serving.store.database import Database, StoreUnavailable
from serving.tally import Tally

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
"""How long the database may take, whoever waits for it: less than nobody else tries."""

PATIENCE_SECONDS: Final = 1.0
LOOK_AGAIN_SECONDS: Final = 0.02
"""How long, and how often, one waits for the answer that another worker makes, before asking the database oneself."""

VALUE_BYTES: Final = 256 * 1024
"""What is larger is not shared."""

ALL_BYTES: Final = 16 * 1024 * 1024
"""What the answers of one kind under one publication may weigh; beyond, any of them goes, whatever is asked for."""

ENTRY_BYTES: Final = 96
"""What Redis needs for an answer beside its name and its content, at most."""

LET_GO_SECONDS: Final = 60.0
"""For how long the answers of a publication stay that is no longer served: another worker may be a moment behind."""

CALLS_AT_ONCE: Final = 16
QUEUE_SECONDS: Final = 0.1
"""How long one waits to be among them, before doing without Redis."""

# The answer if it is fresh; else also whose turn it is to make the next one. By Redis' own clock, for workers' may differ; an end
# that is further ahead than any is set was set by a clock that has been put back. What was made under an earlier confirmation is
# no longer young: it is given only where the database is away.
_LOOK: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HGET', KEYS[1], ARGV[1])
local overdue = -1
if found then
  overdue = now - (tonumber(string.sub(found, 1, 13)) or 0)
  if overdue < -tonumber(ARGV[4]) then overdue = 0 end
  if (tonumber(string.sub(found, 14, 26)) or 0) < tonumber(ARGV[5]) then overdue = math.max(overdue, tonumber(ARGV[6])) end
  found = string.sub(found, 27)
  if overdue < 0 then return {found, -1, 0} end
  if overdue > tonumber(ARGV[3]) then found = false end
end
local is_ours = redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[2]) and 1 or 0
return {found, overdue, is_ours}
"""

# An answer of a later confirmation stays. Of too many bytes any answers go. Then the next turn is free.
_KEEP: Final = """
local time = redis.call('TIME')
local until_ = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[4])
local before = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
if before and (tonumber(string.sub(before, 14, 26)) or 0) > tonumber(ARGV[3]) then return end
local function weight(name, length) return #name + length + tonumber(ARGV[7]) end
local bytes = (tonumber(redis.call('HGET', KEYS[1], 'bytes')) or 0) + weight(ARGV[1], 26 + #ARGV[2])
if before then bytes = bytes - weight(ARGV[1], #before) end
redis.call('HSET', KEYS[1], 'bytes', 0, ARGV[1], string.format('%013.0f%013.0f', until_, tonumber(ARGV[3])) .. ARGV[2])
while bytes > tonumber(ARGV[5]) and redis.call('HLEN', KEYS[1]) > 1 do
  local each = redis.call('HRANDFIELD', KEYS[1])
  if each ~= 'bytes' then
    bytes = bytes - weight(each, redis.call('HSTRLEN', KEYS[1], each))
    redis.call('HDEL', KEYS[1], each)
  end
end
redis.call('HSET', KEYS[1], 'bytes', bytes)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
"""

_LET_GO: Final = "redis.call('PEXPIRE', KEYS[1], ARGV[1])"

_NOT_SHARED: Final = b""
_TOLD: Final = frozenset({bool, int, float, str, bytes, datetime, list, dict, type(None)})
_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]

Rows = list[dict[str, Any]]


class Found(Struct, frozen=True):
    """What Redis has of a read: its rows (None: no more), seconds since their time was over, and whether we make the next."""

    rows: Rows | None
    overdue: float
    is_ours: bool


class Served(Struct, frozen=True):
    """What rows belong to: the key of its answers, and when it was confirmed (milliseconds since 1970)."""

    key: str
    confirmed_at: int


class SharedReads:
    """In the place of the database: what a statement answers, from Redis where it is known there.

    Reads of one `kind` share what they may weigh: those that many ask for do not go because somebody pages through the rest.
    """

    def __init__(
        self,
        database: Database,
        redis: "Redis | None",
        edition: str,
        current: CurrentPublication,
        lookups: tuple[Tally, Tally],
        kind: str = "common",
    ) -> None:
        self._database = database
        self._current = current
        self._hit, self._miss = lookups
        self._name = f"football:{edition}:shared:{kind}"
        self._look_up = redis.register_script(_LOOK) if redis is not None else None
        self._keep = redis.register_script(_KEEP) if redis is not None else None
        self._let_go = redis.register_script(_LET_GO) if redis is not None else None
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)
        self._served: Served | None = None
        self._being_made: dict[tuple[Served | None, str], asyncio.Task[Rows]] = {}
        self._behind: set[asyncio.Task[Any]] = set()
        self._release = _release()

    async def rows(self, statement: sa.Executable) -> Rows:
        """What one statement answers, a dict a row.

        Raises:
            StoreUnavailable: nobody knows it any more, and the database does not answer in time.
        """
        return await self._rows(statement, is_asked=False)

    @property
    def asked_first(self) -> "AskedFirst":
        """The same for what must not rest on a cache while the database answers."""
        return AskedFirst(self)

    async def close(self) -> None:
        """Make nothing any more."""
        await end([*self._being_made.values(), *self._behind])

    async def _rows(self, statement: sa.Executable, is_asked: bool) -> Rows:
        served = self._change_over()
        field = self._field(served, statement)
        last: Rows | None = None
        gives_up_at = time.monotonic() + PATIENCE_SECONDS
        while served is not None and (found := await self._look(served, field)) is not None:
            last = last if found.rows is None else found.rows
            is_begun = (served, field) in self._being_made
            # Begun whoever waits for it: also behind the back of who is content with the last answer.
            if found.is_ours:
                self._begin(served, field, statement)
            is_enough = found.overdue < YOUNG_SECONDS and not is_asked
            if last is not None and (is_enough or not self._current.database_answers):
                self._count(self._hit)
                return last
            if is_asked:
                break
            if (made := self._being_made.get((served, field))) is not None:
                return await self._wait(made, last, self._hit if is_begun else self._miss)
            if time.monotonic() >= gives_up_at:
                break
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        counted = None if is_asked else self._hit if (served, field) in self._being_made else self._miss
        return await self._wait(self._begin(served, field, statement), last, counted)

    @property
    def _is_away(self) -> bool:
        """Whether the database is known not to answer: at the beginning nothing is known of it."""
        return self._current.last_known is not None and not self._current.database_answers

    def _change_over(self) -> Served | None:
        """What is being served, and since when it is known to be right; None: nothing yet."""
        if (known := self._current.last_known) is None:
            return None
        served = Served(f"{self._name}:{known.publication_id}", int(known.confirmed_at.timestamp() * 1000))
        before, self._served = self._served, served
        if before is not None and before.key != served.key:
            let_go = asyncio.create_task(self._call(self._let_go, [before.key], int(LET_GO_SECONDS * 1000)))
            self._behind.add(let_go)
            let_go.add_done_callback(self._behind.discard)
        return served

    def _field(self, served: Served | None, statement: Any) -> str:
        """Of what an answer depends on: the publication, the statement and its values, and how this release reads rows."""
        compiled = statement.compile(dialect=_DIALECT)
        parts = (self._release, served and served.key, str(compiled), compiled.params)
        return hashlib.sha256(json.encode(parts)).hexdigest()

    async def _look(self, served: Served, field: str) -> Found | None:
        """What Redis has; None where it does not answer, and of what is not shared."""
        limits = (LOCK_SECONDS, KEPT_SECONDS, FRESH_SECONDS * (1 + JITTER))
        arguments = [field, *(int(each * 1000) for each in limits), served.confirmed_at, int(YOUNG_SECONDS * 1000)]
        if (found := await self._call(self._look_up, [served.key, f"{served.key}:{field}"], *arguments)) is None:
            return None
        value, overdue, is_ours = found
        if value is None:
            return Found(None, math.inf, bool(is_ours))
        if value == _NOT_SHARED:
            return None
        try:
            return Found(msgpack.decode(value, type=Rows), overdue / 1000, bool(is_ours))
        except DecodeError:  # damaged: whoever sees it makes it anew, however fresh it is
            return Found(None, math.inf, is_ours=True)

    def _begin(self, served: Served | None, field: str, statement: sa.Executable) -> "asyncio.Task[Rows]":
        """Have it made, by this worker once at a time."""
        if (made := self._being_made.get((served, field))) is not None:
            return made
        made = self._being_made[served, field] = asyncio.create_task(self._make(served, field, statement))
        made.add_done_callback(lambda _: self._being_made.pop((served, field), None))
        # A failure that nobody waits for is no news: the last answer was given, and the next who asks begins again.
        made.add_done_callback(lambda each: each.cancelled() or each.exception())
        return made

    async def _make(self, served: Served | None, field: str, statement: sa.Executable) -> Rows:
        """Ask the database, and let the others have what it says."""
        try:
            async with asyncio.timeout(REBUILD_SECONDS):
                rows = await self._database.rows(statement)
        except TimeoutError as error:
            raise StoreUnavailable("The database cannot be reached.") from error
        if served is None or self._keep is None:
            return rows
        value = msgpack.encode(rows) if all(map(_comes_back, rows)) else _NOT_SHARED
        if len(value) > VALUE_BYTES:
            value = _NOT_SHARED
        seconds = FRESH_SECONDS * random.uniform(1 - JITTER, 1 + JITTER) if rows else NOTHING_SECONDS  # noqa: S311 - no secret
        arguments = [served.confirmed_at, int(seconds * 1000), ALL_BYTES, int(KEPT_SECONDS * 1000), ENTRY_BYTES]
        await self._call(self._keep, [served.key, f"{served.key}:{field}"], field, value, *arguments)
        return rows

    async def _wait(self, made: "asyncio.Task[Rows]", last: Rows | None, counted: Tally | None) -> Rows:
        """What is being made; the last answer instead where there is one and the database takes too long."""
        try:
            # Bounded here too: to end a statement takes a server that answers.
            async with asyncio.timeout(PATIENCE_SECONDS if last is not None or self._is_away else REBUILD_SECONDS):
                rows = await asyncio.shield(made)  # a client that goes away must not take the others' answer with it
        except (StoreUnavailable, TimeoutError) as error:
            if last is None:
                self._count(self._miss)
                raise StoreUnavailable("The database cannot be reached.") from error
            self._count(self._hit)
            return last
        self._count(counted)
        return rows

    def _count(self, counter: Tally | None) -> None:
        """Count a look, where there is something to look into."""
        if counter is not None and self._look_up is not None:
            counter.inc()

    async def _call(self, script: "AsyncScript | None", keys: list[str], *arguments: Any) -> Any:
        """What a script answers; None where Redis does not."""
        if script is None:
            return None
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._calls.acquire()
        except TimeoutError:
            return None
        try:
            return await script(keys=keys, args=arguments)
        except (RedisError, OSError):
            return None
        finally:
            self._calls.release()


class AskedFirst:
    """In the place of the database: itself while it answers, else its last answer."""

    def __init__(self, shared: SharedReads) -> None:
        self._shared = shared

    async def rows(self, statement: sa.Executable) -> Rows:
        """What one statement answers, a dict a row.

        Raises:
            StoreUnavailable: the database does not answer in time, and nobody knows its last answer.
        """
        return await self._shared._rows(statement, is_asked=True)


def _comes_back(row: dict[str, Any]) -> bool:
    """Whether MessagePack tells each value as what it is: it makes text of days and of exact numbers."""
    return all(type(value) in _TOLD and not (type(value) is datetime and value.tzinfo is None) for value in row.values())


def _release() -> str:
    """Of the modules that read rows and say what they become: another release may want other columns of the same statement."""
    sources = sorted(path for folder in ("store", "schemas") for path in (Path(__file__).parent / folder).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
