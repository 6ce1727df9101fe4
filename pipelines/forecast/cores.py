"""How the work of growing trees is spread over two cores.

Belongs here: what is done at the same time, and on how many threads. Does not belong here: anything that decides a forecast;
the number of threads changes no tree.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from threading import Event
from typing import TypeVar

T = TypeVar("T")

_stop: ContextVar[Event | None] = ContextVar("_stop", default=None)
"""Of work that is done at once with other: set when that failed, or when somebody wants all of it to end."""


class Stopped(Exception):
    """The work beside this one failed, or was interrupted."""


def at_once(*work: Callable[[], T]) -> list[T]:
    """What each piece of work gives; two are done at a time, each on a core of its own.

    Two regressions of 31 leaves that need nothing of each other, on a thread each, are grown in four fifths of the time in which
    both threads grow one after the other: small nodes leave little to divide. Trees of outcomes gain nothing by it, and what both
    need is held twice. (Two at once on two threads each would wait for each other.)
    Where one piece fails, or the caller is interrupted, the others end at their next `go_on`.
    """

    stop = Event()

    def alone(each: Callable[[], T]) -> T:
        _stop.set(stop)
        return each()

    with ThreadPoolExecutor(2) as pool:
        try:
            return list(pool.map(alone, work))
        except BaseException:
            stop.set()  # the pool waits for what has begun, which looks at it between two trees
            raise


def go_on(*_: object) -> None:
    """What long work calls now and then, as LightGBM does its callbacks.

    Raises:
        Stopped: it shall not.
    """
    if (stop := _stop.get()) is not None and stop.is_set():
        raise Stopped


def threads(n_matches: int) -> int:
    """How many threads LightGBM is given.

    On small data a second thread waits longer for the first than it works, by far if others use the machine too.
    """
    return 2 if n_matches > 20_000 and _stop.get() is None else 1
