"""How often one may try to log in.

Belongs here: counting attempts, in Redis where there is one, in this process where there is none or it does not answer.
Does not belong here: passwords, HTTP, how many requests of any kind one may make (`buckets`).
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

ATTEMPTS_PER_ACCOUNT: Final = 10
ATTEMPTS_PER_ADDRESS: Final = 60
WINDOW_SECONDS: Final = 60
BREAK_SECONDS: Final = 2.0


@lru_cache(4096)
def subscriber(host: str) -> str:
    """Whose an address is: an IPv6 one stands for its /64, which one subscriber has to himself."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(address.packed[:8] + bytes(8)))


def connect(url: str) -> "Redis | None":
    """A client that gives up quickly: with redis-py's default of ten retries, a dead Redis costs each caller seconds."""
    if not url:
        return None
    return Redis.from_url(url, socket_timeout=0.1, socket_connect_timeout=0.1, retry=Retry(NoBackoff(), 0))


class LoginLimit:
    """A fixed window of failed attempts per account and per address.

    An attempt is counted before the password is looked at, so that parallel guesses cannot slip past, and given back
    when it was right.
    """

    def __init__(self, redis: "Redis | None", clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock
        self._redis_rests_until = 0.0
        self._window = 0
        self._counts: Counter[str] = Counter()

    async def take(self, username: str, address: str) -> bool:
        """Count an attempt; False if account or address has had too many."""
        counts = await self._add(username, address, 1)
        return counts[0] <= ATTEMPTS_PER_ACCOUNT and counts[1] <= ATTEMPTS_PER_ADDRESS

    async def give_back(self, username: str, address: str) -> None:
        """The attempt was right after all."""
        await self._add(username, address, -1)

    def seconds_left(self) -> int:
        """Until the window ends and attempts count from zero."""
        return WINDOW_SECONDS - int(self._clock()) % WINDOW_SECONDS

    async def redis_state(self) -> str:
        """`up`, `down`, or `off` where none is configured."""
        if self._redis is None:
            return "off"
        try:
            await self._redis.ping()
        except (RedisError, OSError):
            return "down"
        return "up"

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _add(self, username: str, address: str, amount: int) -> tuple[int, int]:
        window = int(self._clock()) // WINDOW_SECONDS
        prefix = f"football:login:{window}"
        keys = (f"{prefix}:account:{digest(username)}", f"{prefix}:address:{digest(subscriber(address))}")
        if self._redis is not None and self._clock() >= self._redis_rests_until:
            try:
                async with self._redis.pipeline(transaction=True) as pipeline:
                    for key in keys:
                        pipeline.incrby(key, amount)
                        pipeline.expire(key, 2 * WINDOW_SECONDS)
                    replies = await pipeline.execute()
                return int(replies[0]), int(replies[2])
            except (RedisError, OSError):
                # A frozen Redis costs its time-out once, not every login.
                self._redis_rests_until = self._clock() + BREAK_SECONDS
        if window != self._window:
            self._window, self._counts = window, Counter()
        for key in keys:
            self._counts[key] += amount
        return self._counts[keys[0]], self._counts[keys[1]]


def digest(subject: str) -> str:
    """Keys have one length and hold no personal data."""
    return hashlib.sha256(subject.encode(errors="replace")).hexdigest()[:32]
