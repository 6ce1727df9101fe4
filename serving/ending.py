"""Ending what goes on in the background.

Belongs here: cancelling tasks so that they have ended. Does not belong here: what goes on, or closing connections.
"""

import asyncio
from collections.abc import Collection
from typing import Any, Final

import structlog

AGAIN_SECONDS: Final = 0.5
TIMES: Final = 20

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
