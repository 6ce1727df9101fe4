"""Leaving a Redis alone that does not answer.

Belongs here: that all clients of a process know of it when one of them has waited in vain. Does not belong here: how long each
waits (`identity.limits.connect`), what is done without Redis (whoever asks).
"""

import math
import time
from collections.abc import Callable
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as NotInTime

from serving.identity import limits
from serving.identity.buckets import BREAK_SECONDS


class Rest:
    """Until when Redis is left alone. One for all clients: a request that asks it for three things waits for it once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = -math.inf

    @property
    def is_over(self) -> bool:
        """Whether Redis may be asked."""
        return self._clock() >= self._until

    def begin(self) -> None:
        """Somebody waited in vain."""
        self._until = self._clock() + BREAK_SECONDS


class RestingRedis(Redis):
    """A client that asks nothing while Redis rests. What is subscribed to is not asked for, and listens on."""

    rest: Rest

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """What Redis answers to a command.

        Raises:
            RedisError: it does not answer, or did not answer somebody a moment ago.
        """
        if not self.rest.is_over:
            raise NotConnected("Redis did not answer a moment ago, and is left alone.")
        try:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except (NotConnected, NotInTime, OSError):
            self.rest.begin()
            raise


def clients(url: str, n: int) -> list[RestingRedis | None]:
    """Clients with a pool of connections each that share their rests; None where no Redis is configured."""
    rest = Rest()
    return [_client(url, rest) for _ in range(n)]


def _client(url: str, rest: Rest) -> RestingRedis | None:
    if (plain := limits.connect(url)) is None:
        return None
    client = cast(RestingRedis, RestingRedis.from_pool(plain.connection_pool))
    client.rest = rest
    return client
