"""How far the record is from the market, day by day, and how sure that is.

Belongs here: the running sum and its interval. Does not belong here: scoring, which the pipeline does, and drawing (`pages`).
"""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from serving.schemas.record import DayDistance

Z: Final = 1.96
"""Of a two-sided 95 % interval."""


def cumulative(information_set: str, days: Iterable[tuple[datetime, int, float]]) -> list[DayDistance]:
    """The running sum of the days' distances to the market with its 95 % interval, which takes two days.

    Matches of a day are not independent, days nearly are: the sum of k days has k times the variance of a day's sum, as
    estimated from these k.

    Args:
        days: day, matches and sum of their distances, in order.
    """
    result: list[DayDistance] = []
    total = squares = 0.0
    for k, (day, n, distance) in enumerate(days, start=1):
        total += distance
        squares += distance**2
        half = None if k == 1 else Z * math.sqrt(k * max(squares - total**2 / k, 0.0) / (k - 1))
        low, high = (None, None) if half is None else (total - half, total + half)
        result.append(
            DayDistance(information_set=information_set, day=day, n=n, distance=distance, total=total, low=low, high=high)
        )
    return result
