"""Keeping to the number of requests a minute that a provider allows.

Belongs here: waiting until the provider would answer, by what its answers say is left. Does not belong here: the requests
(`http`), or how often a source is asked at all.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx

from pipelines.sources.protocol import QuotaUsedUp

WINDOW_SECONDS: Final = 60.0

MARGIN_SECONDS: Final = 1
"""Of the seconds whole ones are told, so that one may be missing."""

PATIENCE_SECONDS: Final = 150.0
"""So long after somebody first had to wait nobody waits any more: two windows, in which a key that nobody else uses has answered
for all lists. One that others use up for ever would hold a round for as many windows as there are lists and attempts."""

LEFT: Final = "X-Requests-Available-Minute"
RESET: Final = "X-RequestCounter-Reset"
"""What football-data.org's answers say: how many requests are left, and in how many seconds all are again."""


@dataclass
class Quota:
    """The requests that may still be made in the present window; threads share it.

    Only the provider knows how many: it counts those of other processes with the same key, too, and plans differ. So in each
    window one request goes first, and its answer says how many may follow. `patience_seconds` after somebody first had to wait
    nobody does any more; with 0 nobody ever waits.
    """

    patience_seconds: float = PATIENCE_SECONDS
    _left: int = field(default=0, init=False)
    _n_under_way: int = field(default=0, init=False)
    _window: int = field(default=0, init=False)
    _is_told: bool = field(default=False, init=False)
    _ends_at: float = field(default=-math.inf, init=False)
    _waited_since: float = field(default=math.inf, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)

    @contextmanager
    def request(self) -> Iterator[Callable[[int, Mapping[str, str]], None]]:
        """Make one request within, as soon as there is one left, and hand over its answer's status and headers.

        Raises:
            QuotaUsedUp: the next window begins later than a window lasts, or than anybody is still waiting for.
        """
        told: list[tuple[int, Mapping[str, str]]] = []
        window = self._take()
        try:
            yield lambda status, headers: told.append((status, headers))
        finally:
            self._settle(window, *(told or [(0, {})])[0])

    def _take(self) -> int:
        with self._changed:
            while True:
                now = time.monotonic()
                if now >= self._ends_at:
                    self._window += 1
                    self._left, self._is_told, self._ends_at = 1, False, now + WINDOW_SECONDS
                if self._left > 0:
                    break
                wait_seconds = self._ends_at - now
                self._waited_since = min(self._waited_since, now)
                is_beyond_patience = self._ends_at > self._waited_since + self.patience_seconds
                if is_beyond_patience or wait_seconds > WINDOW_SECONDS + MARGIN_SECONDS:
                    raise QuotaUsedUp(f"The provider allows no more requests and asks to come back in {wait_seconds:.0f} s.")
                self._changed.wait(wait_seconds)
            self._left -= 1
            self._n_under_way += 1
            return self._window

    def _settle(self, window: int, status: int, headers: Mapping[str, str]) -> None:
        left = 0 if status == httpx.codes.TOO_MANY_REQUESTS else _number(headers.get(LEFT, ""))
        reset = _number(headers.get(RESET, ""))
        with self._changed:
            self._n_under_way -= 1
            if window != self._window:
                pass  # it counts what was left in a window that is over
            elif left is None or reset is None:  # no answer, or one that does not say: the next one may
                self._left += 1
            else:
                left = max(0, left - self._n_under_way)  # those on their way may not be counted yet
                if self._is_told:  # answers may overtake each other: none that comes later brings a request back
                    self._left = min(self._left, left)
                else:
                    self._left, self._is_told, self._ends_at = left, True, time.monotonic() + reset + MARGIN_SECONDS
            self._changed.notify_all()


def _number(text: str) -> int | None:
    """The number that a header says; None if it says none, or one that nobody means."""
    return int(text) if text.isdecimal() and len(text) < 10 else None
