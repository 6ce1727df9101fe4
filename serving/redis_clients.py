"""Clients of Redis that give up quickly, and leave one alone that does not answer.

Belongs here: how long each waits, and that all clients of a process know of it when one of them has waited in vain. Does not
belong here: what is done without Redis (whoever asks).
"""

import math
import time
from collections.abc import Callable
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as NotInTime

ANSWER_SECONDS: Final = 0.1
BREAK_SECONDS: Final = 2.0
"""For how long a Redis that did not answer is left alone."""


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
    return [_client(url, rest) if url else None for _ in range(n)]


def _client(url: str, rest: Rest) -> RestingRedis:
    client = RestingRedis.from_url(
        url,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),  # with redis-py's default of ten, a dead Redis costs each caller seconds
    )
    assert isinstance(client, RestingRedis)  # noqa: S101 - the library's own type says less
    client.rest = rest
    return client
