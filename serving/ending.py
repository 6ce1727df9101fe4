"""Ending what goes on in the background.

Belongs here: cancelling tasks so that they have ended, and closing what is open in bounded time. Does not belong here: what goes
on, or what is open.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, Final

import structlog

AGAIN_SECONDS: Final = 0.5
TIMES: Final = 20
CLOSING_SECONDS: Final = 10.0

_log = structlog.get_logger("serving")


async def end(tasks: "Collection[asyncio.Task[Any]]") -> None:
    """Cancel tasks, more than once if need be: a driver that is told so while its server goes away may tell of that instead, and
    what was to end for good takes it for an outage and goes on. Ten seconds at most are waited."""
    left = [each for each in tasks if not each.done()]
    for _ in range(TIMES):
        if not left:
            return
        for each in left:
            each.cancel()
        _, pending = await asyncio.wait(left, timeout=AGAIN_SECONDS)
        left = list(pending)
    if left:
        _log.error("background_goes_on", tasks=[each.get_name() for each in left])


async def close(*closings: Callable[[], Awaitable[None]]) -> None:
    """Close one after the other. What takes longer than ten seconds in sum ends with the process."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_SECONDS):
            for each in closings:
                await each()
