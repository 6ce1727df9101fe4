"""Work that is done at once: on how many threads, and when it ends."""

import time
from threading import Event

import pytest

from pipelines.forecast.cores import Stopped, at_once, go_on, threads

PATIENCE_S = 20.0


def test_each_piece_has_one_thread_and_what_is_alone_has_both() -> None:
    assert at_once(*[lambda: threads(100_000)] * 3) == [1, 1, 1]
    assert threads(100_000) == 2


def test_what_they_give_comes_in_their_order() -> None:
    def late() -> str:
        time.sleep(0.05)
        return "first"

    assert at_once(late, lambda: "second") == ["first", "second"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_where_one_fails_or_somebody_interrupts_the_others_end_too(error: type[BaseException]) -> None:
    """A member's walk over all blocks takes a minute: who stops a run must not wait for it."""
    ended: list[str] = []
    has_begun = Event()

    def fails() -> None:
        assert has_begun.wait(PATIENCE_S)
        raise error

    def long() -> None:
        has_begun.set()
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < PATIENCE_S:
                go_on()
                time.sleep(0.001)
            ended.append("by itself")
        except Stopped:
            ended.append("told")

    with pytest.raises(error):
        at_once(fails, long)
    assert ended == ["told"]
