"""Counting without waiting for the metric.

Belongs here: a count and its handing over. Does not belong here: which metrics there are, and when it is done (`telemetry`).
"""

from collections.abc import Callable


class Tally:
    """A count that a request only adds to, and that goes to its metric a few times a second: in a file that workers share, each
    single step would cost a request as much as it takes to find its answer."""

    __slots__ = ("_give", "_n")

    def __init__(self, give: Callable[[float], None]) -> None:
        self._give = give
        self._n = 0

    def inc(self, n: int = 1) -> None:
        """Count so many more."""
        self._n += n

    def hand_over(self) -> None:
        """Add to the metric what came together."""
        n, self._n = self._n, 0
        if n:
            self._give(n)
