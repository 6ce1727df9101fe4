"""How the work of growing trees is spread over two cores.

Belongs here: what is done at the same time, and on how many threads. Does not belong here: anything that decides a forecast;
the number of threads changes no tree.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

_has_one_core: ContextVar[bool] = ContextVar("_has_one_core", default=False)


def at_once(*work: Callable[[], T]) -> list[T]:
    """What each piece of work gives; two are done at a time, each on a core of its own.

    Two trees that need nothing of each other, on a thread each, are grown in four fifths of the time in which both threads
    grow one after the other: small nodes leave little to divide. (Two at once on two threads each would wait for each other.)
    """

    def alone(each: Callable[[], T]) -> T:
        _has_one_core.set(True)
        return each()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(alone, work))


def threads(n_matches: int) -> int:
    """How many threads LightGBM is given.

    On small data a second thread waits longer for the first than it works, by far if others use the machine too.
    """
    return 2 if n_matches > 20_000 and not _has_one_core.get() else 1
