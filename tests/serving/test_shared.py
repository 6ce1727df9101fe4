"""What is read of `published` is read once for all workers, outlives the database for a while, and is never another publication's."""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import redis
import sqlalchemy as sa
from litestar.testing import TestClient
from prometheus_client import CollectorRegistry, Counter
from redis.asyncio import Redis as AsyncRedis

from deploy.database import Urls
from pipelines.announcement import announce
from pipelines.store import published_tables
from serving import shared, unknown
from serving.app import create_app
from serving.identity.buckets import Rate
from serving.redis_clients import clients
from serving.schemas import Publication
from serving.settings import Settings
from serving.shared import SharedReads
from serving.store.database import Database, StoreUnavailable
from tests.serving.conftest import CHECKS, NOW, TOLD, match, prediction, publish, tell
from tests.serving.process import frozen
from tests.serving.test_auth import IDS
from tests.serving.test_service import samples, wait_for

SettingsFor = Callable[..., Settings]
Bearer = Callable[..., dict[str, str]]

PUBLICATION = Publication(
    publication_id=2, published_at=NOW, confirmed_at=NOW, data_cutoff=NOW, is_simulated=False, digest="0" * 64,
    n_predictions=0, note=None, git_revision=None,
)  # fmt: skip
KEY = f"football:live:shared:common:{PUBLICATION.publication_id}"

PAGES = ("/matches/{match}", "/record", "/leagues/E0", "/leagues", "/status")
LISTED = (
    *("/v1/matches/m1", "/v1/matches/m1/predictions", "/v1/teams/england-a", "/v1/matches?team=england-a", "/v1/teams"),
    *("/v1/record/predictions", "/v1/models/results/evidence", f"/v1/predictions/{1:064x}/lineage"),
)
"""What is read when somebody asks for it."""

TWINS = (
    *(
        "/v1/record",
        "/v1/record/calibration",
        "/v1/record/distance?information_set=results",
        "/v1/record/verification",
        "/v1/competitions/E0/season",
    ),
    *("/v1/status", "/v1/models", "/v1/publication/checks"),
    *LISTED,
)

IN_COMMON = 10
"""The table, its outlook and season, two summaries and the distance of a set, verification, backup, checks and models."""


class Counted(Database):
    """A database that notes what reaches it, and may be slow or away."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.reached: list[str] = []
        self.delay = 0.0
        self.is_away = False

    async def rows(self, statement: sa.Executable) -> list[dict[str, Any]]:
        self.reached.append(str(statement))
        await asyncio.sleep(self.delay)
        if self.is_away:
            raise StoreUnavailable("away")
        return await super().rows(statement)


def patient(url: str) -> AsyncRedis:
    """A client that waits for a busy machine: how long the service's own waits is tested where Redis is frozen."""
    return AsyncRedis.from_url(url, socket_timeout=10.0, socket_connect_timeout=10.0)


@pytest.fixture
def patient_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.redis_clients.ANSWER_SECONDS", 10.0)


class Worker:
    """One worker's shared reads, with the database that it counts and what it knows of the publication."""

    def __init__(self, url: str, redis_url: str) -> None:
        self.database = Counted(url)
        self.redis = patient(redis_url)
        self.current = SimpleNamespace(last_known=PUBLICATION, database_answers=True)
        self.hits, self.misses = (Counter(name, name, registry=CollectorRegistry()) for name in ("hits", "misses"))
        current: Any = self.current
        self.reads = SharedReads(self.database, self.redis, "live", current, (self.hits, self.misses))

    async def __aenter__(self) -> "Worker":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.reads.close()
        await self.database.close()
        await self.redis.aclose()

    @property
    def looked_up(self) -> tuple[int, int]:
        """Hits and misses."""
        return tuple(int(next(iter(each.collect())).samples[0].value) for each in (self.hits, self.misses))  # type: ignore[return-value]


def number(n: int) -> sa.TextClause:
    return sa.text("select cast(:n as integer) as n, clock_timestamp() as at").bindparams(n=n)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


@contextmanager
def killed(database: Urls, admin_url: str) -> Iterator[psycopg.Connection]:
    """The database, its connections ended and none let in, until the end or until it is allowed again."""
    name = database.api.rpartition("/")[2]
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f'alter database "{name}" allow_connections false')
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        try:
            yield admin
        finally:
            admin.execute(f'alter database "{name}" allow_connections true')


def test_whatever_stands_in_published_comes_back_as_the_database_told_it(urls: Urls, redis_url: str) -> None:
    """Moments with their zone, numbers as numbers, NaN, JSON; only of competitions, whose day would become text, nothing is kept."""

    async def test() -> None:
        async with Worker(urls.api, redis_url) as worker:
            for name in (*TOLD, "check_result", "transformation", "feature_row", "publication", "prediction", "competition"):
                statement = sa.text(f"select * from published.{name}")
                told = await worker.database.rows(statement)
                worker.database.reached.clear()
                first, second = [await worker.reads.rows(statement) for _ in range(2)]
                assert told
                assert repr(first) == repr(second) == repr(told), name
                assert len(worker.database.reached) == (2 if name == "competition" else 1), name

    run(test())


def test_workers_that_ask_at_once_make_one_answer_at_each_expiry(
    urls: Urls, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("FRESH_SECONDS", 1.0), ("PATIENCE_SECONDS", 20.0), ("QUEUE_SECONDS", 20.0)):
        monkeypatch.setattr(shared, name, seconds)

    async def test() -> None:
        async with Worker(urls.api, redis_url) as one, Worker(urls.api, redis_url) as other:
            for each in (one, other):
                each.database.delay = 0.1
            for round_ in range(1, 4):
                answers = await asyncio.gather(*(each.reads.rows(number(1)) for each in (one, other) for _ in range(50)))
                await asyncio.gather(*one.reads._being_made.values(), *other.reads._being_made.values())
                assert len(one.database.reached + other.database.reached) == round_
                assert len({answer[0]["at"] for answer in answers}) == 1
                await asyncio.sleep(1.3)
            hits, misses = (sum(each) for each in zip(one.looked_up, other.looked_up, strict=True))
            # Whoever makes the first answer misses; afterwards the last one is given while the next is made.
            assert (hits, misses) == (299, 1)

    run(test())


def test_an_old_answer_is_not_given_while_the_database_can_tell_the_new_one(
    urls: Urls, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("FRESH_SECONDS", 1.0), ("YOUNG_SECONDS", 0.05), ("PATIENCE_SECONDS", 20.0)):
        monkeypatch.setattr(shared, name, seconds)

    async def test() -> None:
        async with Worker(urls.api, redis_url) as one, Worker(urls.api, redis_url) as other:
            first = (await one.reads.rows(number(1)))[0]["at"]
            await asyncio.sleep(1.3)
            one.database.delay = 0.2
            answers = await asyncio.gather(*(each.reads.rows(number(1)) for each in (one, other) for _ in range(3)))
            moments = {answer[0]["at"] for answer in answers}
            assert len(moments) == 1
            assert first not in moments
            assert len(one.database.reached + other.database.reached) == 2

    run(test())


def test_the_last_answer_is_given_while_the_database_is_away_or_too_slow_and_no_longer_than_promised(
    urls: Urls, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("FRESH_SECONDS", 0.05), ("YOUNG_SECONDS", 0.0), ("PATIENCE_SECONDS", 1.0), ("LOCK_SECONDS", 0.01)):
        monkeypatch.setattr(shared, name, seconds)

    async def test() -> None:
        async with Worker(urls.api, redis_url) as worker:
            first = await worker.reads.rows(number(1))
            await asyncio.sleep(0.1)
            worker.database.is_away = True
            assert await worker.reads.rows(number(1)) == first  # nobody has noticed yet
            worker.current.database_answers, worker.database.delay = False, 5.0
            begun = time.perf_counter()
            assert await worker.reads.rows(number(1)) == first
            assert time.perf_counter() - begun < 1.0, "it is known to be away: nobody waits for it"
            with pytest.raises(StoreUnavailable):
                await worker.reads.rows(number(3))
            assert time.perf_counter() - begun < shared.REBUILD_SECONDS, "who has no other answer waits a little"
            worker.database.delay = 0.0
            with pytest.raises(StoreUnavailable):
                await worker.reads.rows(number(2))  # never asked for before
            worker.database.is_away, worker.database.delay, worker.current.database_answers = False, 5.0, True
            assert await worker.reads.rows(number(1)) == first  # it hangs
            monkeypatch.setattr(shared, "KEPT_SECONDS", 0.0)
            worker.database.is_away, worker.database.delay = True, 0.0
            await asyncio.sleep(0.02)
            with pytest.raises(StoreUnavailable):
                await worker.reads.rows(number(1))

    run(test())


def test_whatever_is_asked_for_no_more_is_kept_than_it_may_weigh(
    urls: Urls, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "ALL_BYTES", 10_000)

    async def test() -> None:
        async with Worker(urls.api, redis_url) as worker:
            for n in range(1000):
                await worker.reads.rows(number(n))
        with redis.Redis.from_url(redis_url) as admin:
            assert [*admin.scan_iter("football:live:shared*")] == [KEY.encode()]  # no lock is left
            kept: dict[bytes, bytes] = admin.hgetall(KEY)
            told = int(kept.pop(b"bytes"))
            assert told == sum(len(name) + len(value) + shared.ENTRY_BYTES for name, value in kept.items())
            assert 9_700 < told <= 10_000
            assert 0 < admin.ttl(KEY) <= shared.KEPT_SECONDS

    run(test())


def test_what_was_made_at_once_is_not_due_at_once(urls: Urls, redis_url: str) -> None:
    """Or all that was read at a publication would be made anew in the same moment, every half minute."""

    async def test() -> None:
        with redis.Redis.from_url(redis_url) as admin:
            begun = float(admin.time()[0])
            async with Worker(urls.api, redis_url) as worker:
                for n in range(100):
                    await worker.reads.rows(number(n))
            ended = float(admin.time()[0] + 1)
            kept: dict[bytes, bytes] = admin.hgetall(KEY)
            due = [int(value[:13]) / 1000 for name, value in kept.items() if name != b"bytes"]
        assert len(due) == 100
        assert (min(due) >= begun + 24, max(due) <= ended + 36) == (True, True), "half a minute, and a fifth more or less"
        assert max(due) - min(due) > 6

    run(test())


def test_what_is_too_large_is_not_kept(urls: Urls, redis_url: str) -> None:
    async def test() -> None:
        async with Worker(urls.api, redis_url) as worker:
            for n_bytes, n_reached in ((shared.VALUE_BYTES - 100, 1), (shared.VALUE_BYTES, 2)):
                statement = sa.text("select repeat('x', :n) as x").bindparams(n=n_bytes)
                for _ in range(2):
                    assert len((await worker.reads.rows(statement))[0]["x"]) == n_bytes
                assert len(worker.database.reached) == n_reached
                worker.database.reached.clear()

    run(test())


def test_that_there_is_nothing_is_believed_for_two_seconds_only(
    urls: Urls, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a publication and what its run writes behind it somebody may ask."""
    monkeypatch.setattr(shared, "YOUNG_SECONDS", 0.0)
    assert shared.NOTHING_SECONDS == 2.0
    monkeypatch.setattr(shared, "NOTHING_SECONDS", 1.0)
    statement = sa.text("select team_id from published.team where team_id = 'nobody'")

    async def test() -> None:
        async with Worker(urls.api, redis_url) as worker:
            assert [await worker.reads.rows(statement) for _ in range(3)] == [[], [], []]
            assert len(worker.database.reached) == 1
            await asyncio.sleep(1.1)
            assert await worker.reads.rows(statement) == []
            assert len(worker.database.reached) == 2

    run(test())


def test_another_publication_a_confirmed_one_and_another_release_have_answers_of_their_own(urls: Urls, redis_url: str) -> None:
    async def test() -> None:
        async with Worker(urls.api, redis_url) as worker:
            first = await worker.reads.rows(number(1))
            assert await worker.reads.rows(number(1)) == first
            seen = [first]
            for changes in ({"publication_id": 3}, {"confirmed_at": NOW + timedelta(minutes=1)}):
                values = {name: getattr(PUBLICATION, name) for name in Publication.__struct_fields__} | changes
                worker.current.last_known = Publication(**values)
                seen.append(await worker.reads.rows(number(1)))
            worker.reads._release = "another"
            seen.append(await worker.reads.rows(number(1)))
            assert len({rows[0]["at"] for rows in seen}) == 4

    run(test())


def test_a_release_is_known_by_whoever_reads_rows_and_whoever_says_what_they_become(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "__file__", str(tmp_path / "shared.py"))
    seen = []
    for name in ("store/record.py", "schemas/record.py", "schemas/models.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
        seen.append(shared._release())
    (tmp_path / "schemas/record.py").write_text("changed")
    assert len({*seen, shared._release()}) == 4


@pytest.mark.parametrize("value", [b"\xc1", b"\x81\xa1a\x01", b"\x91\xc4\x02ab"])
def test_what_somebody_else_wrote_there_is_an_answer_of_nobody(urls: Urls, redis_url: str, value: bytes) -> None:
    async def test() -> None:
        async with Worker(urls.api, redis_url) as worker:
            await worker.reads.rows(number(1))
            with redis.Redis.from_url(redis_url) as admin:
                (field,) = set(admin.hkeys(KEY)) - {b"bytes"}
                admin.hset(KEY, field, admin.hget(KEY, field)[:26] + value)
            begun = time.perf_counter()
            for _ in range(2):
                assert (await worker.reads.rows(number(1)))[0]["n"] == 1
            assert len(worker.database.reached) == 2, "made anew, and kept"
            assert time.perf_counter() - begun < shared.PATIENCE_SECONDS

    run(test())


def test_a_statement_that_hangs_ends_no_answer_that_somebody_still_knows(
    database: Urls, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the lock as long as it is, readers at all moments of it: whoever makes the answer, and whoever waits for that."""
    for name, seconds in (("FRESH_SECONDS", 0.05), ("YOUNG_SECONDS", 0.0)):
        monkeypatch.setattr(shared, name, seconds)
    tell(database.model)
    teams = sa.text("select count(*) as n, clock_timestamp() as at from published.team")

    async def timed(worker: Worker) -> tuple[Any, float]:
        begun = time.perf_counter()
        return await worker.reads.rows(teams), time.perf_counter() - begun

    async def test() -> None:
        async with Worker(database.api, redis_url) as one, Worker(database.api, redis_url) as other:
            first = await one.reads.rows(teams)
            await asyncio.sleep(0.1)
            with psycopg.connect(database.owner) as owner:
                owner.execute("lock table published.team in access exclusive mode")
                asked = []
                for _ in range(12):
                    asked += [asyncio.create_task(timed(worker)) for worker in (one, other) for _ in range(5)]
                    await asyncio.sleep(0.5)
                answers = await asyncio.gather(*asked)
                assert {repr(rows) for rows, _ in answers} == {repr(first)}
                assert max(seconds for _, seconds in answers) < 2 * shared.PATIENCE_SECONDS + 1
                # Each worker once at a time, of 120 readers: that is every three seconds, and one of them each five.
                assert len(one.database.reached + other.database.reached) <= 1 + 6
                fresh = sa.text("select count(*) as others from published.team")
                one.database.reached.clear()
                begun = time.perf_counter()
                failed = await asyncio.gather(*(one.reads.rows(fresh) for _ in range(20)), return_exceptions=True)
                assert {type(each) for each in failed} == {StoreUnavailable}
                assert time.perf_counter() - begun < shared.REBUILD_SECONDS + shared.PATIENCE_SECONDS + 1
                assert one.database.reached == [str(fresh)]
            await asyncio.sleep(shared.LOCK_SECONDS)
            assert (await one.reads.rows(teams))[0]["at"] > first[0]["at"]

    run(test())


def test_without_redis_a_worker_asks_the_same_once_at_a_time_and_counts_no_looks(urls: Urls) -> None:
    async def test() -> None:
        async with Worker(urls.api, "redis://127.0.0.1:9/0") as worker:
            worker.reads = SharedReads(worker.database, None, "live", worker.current, (worker.hits, worker.misses))  # type: ignore[arg-type]
            worker.database.delay = 0.2
            answers = await asyncio.gather(*(worker.reads.rows(number(n)) for n in (1, 2) for _ in range(50)))
            assert len(worker.database.reached) == 2
            assert [answer[0]["n"] for answer in answers] == [1] * 50 + [2] * 50
            assert worker.looked_up == (0, 0)
            worker.database.is_away = True
            failed = await asyncio.gather(*(worker.reads.rows(number(1)) for _ in range(50)), return_exceptions=True)
            assert {type(each) for each in failed} == {StoreUnavailable}
            assert len(worker.database.reached) == 3

    run(test())


def test_after_a_confirmation_the_answers_before_it_are_given_only_while_the_database_is_away(urls: Urls, redis_url: str) -> None:
    """Nor does a worker that is a moment behind take what another made since, or put its own in the place."""

    def confirmed(minutes: int) -> Publication:
        values = {name: getattr(PUBLICATION, name) for name in Publication.__struct_fields__}
        return Publication(**values | {"confirmed_at": NOW + timedelta(minutes=minutes)})

    async def test() -> None:
        async with Worker(urls.api, redis_url) as one, Worker(urls.api, redis_url) as late:
            first = [await one.reads.rows(number(n)) for n in (1, 2)]
            one.current.last_known = confirmed(5)
            one.current.database_answers, one.database.is_away = False, True
            assert await one.reads.rows(number(1)) == first[0]
            one.current.database_answers, one.database.is_away = True, False
            await asyncio.sleep(0.1)
            with redis.Redis.from_url(redis_url) as admin:
                for lock in admin.scan_iter(f"{KEY}:*"):
                    admin.delete(lock)
            second = await one.reads.rows(number(1))
            assert second[0]["at"] > first[0][0]["at"]
            assert await late.reads.rows(number(1)) == second
            assert await late.reads.rows(number(2)) == first[1]
            assert late.database.reached == []
            one.current.last_known = Publication(
                **{name: getattr(PUBLICATION, name) for name in Publication.__struct_fields__} | {"publication_id": 3}
            )
            one.current.database_answers, one.database.is_away = False, True
            with pytest.raises(StoreUnavailable):
                await one.reads.rows(number(1))
            await asyncio.sleep(0.1)
            with redis.Redis.from_url(redis_url) as admin:
                assert 0 < admin.ttl(KEY) <= shared.LET_GO_SECONDS

    run(test())


def test_what_is_asked_first_is_the_databases_word_while_it_has_one(urls: Urls, redis_url: str) -> None:
    async def test() -> None:
        async with Worker(urls.api, redis_url) as one, Worker(urls.api, redis_url) as other:
            first, second = [await one.reads.asked_first.rows(number(1)) for _ in range(2)]
            assert first != second
            for worker in (one, other):
                worker.database.is_away = True
                assert await worker.reads.asked_first.rows(number(1)) == second
                worker.current.database_answers = False
                assert await worker.reads.asked_first.rows(number(1)) == second

    run(test())


def test_an_end_that_no_clock_of_now_would_set_is_no_end(urls: Urls, redis_url: str) -> None:
    async def test() -> None:
        async with Worker(urls.api, redis_url) as worker:
            await worker.reads.rows(number(1))
            with redis.Redis.from_url(redis_url) as admin:
                (field,) = set(admin.hkeys(KEY)) - {b"bytes"}
                value: bytes = admin.hget(KEY, field)
                for ahead, n_reached in ((20_000, 1), (40_000, 2)):
                    admin.hset(KEY, field, b"%013d" % (time.time_ns() // 1_000_000 + ahead) + value[13:])
                    await worker.reads.rows(number(1))
                    await asyncio.gather(*worker.reads._being_made.values())
                    assert len(worker.database.reached) == n_reached
                admin.hset(KEY, field, b"not a moment!" + value[13:])
                admin.hset(KEY, "bytes", "not a number")
                assert (await worker.reads.rows(number(1)))[0]["n"] == 1
                assert len(worker.database.reached) == 3
                assert int(admin.hget(KEY, "bytes")) >= 0

    run(test())


def test_who_waits_too_long_for_a_turn_to_ask_redis_asks_the_database(urls: Urls, redis_url: str) -> None:
    async def test() -> None:
        async with Worker(urls.api, redis_url) as worker:
            await worker.reads.rows(number(1))
            for _ in range(shared.CALLS_AT_ONCE):
                await worker.reads._calls.acquire()
            begun = time.perf_counter()
            answers = await asyncio.gather(*(worker.reads.rows(number(1)) for _ in range(50)))
            assert time.perf_counter() - begun < 2 * shared.QUEUE_SECONDS + 0.5
            assert [rows[0]["n"] for rows in answers] == [1] * 50
            assert len(worker.database.reached) == 2
            for _ in range(shared.CALLS_AT_ONCE):
                worker.reads._calls.release()
            await worker.reads.rows(number(1))
            assert len(worker.database.reached) == 2, "it is not taken for silent"

    run(test())


def test_paging_through_lists_leaves_tables_record_and_models_where_they_are(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "ALL_BYTES", 20_000)
    monkeypatch.setattr(unknown, "BUDGET", Rate(per_second=10_000, burst=10_000))  # most of what is asked for finds nothing
    with (
        TestClient(create_app(settings_for(urls.api, redis_url=redis_url, rate_per_second=10_000))) as client,
        redis.Redis.from_url(redis_url) as admin,
    ):
        for path in ("/v1/record", "/v1/models"):
            assert client.get(path, headers=bearer()).status_code == 200
        (common,) = (key for key in admin.scan_iter("football:live:shared:common:*") if key.count(b":") == 4)
        wait_for(lambda: admin.hlen(common) >= 7)
        before = set(admin.hkeys(common))
        for n in range(100):
            for path in ("/v1/matches?limit={}", "/v1/teams?limit={}", "/v1/record/predictions?limit={}", "/v1/teams?search={}"):
                assert client.get(path.format(1 + n), headers=bearer("analyst")).status_code == 200
            for path in (f"/v1/record?information_set={n}", f"/v1/record/distance?information_set={n}"):
                assert client.get(path, headers=bearer()).status_code == 200
        lists = common.replace(b":common:", b":lists:")
        assert 15_000 < int(admin.hget(lists, "bytes")) <= 20_000
        assert before <= set(admin.hkeys(common))


@pytest.mark.parametrize("url", ["", "redis://127.0.0.1:9/0"])
def test_without_redis_everybody_asks_the_database(urls: Urls, url: str) -> None:
    async def test() -> None:
        database = Counted(urls.api)
        current: Any = SimpleNamespace(last_known=PUBLICATION, database_answers=True)
        counters = (Counter("hits", "", registry=CollectorRegistry()), Counter("misses", "", registry=CollectorRegistry()))
        reads = SharedReads(database, clients(url, 1)[0], "live", current, counters)
        for n in (1, 1):
            assert (await reads.rows(number(n)))[0]["n"] == 1
        assert len(database.reached) == 2
        await database.close()

    run(test())


def test_a_frozen_redis_is_no_error_and_costs_its_time_out_once(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str
) -> None:
    paths = [*(page.format(match=prediction(1)["match_id"]) for page in PAGES), *TWINS]
    with TestClient(create_app(settings_for(urls.api, redis_url=redis_url))) as client:
        client.get("/health/ready")
        with frozen(redis_url):
            seconds = []
            for number_ in range(100):
                begun = time.perf_counter()
                path = paths[number_ % len(paths)]
                assert client.get(path, headers=bearer("analyst")).status_code == 200, path
                seconds.append(time.perf_counter() - begun)
        assert sorted(seconds)[94] < 0.2


@pytest.mark.usefixtures("patient_service")
def test_without_the_database_pages_and_their_twins_go_on_from_the_last_answer(
    database: Urls, postgres: Any, settings_for: SettingsFor, bearer: Bearer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a worker, too, that was never asked before. Of lists, and of what stands around a match's forecasts, what nobody has asked
    for yet is not known; all other pages are known before anybody asks."""
    monkeypatch.setattr(shared, "FRESH_SECONDS", 0.1)
    key = f"football:live:shared:common:{publish(database.model, [prediction(1)])}"
    tell(database.model)
    checks = [{**each, "publication_id": 1} for each in CHECKS]
    tell(database.model, {"check_result": checks})
    pages = [page.format(match=prediction(1)["match_id"]) for page in PAGES]
    settings = settings_for(database.api, redis_url=redis_url)
    with (
        TestClient(create_app(settings)) as one,
        TestClient(create_app(settings)) as other,
        redis.Redis.from_url(redis_url) as admin,
    ):
        wait_for(lambda: all(each.get("/health/ready").json()["status"] == "ready" for each in (one, other)))
        wait_for(lambda: admin.hlen(key) == 1 + IN_COMMON)
        before = {path: one.get(path, headers=bearer("analyst")).json() for path in LISTED}
        with killed(database, postgres.url()):
            wait_for(lambda: all(each.get("/health/ready").json()["status"] == "degraded" for each in (one, other)))
            found = [{path: each.get(path, headers=bearer("analyst")) for path in (*pages, *TWINS)} for each in (one, other)]
            for answers in found:
                assert {path for path, answer in answers.items() if answer.status_code != 200} == set()
                assert {path: answers[path].json() for path in LISTED} == before
                assert "does not answer: what is known goes on being shown" in answers["/status"].text
                assert "2 checks of the data in the last run" in answers["/status"].text
                assert answers[pages[0]].text.count("Not known at the moment: the database does not answer.") == 5
            for path in ("/v1/matches/m2", "/v1/matches/m5/predictions"):
                assert one.get(path, headers=bearer()).status_code == 503
        wait_for(lambda: one.get("/health/ready").json()["status"] == "ready")
        for path in set(TWINS) - set(LISTED):
            now = one.get(path, headers=bearer("analyst")).json()
            assert found[0][path].json() == (now | {"database": "down"} if path == "/v1/status" else now), path
        assert "Not known" not in one.get(pages[0], headers=bearer()).text
        wait_for(lambda: one.get("/v1/matches/m2", headers=bearer()).status_code == 200)


@pytest.mark.usefixtures("patient_service")
def test_with_a_new_publication_nothing_of_the_one_before_is_answered_any_more(
    database: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str
) -> None:
    """A result that came with it is there at once, however fresh the answer before was."""
    publish(database.model, [prediction(1)])
    tell(database.model)
    settings = settings_for(database.api, redis_url=redis_url)
    with TestClient(create_app(settings)) as one, TestClient(create_app(settings)) as other:

        def table(client: Any) -> tuple[int, int | None]:
            season = client.get("/v1/competitions/E0/season", headers=bearer()).json()
            match_ = client.get("/v1/matches/m5", headers=bearer()).json()
            return sum(each["played"] for each in season["table"]), match_["home_goals"]

        wait_for(lambda: all(each.get("/health/ready").json()["status"] == "ready" for each in (one, other)))
        assert [table(one), table(other)] == [(6, None), (6, None)]
        engine = sa.create_engine(sa.make_url(database.model).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
        with engine.begin() as connection:
            told = published_tables.published_match
            connection.execute(sa.delete(told).where(told.c.match_id == "m5"))
            connection.execute(sa.insert(told), [match(5, "a", "c", (3, 2))])
        assert table(one) == (6, None), "shared, and not announced"
        publication_id = publish(database.model, [prediction(1, p_home=0.4, p_draw=0.4)])
        assert announce(redis_url, "live", publication_id)
        for client in (one, other):
            wait_for(lambda: table(client) == (8, 3), seconds=5)  # noqa: B023 - called at once


@pytest.mark.usefixtures("patient_service")
def test_what_most_ask_for_is_read_before_anybody_does(
    database: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str
) -> None:
    key = f"football:live:shared:common:{publish(database.model, [prediction(1)])}"
    tell(database.model)
    with (
        TestClient(create_app(settings_for(database.api, redis_url=redis_url))) as client,
        redis.Redis.from_url(redis_url) as admin,
    ):
        wait_for(lambda: admin.hlen(key) == 1 + IN_COMMON)
        before = samples(client)
        for path in (
            "/record",
            "/leagues/E0",
            "/v1/competitions/E0/season",
            "/v1/record",
            "/v1/models",
            "/v1/publication/checks",
        ):
            assert client.get(path, headers=bearer()).status_code == 200
        after = samples(client)
    layer = ("layer", "shared")
    hits, misses = (("serving_cache_lookups_total", (layer, ("outcome", each))) for each in ("hit", "miss"))
    assert before[hits] == 1  # whether the set of the distance is one
    assert after[hits] >= 10
    assert after[misses] == before[misses]
    assert after["serving_cache_hit_ratio", (layer,)] == after[hits] / (after[hits] + after[misses])


def test_nothing_of_accounts_is_read_through_what_all_workers_share(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every operation that reads, and of every page: what reaches Redis is of the schema that everybody may read."""
    statements: list[str] = []
    rows = SharedReads.rows

    async def noted(reads: SharedReads, statement: sa.Executable) -> list[dict[str, Any]]:
        statements.append(str(statement))
        return await rows(reads, statement)

    monkeypatch.setattr(SharedReads, "rows", noted)
    with TestClient(create_app(settings_for(urls.api, redis_url=redis_url))) as client:
        operations = client.get("/schema/openapi.json").json()["paths"]
        paths = [path.format(**IDS) for path, methods in operations.items() if "get" in methods]
        for path in (*paths, *(page.format(match=prediction(1)["match_id"]) for page in PAGES)):
            assert client.get(path, headers=bearer("admin")).status_code in (200, 401, 404), path
    read = {name for statement in statements for name in re.findall(r"(?:from|join|FROM|JOIN)\s+(\w+\.\w+)", statement)}
    assert {"published.match", "published.scoreboard", "published.issue", "published.check_result"} < read
    assert {name.partition(".")[0] for name in read} == {"published"}
    assert not [statement for statement in statements if re.search(r"\bapp\.", statement)]


@pytest.mark.usefixtures("patient_service")
def test_an_answer_that_one_may_see_is_not_given_to_another_who_may_not(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str
) -> None:
    with TestClient(create_app(settings_for(urls.api, redis_url=redis_url))) as client:
        lineage, page = f"/v1/predictions/{1:064x}/lineage", f"/matches/{prediction(1)['match_id']}"
        for _ in range(2):
            assert client.get(lineage, headers=bearer("admin")).status_code == 200
            assert client.get(lineage, headers=bearer("viewer")).status_code == 403
            assert client.get(lineage).status_code == 401
            assert f'href="{lineage}"' in client.get(page, headers=bearer("admin")).text
            assert f'href="{lineage}"' not in client.get(page, headers=bearer("viewer")).text
            assert client.get("/v1/record").status_code == 401
