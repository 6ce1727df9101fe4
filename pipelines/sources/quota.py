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

WINDOW_SECONDS: Final = 60.0

LEFT: Final = "X-Requests-Available-Minute"
RESET: Final = "X-RequestCounter-Reset"
"""What football-data.org's answers say: how many requests are left, and in how many seconds all are again."""


@dataclass
class Quota:
    """The requests that may still be made in the present window; threads share it.

    Only the provider knows how many: it counts those of other processes with the same key, too, and plans differ. So in each
    window one request goes first, and its answer says how many may follow.
    """

    _left: int = field(default=0, init=False)
    _n_under_way: int = field(default=0, init=False)
    _ends_at: float = field(default=-math.inf, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)

    @contextmanager
    def request(self) -> Iterator[Callable[[int, Mapping[str, str]], None]]:
        """Make one request within, as soon as there is one left, and hand over its answer's status and headers."""
        told: list[tuple[int, Mapping[str, str]]] = []
        self._take()
        try:
            yield lambda status, headers: told.append((status, headers))
        finally:
            self._settle(*(told or [(0, {})])[0])

    def _take(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                if now >= self._ends_at:
                    self._left, self._ends_at = 1, now + WINDOW_SECONDS
                if self._left > 0:
                    break
                self._changed.wait(self._ends_at - now)
            self._left -= 1
            self._n_under_way += 1

    def _settle(self, status: int, headers: Mapping[str, str]) -> None:
        left = "0" if status == httpx.codes.TOO_MANY_REQUESTS else headers.get(LEFT, "")
        reset = headers.get(RESET, "")
        with self._changed:
            self._n_under_way -= 1
            if left.isdecimal() and reset.isdecimal():
                # Those on their way may not be counted yet; and of the seconds, whole ones are told, so that one may be missing.
                self._left = max(0, int(left) - self._n_under_way)
                self._ends_at = time.monotonic() + int(reset) + 1
            else:  # no answer, or one that does not say: the next one may
                self._left += 1
            self._changed.notify_all()
