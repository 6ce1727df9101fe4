"""Which limit a request ran into, other than those that count every request (`rate_limits`).

Belongs here: noting it where it happens, far from metrics and HTTP. Does not belong here: the limits, and counting (`telemetry`).
"""

from contextvars import ContextVar
from typing import Any, Final

REFUSED_BY: Final = "refused_by"
answering: Final[ContextVar[dict[str, Any]]] = ContextVar("answering")
"""The state of the request that is being answered: its id, for the log, and by which limit it was refused, for the metrics."""


def refused_by(limit: str) -> None:
    """Note that the request is refused by this limit: one of those that `serving_limited` tells."""
    if (state := answering.get(None)) is not None:
        state[REFUSED_BY] = limit
