"""Attacks on a service of two worker processes: stolen refresh tokens, names told by the clock, a flood of guesses.

Asserted is what is exact. Times are reported: `make attack` makes each attack `ATTACK_ROUNDS` times and keeps the figures as
evidence; twice without it, which shows that the drills are sound.
"""

import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from scipy.stats import mannwhitneyu

from deploy import database as deploy_database
from deploy.database import Urls
from deploy.settings import PROJECT_DIR
from pipelines.evidence import write_evidence
from serving.identity.roles import Role
from tests.serving.conftest import hashed, prediction, publish
from tests.serving.process import serving, variables

PASSWORD = "correct horse battery staple"
ROUNDS = int(os.environ.get("ATTACK_ROUNDS", "2"))
PATIENCE_SECONDS = 1.0 if "ATTACK_ROUNDS" in os.environ else 10.0
"""How long what was taken back may be accepted: the second that is promised where it is measured, longer beside other tests."""
WORKERS = 2
READ = "/v1/predictions?from=2026-01-01"


class Connection:
    """A connection that stays with one worker, whose process is known."""

    def __init__(self, url: str, workers: list[psutil.Process]) -> None:
        self._client = httpx.Client(base_url=url, limits=httpx.Limits(max_connections=1, keepalive_expiry=None), timeout=30)
        self._port = self._local_port(self._client.get("/health/live"))
        (self.pid,) = (
            each.pid
            for each in workers
            if any(known.raddr and known.raddr.port == self._port for known in each.net_connections())
        )

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = self._client.request(method, path, **more)
        assert self._local_port(answer) == self._port, "the connection was made anew, perhaps to the other worker"
        return answer

    def close(self) -> None:
        self._client.close()

    @staticmethod
    def _local_port(answer: httpx.Response) -> int:
        return int(answer.extensions["network_stream"].get_extra_info("client_addr")[1])


class Attacked:
    """The service, a connection to each of its workers, and its database."""

    def __init__(self, url: str, urls: Urls, process: psutil.Process) -> None:
        self.url, self.urls = url, urls
        workers = process.children(recursive=True)
        found: dict[int, Connection] = {}
        for _ in range(200):  # the kernel hands connections to either
            connection = Connection(url, workers)
            if found.setdefault(connection.pid, connection) is not connection:
                connection.close()
            if len(found) == WORKERS:
                break
        self.first, self.second = found.values()
        self._addresses = count()

    def sql(self, statement: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.urls.owner) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def login(self, connection: Connection, name: str, password: str) -> httpx.Response:
        """From an address of its own."""
        return connection.ask("POST", "/v1/auth/token", json={"username": name, "password": password}, headers=self.elsewhere())

    def elsewhere(self) -> dict[str, str]:
        n = next(self._addresses)
        return {"X-Forwarded-For": f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"}

    def accounts(self, names: list[str], is_disabled: bool = False) -> None:
        self.sql(
            "insert into app.account (username, password_hash, role, disabled_at)"
            " select name, %s, %s, case when %s then now() end from unnest(%s::text[]) as name",
            *(hashed(PASSWORD), Role.VIEWER, is_disabled, names),
        )


@pytest.fixture(scope="module")
def attacked(
    postgres: Any,
    database_template: Any,
    valkey: Any,
    secret_file: Path,
    server_state: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Attacked]:
    urls = deploy_database.copy(postgres.url(), "football_template", "football_test_attacked", database_template)
    publish(urls.model, [prediction(n) for n in range(20)])
    environment = variables(urls.api, secret_file, valkey.url, server_state) | {
        "EDITION": "attacked",
        "API_WORKERS": str(WORKERS),
        "API_TRUSTED_PROXIES": "127.0.0.1",
        "API_RATE_PER_SECOND": "100000",
    }
    with serving(environment, tmp_path_factory.mktemp("attacked")) as process:
        yield Attacked(environment["API_URL"], urls, psutil.Process(process.pid))
    deploy_database.drop(postgres.url(), "football_test_attacked")


@pytest.fixture
def keep() -> Callable[[str, Mapping[str, Any]], None]:
    """Keep and show the figures of a drill, if `make attack` asked for them."""

    def write(name: str, figures: Mapping[str, Any]) -> None:
        if "ATTACK_ROUNDS" in os.environ:
            file = write_evidence(PROJECT_DIR / ".local" / "evidence", name, {"worker_processes": WORKERS, **figures})
            print("", *(f"{key}: {value}" for key, value in figures.items()), file, sep="\n")

    return write


def seconds_until_refused(connections: tuple[Connection, ...], bearer: dict[str, str]) -> float | None:
    """How long an access token was still good on any of the workers; None if longer than it may be."""
    begun = time.monotonic()
    left = list(connections)
    while left:
        left = [each for each in left if each.ask("GET", "/v1/competitions", headers=bearer).status_code != 401]
        if time.monotonic() - begun > PATIENCE_SECONDS:
            return None if left else time.monotonic() - begun
        time.sleep(0.01)
    return time.monotonic() - begun


def test_a_stolen_refresh_token_gains_nothing_round_after_round_on_two_workers(
    attacked: Attacked, keep: Callable[[str, Mapping[str, Any]], None]
) -> None:
    """The thief comes after the owner, each by the other worker: thief and owner are both out then."""
    attacked.accounts([f"owner {n}" for n in range(ROUNDS)])  # one of them could not log in so often
    begun, waits, accepted = time.monotonic(), [], Counter[str]()
    for n in range(ROUNDS):
        owners, thiefs = (attacked.first, attacked.second)[:: 1 if n % 2 else -1]

        def refresh(connection: Connection, token: str) -> httpx.Response:
            return connection.ask("POST", "/v1/auth/refresh", json={"refresh_token": token})

        stolen = attacked.login(owners, f"owner {n}", PASSWORD).json()["refresh_token"]
        after = refresh(owners, stolen).json()
        access = {"Authorization": f"Bearer {after['access_token']}"}
        assert {each.ask("GET", "/v1/competitions", headers=access).status_code for each in (owners, thiefs)} == {200}
        attacked.sql("update app.refresh_token set used_at = used_at - interval '11 seconds' where used_at is not null")
        accepted["the stolen token"] += refresh(thiefs, stolen).status_code != 401
        wait = seconds_until_refused((owners, thiefs), access)
        accepted["an access token for too long"] += wait is None
        waits.append(wait or PATIENCE_SECONDS)
        accepted["the owner's next token"] += refresh(owners, after["refresh_token"]).status_code != 401
    figures = {
        "rounds": ROUNDS,
        "accepted": accepted.total(),
        "accepted_what": dict(accepted),
        "seconds_until_refused_everywhere": {"median": round(statistics.median(waits), 3), "longest": round(max(waits), 3)},
        "seconds": round(time.monotonic() - begun, 1),
    }
    keep("refresh-token-attack", figures)
    assert dict(accepted) == dict.fromkeys(("the stolen token", "an access token for too long", "the owner's next token"), 0)
    assert attacked.sql("select count(*) from app.audit where action = 'session.reused'") == [(ROUNDS,)]


def test_the_clock_of_a_refused_login_is_looked_at_for_what_it_tells_of_a_name(
    attacked: Attacked, keep: Callable[[str, Mapping[str, Any]], None]
) -> None:
    """That the same is done is tested elsewhere; how well times tell names apart is reported: 0.5 is a coin's area under the curve."""
    n = 2 * ROUNDS
    known, unknown, disabled, locked_out = ([f"{kind}{i:05}" for i in range(n)] for kind in ("known", "nobod", "disab", "disar"))
    attacked.accounts(known)
    attacked.accounts([*disabled, *locked_out], is_disabled=True)
    attempts = {
        "known name, wrong password": [(name, "wrong") for name in known],
        "unknown name": [(name, "wrong") for name in unknown],
        "disabled account, wrong password": [(name, "wrong") for name in disabled],
        "disabled account, right password": [(name, PASSWORD) for name in locked_out],
    }
    milliseconds: dict[str, list[float]] = {kind: [] for kind in attempts}
    statuses = Counter[int]()
    generator = random.Random(1)
    for i in range(n):
        for kind in generator.sample(list(attempts), len(attempts)):  # in turn, and in no order that could matter
            begun = time.perf_counter()
            answer = attacked.login(attacked.first, *attempts[kind][i])
            milliseconds[kind].append(1000 * (time.perf_counter() - begun))
            statuses[answer.status_code] += 1
    compared, *others = milliseconds
    told = {}
    for kind in others:
        test = mannwhitneyu(milliseconds[kind], milliseconds[compared])
        told[kind] = {"area_under_the_curve": round(float(test.statistic) / n**2, 3), "p": round(float(test.pvalue), 4)}
    medians = {kind: round(statistics.median(each), 2) for kind, each in milliseconds.items()}
    keep("login-times", {"attempts_of_each": n, "median_milliseconds": medians, f"beside: {compared}": told})
    assert statuses == {401: len(attempts) * n}


def test_reads_go_on_while_many_addresses_guess_passwords(
    attacked: Attacked, keep: Callable[[str, Mapping[str, Any]], None]
) -> None:
    """No read is refused; how long reads take beside the flood, and without it, is reported."""
    attacked.accounts(["reader"])
    token = attacked.login(attacked.first, "reader", PASSWORD).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    seconds, readers, guessers, per_second = ROUNDS / 10, 2, 8, 50

    def read(_: int) -> tuple[list[float], Counter[int]]:
        taken, statuses = [], Counter[int]()
        with httpx.Client(base_url=attacked.url, headers=bearer, timeout=30) as client:
            begun = time.monotonic()
            for n in range(max(1, int(seconds * per_second / readers))):
                due = begun + n * readers / per_second  # when it should be asked, however late the one before was answered
                time.sleep(max(0.0, due - time.monotonic()))
                statuses[client.get(READ).status_code] += 1
                taken.append(1000 * (time.monotonic() - due))
        return taken, statuses

    def guess(thread: int) -> Counter[int]:
        statuses = Counter[int]()
        with httpx.Client(base_url=attacked.url, timeout=30) as client:
            until = time.monotonic() + seconds
            while not statuses or time.monotonic() < until:
                login = {"username": f"guessed{thread}x{statuses.total()}", "password": "wrong"}
                statuses[client.post("/v1/auth/token", json=login, headers=attacked.elsewhere()).status_code] += 1
        return statuses

    def reads() -> tuple[dict[str, float], Counter[int]]:
        with ThreadPoolExecutor(readers) as pool:
            found = list(pool.map(read, range(readers)))
        times = sorted(each for taken, _ in found for each in taken)
        told = {name: round(times[int(share * len(times))], 1) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
        return told, sum((statuses for _, statuses in found), Counter[int]())

    calm, calm_statuses = reads()
    with ThreadPoolExecutor(guessers) as pool:
        flood = [pool.submit(guess, thread) for thread in range(guessers)]
        beside, statuses = reads()
        guesses = sum((each.result() for each in flood), Counter[int]())
    figures = {
        "seconds": seconds, "reads_per_second": per_second, "connections_that_guess": guessers,
        "is_sharing_cores_with_generator": True,
        "reads": statuses.total(), "reads_refused": statuses.total() - statuses[200],
        "milliseconds_of_reads": {"without": calm, "beside the flood": beside},
        "guesses": guesses.total(), "guesses_by_status": dict(sorted(guesses.items())),
    }  # fmt: skip
    keep("login-flood", figures)
    assert (set(calm_statuses), set(statuses)) == ({200}, {200})
    assert guesses[401] > 0
    assert set(guesses) <= {401, 429}, "each is from an address of its own, of a name of its own: only the queue turns away"
