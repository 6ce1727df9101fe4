"""How many requests a client may make: the buckets on a real Valkey, the layers over HTTP, and what becomes of both without it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import httpx
import pytest
import redis
from litestar import Litestar
from litestar.exceptions import TooManyRequestsException
from litestar.testing import TestClient
from redis.exceptions import ResponseError

from deploy.database import Urls
from serving.app import create_app
from serving.audit.entries import command_line
from serving.identity import opaque
from serving.identity.buckets import Buckets, Lease, Rate
from serving.identity.changes import Changes
from serving.identity.limits import subscriber
from serving.identity.lookups import Lookups
from serving.identity.passwords import PasswordChecker
from serving.identity.roles import Principal, Role
from serving.identity.sessions import SessionKeeper
from serving.identity.turns import Busy
from serving.rate_limits import TrustedProxies
from serving.redis_clients import BREAK_SECONDS, Rest, clients
from serving.refusals import REFUSED_BY, answering
from serving.settings import Settings
from serving.store.accounts import Accounts
from serving.store.database import Database
from serving.unknown import TooManyUnknown, Unknown
from tests.serving.conftest import prediction, publish, still_lookups
from tests.serving.process import frozen
from tests.serving.test_service import samples, wait_for

SettingsFor = Callable[..., Settings]
Bearer = Callable[..., dict[str, str]]
T = TypeVar("T")

HUNDRED = Rate(100.0, 200)


def with_buckets(url: str, work: Callable[..., Awaitable[T]], rate: Rate = HUNDRED, workers: int = 1, **more: Any) -> T:
    """Do something with the buckets of so many workers."""

    async def run() -> T:
        redis = [clients(url, 1)[0] for _ in range(workers)]
        try:
            return await work(*(Buckets(client, "test", rate, **more) for client in redis))
        finally:
            for client in redis:
                if client is not None:
                    await client.aclose()

    return asyncio.run(run())


async def taken(buckets: Buckets, n: int, subject: str = "someone") -> int:
    return sum([(await buckets.take(subject))[0] for _ in range(n)])


# --------------------------------------------------------------------------- buckets


def test_a_bucket_holds_its_burst_and_no_more(redis_url: str) -> None:
    slow = Rate(0.01, 7)  # nothing comes back while the test runs
    assert with_buckets(redis_url, lambda buckets: taken(buckets, 20), slow) == 7


def test_buckets_are_apart_by_subject(redis_url: str) -> None:
    async def work(buckets: Buckets) -> list[int]:
        return [await taken(buckets, 20, subject) for subject in ("one", "other", "one")]

    assert with_buckets(redis_url, work, Rate(0.01, 7)) == [7, 7, 0]


def test_workers_share_a_bucket_through_redis(redis_url: str) -> None:
    async def work(*buckets: Buckets) -> int:
        return sum([await taken(buckets[n % 2], 1) for n in range(30)])

    assert with_buckets(redis_url, work, Rate(0.01, 15), workers=2) == 15


def test_what_all_workers_let_through_stays_within_the_stated_bound(redis_url: str) -> None:
    """Burst, what comes back, and one lease a worker; nor is much less let through."""

    async def work(*buckets: Buckets) -> tuple[int, float]:
        begun = time.monotonic()

        async def keep_asking(each: Buckets) -> int:
            n = 0
            while time.monotonic() - begun < 1.5:
                n += (await each.take("someone"))[0]
                await asyncio.sleep(0.0005)
            return n

        n = sum(await asyncio.gather(*map(keep_asking, buckets)))
        return n, time.monotonic() - begun

    n, seconds = with_buckets(redis_url, work, workers=3)
    most = HUNDRED.burst + HUNDRED.per_second * seconds + 3 * HUNDRED.lease
    assert (HUNDRED.lease, 0.5 * most < n <= most) == (5, True), (n, most)


def test_a_bucket_fills_again_at_its_rate(redis_url: str) -> None:
    async def work(buckets: Buckets) -> tuple[int, int, float]:
        begun = time.monotonic()
        first = await taken(buckets, 50)
        await asyncio.sleep(0.25)
        return first, await taken(buckets, 50), time.monotonic() - begun

    first, second, seconds = with_buckets(redis_url, work, Rate(40.0, 20))
    assert first >= 20
    assert second >= 9
    assert first + second <= 20 + 40.0 * seconds + 1


def test_a_lease_is_one_call_and_all_who_wait_share_it(redis_url: str) -> None:
    """A thousand requests of a busy account cost some calls, not a thousand; two hundred newcomers at once, two."""
    with redis.Redis.from_url(redis_url) as admin:

        def calls() -> int:
            return int(admin.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])

        async def busy(buckets: Buckets) -> int:
            await buckets.take("warm")
            begun = calls()
            await asyncio.gather(*(buckets.take("someone") for _ in range(1000)))
            return calls() - begun

        async def newcomers(buckets: Buckets) -> int:
            await buckets.take("warm")
            begun = calls()
            await asyncio.gather(*(buckets.take(f"newcomer {n}") for n in range(200)))
            return calls() - begun

        assert with_buckets(redis_url, busy, Rate(5000.0, 10_000)) == 4
        assert with_buckets(redis_url, newcomers) <= 2


def test_who_is_refused_is_refused_without_another_call(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as admin:

        async def work(buckets: Buckets) -> tuple[int, int]:
            await taken(buckets, 8)
            before = admin.info("commandstats")["cmdstat_evalsha"]["calls"]
            return await taken(buckets, 1000), admin.info("commandstats")["cmdstat_evalsha"]["calls"] - before

        assert with_buckets(redis_url, work, Rate(0.01, 7)) == (0, 0)


def test_what_is_left_of_a_lease_is_forfeited_after_a_second(redis_url: str) -> None:
    now = 100.0

    async def work(buckets: Buckets) -> list[int]:
        nonlocal now
        (_, lease) = await buckets.take("someone")
        kept = lease.tokens
        now += 1.1
        await buckets.take("someone")
        return [kept, lease.tokens]

    slow = Rate(100.0, 200)
    assert with_buckets(redis_url, work, slow, clock=lambda: now) == [4, 4]


def test_a_busy_worker_that_gets_to_the_answer_late_has_what_was_leased_for_it(redis_url: str) -> None:
    """Forfeited, it would be leased again and again: a login would cost all of an account's attempts, and be refused."""
    moments = count(100.0, 1.1)  # whenever the worker looks at the clock, a lease has expired
    assert with_buckets(redis_url, lambda buckets: taken(buckets, 7), Rate(0.01, 7), clock=lambda: next(moments)) == 7


def test_what_is_told_of_a_bucket_is_what_is_left_in_it(redis_url: str) -> None:
    async def work(buckets: Buckets) -> list[tuple[bool, int, int]]:
        told = []
        for _ in range(4):
            is_let_through, lease = await buckets.take("someone")
            now = buckets.clock()
            told.append((is_let_through, lease.remaining(now), lease.seconds_until_full(now)))
        return told

    assert with_buckets(redis_url, work, Rate(0.5, 3)) == [(True, 2, 2), (True, 1, 4), (True, 0, 6), (False, 0, 6)]


def test_a_bucket_is_forgotten_when_it_is_full_again_and_its_key_tells_nobodys_name(redis_url: str) -> None:
    with_buckets(redis_url, lambda buckets: taken(buckets, 5, "192.0.2.7"))
    with redis.Redis.from_url(redis_url) as admin:
        (key,) = admin.scan_iter()
        assert key.startswith(b"football:test:")
        assert b"192.0.2.7" not in key
        assert 0 < admin.pttl(key) <= 50


def test_no_more_subjects_are_remembered_than_fit(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.identity.buckets.MAXIMUM_LEASES", 3)

    async def work(buckets: Buckets) -> int:
        for n in range(10):
            await buckets.take(f"{n}")
        return len(buckets._leases)

    assert with_buckets(redis_url, work) == 3


def test_without_redis_each_worker_counts_for_itself() -> None:
    now = 100.0

    async def work(*buckets: Buckets) -> list[int]:
        nonlocal now
        found = [await taken(each, 300) for each in buckets]
        now += 0.5
        return [*found, await taken(buckets[0], 300)]

    assert with_buckets("", work, workers=2, clock=lambda: now) == [200, 200, 50]


def test_a_frozen_redis_is_waited_for_once_and_the_count_goes_on(redis_url: str) -> None:
    async def work(buckets: Buckets) -> tuple[int, int, float, float]:
        begun = time.monotonic()  # tokens come back from here on
        first = await taken(buckets, 100)
        with frozen(redis_url):
            waited = time.monotonic()
            second = await taken(buckets, 300)
            ended = time.monotonic()
        return first, second, ended - begun, ended - waited

    first, second, seconds, waited = with_buckets(redis_url, work)
    assert first == 100
    assert 100 <= second <= 100 + HUNDRED.per_second * seconds + HUNDRED.lease
    assert waited < BREAK_SECONDS / 2


def test_who_asked_longest_ago_is_forgotten_even_while_waiting_and_is_let_through_all_the_same(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.identity.buckets.MAXIMUM_LEASES", 1)

    async def work(buckets: Buckets) -> tuple[list[bool], list[str]]:
        answers = await asyncio.gather(*(buckets.take(subject) for subject in ("first", "first", "second")))
        return [is_let_through for is_let_through, _ in answers], list(buckets._leases)

    assert with_buckets(redis_url, work, Rate(0.01, 7)) == ([True, True, True], ["second"])


def test_a_token_is_given_back_where_it_was_taken_and_nowhere_else(redis_url: str) -> None:
    slow = Rate(0.01, 7)

    async def work(buckets: Buckets) -> tuple[int, int, list[str]]:
        first = await taken(buckets, 8)
        await buckets.give_back("someone")
        await buckets.give_back("someone who never took one")
        return first, await taken(buckets, 8), list(buckets._leases)

    assert with_buckets(redis_url, work, slow) == (7, 1, ["someone"])


def test_a_token_given_back_to_a_frozen_redis_is_given_back_in_this_worker(redis_url: str) -> None:
    async def work(buckets: Buckets) -> tuple[int, int]:
        first = await taken(buckets, 8)
        with frozen(redis_url):
            await buckets.give_back("someone")
            return first, await taken(buckets, 8)

    assert with_buckets(redis_url, work, Rate(0.01, 7)) == (7, 1)


def test_a_client_that_goes_away_takes_nobodys_answer_with_it(redis_url: str) -> None:
    async def work(buckets: Buckets) -> bool:
        leaving, staying = (asyncio.create_task(buckets.take("someone")) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        return (await asyncio.wait_for(staying, 2))[0]

    assert with_buckets(redis_url, work)


def test_a_fault_in_the_call_is_told_to_those_who_wait(redis_url: str) -> None:
    async def work(buckets: Buckets) -> None:
        async def broken(keys: Any, args: Any) -> Any:
            raise ZeroDivisionError

        buckets._lease_many = broken  # type: ignore[assignment]
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(buckets.take("someone"), 2)

    with_buckets(redis_url, work)


# --------------------------------------------------------------------------- over HTTP


def ask_from(app: Litestar, requests: list[tuple[str, str, dict[str, str]]]) -> list[httpx.Response]:
    """The answers to requests (address, path, headers) in this order."""

    async def run() -> list[httpx.Response]:
        answers = []
        for address, path, headers in requests:
            transport = httpx.ASGITransport(app, client=(address, 5000))  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                answers.append(await client.get(path, headers=headers))
        return answers

    return asyncio.run(run())


def test_each_refusal_by_a_limit_of_its_own_is_noted_for_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the layers count for themselves; these are far from the metrics, and were told of by nothing but the status."""
    none = Rate(per_second=1e-6, burst=0)

    monkeypatch.setattr("serving.identity.lookups.PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr("serving.unknown.BUDGET", none)

    async def nobody() -> None:
        return None

    async def somebody(_: bytes) -> int:
        return 1

    async def scenario() -> list[str]:
        noted = []
        unknown = Unknown(SimpleNamespace(last_known=None))  # type: ignore[arg-type]
        store: Any = SimpleNamespace(owner=somebody)
        keeper = SessionKeeper(cast(Any, None), store, Buckets(None, "refresh", none), still_lookups())
        refused: list[Callable[[], Awaitable[Any]]] = [
            lambda: Changes(Buckets(None, "change", none)).count(Principal("1", Role.VIEWER, frozenset())),
            lambda: keeper.owner(opaque.new(), "address"),
            lambda: Lookups(Buckets(None, "lookups", none)).find("address", "key", b"", nobody),
            lambda: unknown.find("1", "match", "none", nobody),
            lambda: PasswordChecker(concurrency=0, waiting=0).check(None, "wrong"),
        ]
        for each in refused:
            state: dict[str, Any] = {}
            answering.set(state)
            with pytest.raises((TooManyRequestsException, TooManyUnknown, Busy)):
                await each()
            noted.append(state[REFUSED_BY])
        return noted

    assert asyncio.run(scenario()) == ["changes", "refreshes", "lookups", "unknown", "busy"]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address may send ten requests and an account four; nothing comes back while a test runs, however busy the machine."""
    monkeypatch.setattr("serving.app.address_rate", lambda _: Rate(0.01, 10))
    monkeypatch.setattr("serving.app.account_rate", lambda _: Rate(0.01, 4))


def test_an_account_is_limited_with_a_problem_and_told_what_is_left(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str
) -> None:
    app = create_app(settings_for(urls.api, redis_url=redis_url, rate_per_second=1))
    with TestClient(app) as client:
        answers = [client.get("/v1/competitions", headers=bearer()) for _ in range(3)]
        unlimited = client.get("/health/live")
        found = samples(client)
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit"] for answer in answers] == [
        '"account";r=1;t=1', '"account";r=0;t=2', '"account";r=0;t=2'
    ]  # fmt: skip
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"account";q=2;w=2'}
    refused = answers[2]
    assert (refused.headers["Retry-After"], refused.headers["content-type"]) == ("1", "application/problem+json")
    problem = refused.json()
    assert (problem["status"], problem["title"], problem["detail"]) == (
        429, "Too Many Requests", "Too many requests. Send fewer."
    )  # fmt: skip
    assert problem["request_id"] == refused.headers["X-Request-Id"]
    assert unlimited.headers["RateLimit-Policy"] == '"address";q=10;w=2', "what is public counts by address alone"
    assert found["serving_limited_total", (("limit", "account"),)] == 1
    assert found["serving_limited_total", (("limit", "address"),)] == 0
    labels = (("method", "GET"), ("role", "viewer"), ("route", "/v1/competitions"), ("status", "429"))
    assert found["serving_requests_total", labels] == 1


@pytest.mark.usefixtures("slow")
def test_an_account_may_ask_no_more_often_by_many_keys(
    database: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str
) -> None:
    publish(database.model, [prediction(1)])

    async def make_account() -> None:
        connections = Database(database.api)
        assert await Accounts(connections).create_account("ann", "no hash", Role.VIEWER, command_line())
        await connections.close()

    asyncio.run(make_account())
    wanted = {"name": "import", "scopes": ["read"]}
    with TestClient(create_app(settings_for(database.api, redis_url=redis_url))) as client:
        made = [client.post("/v1/keys", json=wanted, headers=bearer()).json()["key"] for _ in range(2)]
        shown = [made[0], made[1], made[0], made[1]]
        answers = [client.get("/v1/competitions", headers={"Authorization": f"Bearer {each}"}) for each in shown]
    assert [each.status_code for each in answers] == [200, 200, 429, 429], "two of its four went for the keys"


@pytest.mark.usefixtures("slow")
def test_a_ready_answer_is_counted_as_any_other(urls: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str) -> None:
    with TestClient(create_app(settings_for(urls.api, redis_url=redis_url, rate_per_second=2))) as client:
        statuses = [client.get("/v1/predictions?competition=D1", headers=bearer()).status_code for _ in range(6)]
        hits = samples(client)["serving_cache_lookups_total", (("layer", "answer"), ("outcome", "hit"))]
    assert (statuses[:4], statuses[5], hits >= 2) == ([200] * 4, 429, True)


@pytest.mark.usefixtures("slow")
def test_an_address_is_limited_whatever_it_asks_for_and_whoever_it_says_it_is(
    urls: Urls, settings_for: SettingsFor, redis_url: str
) -> None:
    """Also on what is routed nowhere, and with tokens that are none: the limit stands before all of it."""
    app = create_app(settings_for(urls.api, redis_url=redis_url, rate_per_second=1))
    asked = [
        ("/nowhere", {}),
        ("/v1/competitions", {"Authorization": "Bearer x"}),
        ("/health/live", {}),
        ("/v1/competitions", {}),
    ]
    answers = ask_from(
        app,
        [("203.0.113.7", path, headers) for path, headers in asked * 3]
        + [("203.0.113.8", path, {}) for path in ("/health/live", "/metrics")],
    )
    assert [answer.status_code for answer in answers[:10]] == [404, 401, 200, 401, 404, 401, 200, 401, 404, 401]
    assert [answer.status_code for answer in answers[10:]] == [429, 429, 200, 200]
    assert answers[10].headers["content-type"] == "application/problem+json"
    assert (answers[10].headers["RateLimit"][:13], answers[10].headers["Retry-After"]) == ('"address";r=0', "100")
    assert {"content-security-policy", "x-request-id"} <= set(answers[10].headers), "as any other answer"
    counted = answers[-1].text
    labels = 'method="GET",role="anonymous",route="limited",status="429"'
    assert f"serving_requests_total{{{labels}}} 2.0" in counted, "apart from what no route matched"


@pytest.mark.usefixtures("slow")
def test_a_person_who_is_refused_sees_a_page(urls: Urls, settings_for: SettingsFor, redis_url: str) -> None:
    app = create_app(settings_for(urls.api, redis_url=redis_url, rate_per_second=1))
    answer = ask_from(app, [("203.0.113.7", "/login", {"Accept": "text/html"})] * 11)[-1]
    assert (answer.status_code, answer.headers["content-type"]) == (429, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("203.0.113.77", "203.0.113.77"),
        ("::ffff:203.0.113.77", "203.0.113.77"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("2001:db8:1:3::9", "2001:db8:1:3::"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_subscriber_is_one_however_many_addresses_he_has(host: str, whose: str) -> None:
    assert subscriber(host) == whose


PROXIES = ("10.0.0.0/8", "::1")


@pytest.mark.parametrize(
    ("peer", "told", "client"),
    [
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # no proxy of ours: anybody may write that
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),  # the client wrote the first
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1,10.0.0.2"], "198.51.100.1"),  # in two headers
        ("::1", ["2001:db8::5"], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.2"),
    ],
)
def test_of_what_is_told_about_an_address_only_what_our_proxies_wrote_is_believed(
    peer: str, told: list[str], client: str
) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"])

    headers = [(b"x-forwarded-for", each.encode()) for each in told]
    scope: Any = {"type": "http", "client": (peer, 5000), "headers": headers}
    asyncio.run(TrustedProxies(app, PROXIES)(scope, None, None))  # type: ignore[arg-type]
    assert seen == [(client, 5000)]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("proxies", "expected"), [((), [200] * 10 + [429] * 2), (PROXIES, [200] * 12)])
def test_behind_a_trusted_proxy_each_client_has_a_bucket_of_his_own(
    urls: Urls, settings_for: SettingsFor, redis_url: str, proxies: Any, expected: list[int]
) -> None:
    app = create_app(settings_for(urls.api, redis_url=redis_url, rate_per_second=1, trusted_proxies=proxies))
    asked = [("10.0.0.1", "/health/live", {"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(12)]
    assert [answer.status_code for answer in ask_from(app, asked)] == expected


@pytest.mark.parametrize(
    ("address", "told", "is_secure"),
    [
        *(("10.0.0.1", ["https"], True), ("10.0.0.1", ["http"], False), ("10.0.0.1", [], False), ("10.0.0.1", ["wss"], False)),
        # What is told further to the left, or by anybody else, was not said by a proxy of ours.
        *(("10.0.0.1", ["https, http"], False), ("10.0.0.1", ["https", "http"], False), ("10.0.0.1", ["http,HTTPS"], True)),
        ("198.51.100.1", ["https"], False),
    ],
)
def test_a_cookie_is_for_encrypted_connections_where_a_trusted_proxy_says_that_the_browsers_is(
    urls: Urls, settings_for: SettingsFor, address: str, told: list[str], is_secure: bool
) -> None:
    app = create_app(settings_for(urls.api, trusted_proxies=PROXIES))
    headers = [("Origin", "https://testserver"), *(("X-Forwarded-Proto", each) for each in told)]

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(address, 5000))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.post("/logout", headers=headers)

    answer = asyncio.run(run())
    assert answer.status_code == 303
    assert ("Secure" in answer.headers["Set-Cookie"]) == is_secure


def test_a_frozen_redis_costs_no_error_and_little_time_whoever_asks(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str
) -> None:
    """Two hundred requests by forty at a time; accounts and addresses are counted on, in the process."""
    app = create_app(settings_for(urls.api, redis_url=redis_url))

    async def run() -> list[tuple[int, float]]:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            turns = asyncio.Semaphore(40)

            async def one(number: int) -> tuple[int, float]:
                async with turns:
                    begun = time.perf_counter()
                    answer = await client.get(f"/v1/predictions?limit={number % 7 + 1}", headers=bearer())
                    return answer.status_code, time.perf_counter() - begun

            await asyncio.gather(*map(one, range(7)))
            with frozen(redis_url):
                return await asyncio.gather(*map(one, range(200)))

    answers = asyncio.run(run())
    assert {status for status, _ in answers} == {200}
    # A tenth of a second to find out, for all together; to ask again and again would take seconds, for each.
    assert sorted(seconds for _, seconds in answers)[189] < 1.0


@pytest.mark.parametrize("path", ["/v1/predictions", "/v1/record", "/v1/status", f"/matches/{prediction(1)['match_id']}"])
def test_a_frozen_redis_is_waited_for_once_by_a_request_however_seldom_one_comes(
    urls: Urls, settings_for: SettingsFor, bearer: Bearer, redis_url: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address, its account and what it reads all ask Redis: each rest is over when the next request comes."""
    begin, waited = Rest.begin, list[Rest]()
    monkeypatch.setattr(Rest, "begin", lambda rest: (waited.append(rest), begin(rest))[1])
    with TestClient(create_app(settings_for(urls.api, redis_url=redis_url))) as client:
        assert client.get(path, headers=bearer()).status_code == 200
        with frozen(redis_url):
            n_waited = []
            for _ in range(4):
                time.sleep(BREAK_SECONDS + 0.3)
                waited.clear()
                assert client.get(path, headers=bearer()).status_code == 200
                n_waited.append(len(waited))
        # What runs beside requests asks Redis, too: it may have found out before, or at the same moment.
        assert sorted(n_waited)[-2] <= 1, n_waited
        wait_for(lambda: client.get("/health/ready").json()["redis"] == "up")


def test_a_redis_that_answers_with_a_refusal_is_not_left_alone(redis_url: str) -> None:
    async def test() -> None:
        (client,) = clients(redis_url, 1)
        assert client is not None
        with pytest.raises(ResponseError):
            await client.execute_command("NO SUCH COMMAND")
        assert client.rest.is_over
        await client.aclose()

    asyncio.run(test())


def test_what_a_lease_of_a_small_rate_holds_is_one_token() -> None:
    assert (Rate(1.0, 2).lease, Rate(100.0, 200).lease, Rate(5000.0, 10_000).lease) == (1, 5, 250)
    assert Lease("key", HUNDRED).remaining(0.0) == 200


def test_every_operation_documents_that_it_may_be_refused(urls: Urls, settings_for: SettingsFor) -> None:
    with TestClient(create_app(settings_for(urls.api))) as client:
        paths = client.get("/schema/openapi.json").json()["paths"]
    assert [
        (path, method) for path, item in paths.items() for method, each in item.items() if "429" not in each["responses"]
    ] == []
