"""Word of a new publication, by Redis.

Belongs here: the channel, and waiting for what is said on it. Nothing depends on being told: whoever waits stops waiting after
a while, and asks the database. Does not belong here: what is done then.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

if TYPE_CHECKING:
    from redis.asyncio import Redis

REST_SECONDS = 1.0


def channel(edition: str) -> str:
    """Where the pipelines of an edition announce the number of a new publication."""
    return f"football:{edition}:publication"


class Announcements:
    """Listens while `listen` runs; without Redis nobody is ever told."""

    def __init__(self, redis: "Redis | None", edition: str) -> None:
        self._redis = redis
        self._channel = channel(edition)
        self._told = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return when a publication is announced, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._told.wait()
        self._told.clear()

    async def listen(self) -> None:
        """Listen for ever, subscribing again whenever the connection is lost."""
        while self._redis is not None:
            with suppress(RedisError, OSError):
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(self._channel)
                    self._told.set()  # what was announced before is found by asking once more
                    while True:
                        if await subscription.get_message(ignore_subscribe_messages=True, timeout=REST_SECONDS) is not None:
                            self._told.set()
            await asyncio.sleep(REST_SECONDS)
