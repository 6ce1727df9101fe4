"""How often somebody may do something: a token bucket each, in Redis, shared by all workers.

Belongs here: taking tokens, and giving them back. Does not belong here: what for and whose (`rate_limits`, `limits`), HTTP.

A bucket holds `burst` tokens and gets `per_second` of them back each second (GCRA: only the moment at which it would be full
again is kept). A worker leases a twentieth of a second's worth at a time, so that not each request costs a call: in any t seconds
all workers together let at most `burst + per_second * t` and one lease of each worker through. Leases that are asked for while a
call is under way go together in the next. Without Redis each worker keeps buckets of its own.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from msgspec import Struct
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

LEASES_PER_SECOND: Final = 20
LEASE_SECONDS: Final = 1.0
"""After which what is left of a lease is forfeited."""

MAXIMUM_LEASES: Final = 20_000
"""Of each worker; beyond, whoever came least recently begins a new lease."""

# One atomic step for all who want tokens, or give some back (a negative number). Redis' own clock, for those of the workers'
# machines may differ.
_LEASE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {}
for i, key in ipairs(KEYS) do
  local interval, burst, wanted = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local full_at = math.max(tonumber(redis.call('GET', key) or 0), now)
  local granted = math.min(wanted, math.max(0, math.floor(burst - (full_at - now) / interval + 0.001)))
  full_at = full_at + granted * interval
  if full_at <= now then
    redis.call('DEL', key)
  elseif granted ~= 0 then
    redis.call('SET', key, string.format('%.2f', full_at), 'PX', math.ceil((full_at - now) / 1000))
  end
  answer[2 * i - 1], answer[2 * i] = math.max(granted, 0), math.ceil(math.max(0, full_at - now))
end
return answer
"""


class Rate(Struct, frozen=True):
    """What a bucket holds, and what it gets back."""

    per_second: float
    burst: int

    @property
    def lease(self) -> int:
        """Tokens that a worker takes at a time."""
        return max(1, int(self.per_second / LEASES_PER_SECOND))


class Lease:
    """The tokens of one bucket that this worker holds, and what it last heard of the rest. Moments by the worker's clock."""

    __slots__ = ("full_at", "key", "rate", "refused_until", "tokens", "until")

    def __init__(self, key: str, rate: Rate) -> None:
        self.key = key
        self.rate = rate
        self.tokens = 0
        self.until = 0.0
        self.refused_until = 0.0
        self.full_at = 0.0

    def remaining(self, now: float) -> int:
        """About how many requests may follow at once: other workers take from the same bucket."""
        return self.tokens + max(0, _free(self.rate, self.full_at - now))

    def seconds_until_full(self, now: float) -> int:
        """As far as this worker knows."""
        return max(0, math.ceil(self.full_at - now))


class Buckets:
    """Takes tokens from buckets of one rate; `name` keeps those of different rates apart."""

    def __init__(self, redis: "Redis | None", name: str, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.clock = clock
        self._lease_many = redis.register_script(_LEASE) if redis is not None else None
        self._prefix = f"football:{name}:"
        self._leases: OrderedDict[str, Lease] = OrderedDict()
        self._wanted: dict[str, tuple[Lease, asyncio.Future[None]]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def take(self, subject: str) -> tuple[bool, Lease]:
        """Take a token of somebody's: whether there was one, and what is known of the bucket."""
        lease = self._leases.get(subject)
        if lease is None:
            lease = self._leases[subject] = Lease(self._prefix + digest(subject), self.rate)
            if len(self._leases) > MAXIMUM_LEASES:
                self._leases.popitem(last=False)
        is_leased_for_this = False
        while True:
            now = self.clock()
            # However late a busy worker gets to the answer: the bucket was charged for it.
            if lease.tokens and (is_leased_for_this or now < lease.until):
                lease.tokens -= 1
                return True, lease
            if now < lease.refused_until:
                return False, lease
            if subject in self._leases:
                self._leases.move_to_end(subject)
            await self._renew(lease)
            is_leased_for_this = True

    async def give_back(self, subject: str) -> None:
        """Put a token back that was taken: it is as if it had not been."""
        if (lease := self._leases.get(subject)) is None:
            return
        lease.refused_until = 0.0
        lease.full_at -= 1 / self.rate.per_second
        if self._lease_many is not None:
            with suppress(RedisError, OSError):
                await self._lease_many(keys=[lease.key], args=(1e6 / self.rate.per_second, self.rate.burst, -1))

    async def _renew(self, lease: Lease) -> None:
        """Have tokens leased, or learn that there are none. All who wait for the same bucket wait for one answer."""
        if self._lease_many is None:
            self._lease_here(lease)
            return
        if lease.key not in self._wanted:
            self._wanted[lease.key] = lease, asyncio.get_running_loop().create_future()
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask(self._lease_many))
        await asyncio.shield(self._wanted[lease.key][1])  # a client that goes away must not take the others' answer with it

    async def _ask(self, lease_many: AsyncScript) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            leases = [lease for lease, _ in wanted.values()]
            one = (1e6 / self.rate.per_second, self.rate.burst, self.rate.lease)
            failure: Exception | None = None
            try:
                found = await lease_many(keys=[lease.key for lease in leases], args=one * len(leases))
                for lease, granted, microseconds in zip(leases, found[::2], found[1::2], strict=True):
                    self._note(lease, granted, microseconds / 1e6)
            except (RedisError, OSError):
                for lease in leases:  # they go on from what was last heard of it
                    self._lease_here(lease)
            except Exception as error:  # a fault of ours: those who wait must not wait for ever
                failure = error
            for _, answer in wanted.values():
                if failure is None:
                    answer.set_result(None)
                else:
                    answer.set_exception(failure)

    def _lease_here(self, lease: Lease) -> None:
        """The same without Redis, as far as this worker knows."""
        until_full = max(0.0, lease.full_at - self.clock())
        granted = max(0, min(self.rate.lease, _free(self.rate, until_full)))
        self._note(lease, granted, until_full + granted / self.rate.per_second)

    def _note(self, lease: Lease, granted: int, until_full: float) -> None:
        now = self.clock()
        lease.tokens, lease.until, lease.full_at = granted, now + LEASE_SECONDS, now + until_full
        if not granted:  # until a whole lease is free again: who keeps on asking is refused here, without a call
            lease.refused_until = now + max(0.001, until_full - (self.rate.burst - self.rate.lease) / self.rate.per_second)


def digest(subject: str) -> str:
    """Keys have one length and hold no personal data."""
    return hashlib.sha256(subject.encode(errors="replace")).hexdigest()[:32]


def _free(rate: Rate, until_full: float) -> int:
    """Tokens in a bucket that would be full after so many seconds."""
    return math.floor(rate.burst - max(0.0, until_full) * rate.per_second + 1e-3)
