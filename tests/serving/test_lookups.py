"""Credentials that only the database knows: what is looked for, what counts against whom, and who waits."""

import asyncio

import pytest
from litestar.exceptions import TooManyRequestsException

from serving.identity import lookups
from serving.identity.buckets import Buckets, Rate
from serving.identity.lookups import MADE_UP, Lookups
from serving.store.database import StoreUnavailable
from tests.serving.conftest import still_lookups


async def something() -> int | None:
    return 1


async def nothing() -> int | None:
    return None


def test_only_what_is_nobodys_is_counted_and_only_against_its_own_address_and_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.identity.lookups.PATIENCE_SECONDS", 0.01)

    async def scenario() -> None:
        found = still_lookups()

        async def away() -> int | None:
            raise StoreUnavailable

        for _ in range(2 * MADE_UP.burst):
            assert await found.find("2001:db8::1", "key", b"good", something) == 1
            with pytest.raises(StoreUnavailable):
                await found.find("2001:db8::1", "key", b"good", away)
        assert {await found.find(f"2001:db8::{n}", "key", b"%d" % n, nothing) for n in range(MADE_UP.burst)} == {None}
        with pytest.raises(TooManyRequestsException) as refused:
            await found.find("2001:db8::ffff", "key", b"another", nothing)  # of the same subscriber
        assert refused.value.headers == {"Retry-After": "1"}
        assert await found.find("2001:db8::1", "cookie", b"good", something) == 1
        assert await found.find("2001:db8:0:1::1", "key", b"good", something) == 1

    asyncio.run(scenario())


def test_what_was_nobodys_is_looked_for_once_in_a_while_and_is_no_more_than_a_digest() -> None:
    async def scenario() -> None:
        now, looks = 0.0, 0
        found = Lookups(Buckets(None, "lookups", MADE_UP, clock=lambda: 0.0), clock=lambda: now)

        async def look() -> int | None:
            nonlocal looks
            looks += 1
            return None

        for now, expected in ((0.0, 1), (29.9, 1), (30.1, 2), (31.0, 2)):
            assert await found.find("an address", "key", b"dead", look) is None
            assert (now, looks) == (now, expected)
        assert await found.find("an address", "cookie", b"dead", look) is None
        found.forget()
        assert await found.find("an address", "key", b"dead", something) == 1
        assert looks == 3

    asyncio.run(scenario())


def test_no_more_is_remembered_of_what_is_nobodys_than_the_memory_that_is_meant_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.identity.lookups.MAXIMUM_REFUSED", 2)

    async def scenario() -> None:
        found = still_lookups()
        for each in (b"1", b"2", b"3"):
            await found.find("an address", "key", each, nothing)
        assert [*found._refused] == [("key", b"2"), ("key", b"3")]

    asyncio.run(scenario())


def test_where_too_much_was_nobodys_one_waits_for_ones_turn_and_only_so_many_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.identity.lookups.MAXIMUM_WAITING", 2)

    async def scenario() -> None:
        found = Lookups(Buckets(None, "lookups", Rate(per_second=20, burst=1)))
        assert await found.find("an address", "key", b"made up", nothing) is None
        looked = [found.find("an address", "key", b"good %d" % n, something) for n in range(3)]
        answers = await asyncio.gather(*looked, return_exceptions=True)
        assert answers[:2] == [1, 1]
        assert isinstance(answers[2], TooManyRequestsException)
        assert found._waiting == {}

    asyncio.run(scenario())


def test_a_look_up_whose_turn_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.waiting.PATIENCE_SECONDS", 0.01)

    async def scenario() -> None:
        found, answers = still_lookups(), asyncio.Event()
        looking = [asyncio.create_task(found.find("", "key", b"%d" % n, answers.wait)) for n in range(lookups.AT_ONCE)]
        await asyncio.sleep(0)  # each has its turn
        with pytest.raises(StoreUnavailable):
            await found.find("", "key", b"one more", answers.wait)
        answers.set()
        assert await asyncio.gather(*looking, found.find("", "key", b"one more", answers.wait)) == [True] * (lookups.AT_ONCE + 1)

    asyncio.run(scenario())
