"""Sessions, refresh tokens, API keys and administrators: what carries somebody on, and how it is taken back."""

import asyncio
import random
import string
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import bcrypt
import httpx
import jwt
import psycopg
import pytest
import structlog
from litestar.exceptions import NotAuthorizedException, TooManyRequestsException
from litestar.testing import TestClient

from deploy.database import Urls
from serving.access_log import Line
from serving.app import create_app
from serving.audit.entries import command_line
from serving.identity import key_changes, signing_keys
from serving.identity.bearers import COOKIE
from serving.identity.buckets import Buckets, Rate
from serving.identity.clients import family
from serving.identity.credentials import Credentials
from serving.identity.limits import OF_REFRESHES
from serving.identity.lookups import MADE_UP
from serving.identity.passwords import PasswordChecker
from serving.identity.roles import Role
from serving.identity.sessions import SessionKeeper
from serving.identity.tokens import InvalidToken, Tokens
from serving.pages.login import ONCE
from serving.routes.paging import next_cursor
from serving.settings import Settings
from serving.store.accounts import Accounts
from serving.store.database import Database, StoreUnavailable
from serving.store.endings import Ended
from serving.store.keys import Keys
from serving.store.sessions import Sessions
from tests.serving.conftest import Client, hashed, prediction, publish, still_lookups

PASSWORD = "correct horse battery staple"


class World:
    """Two workers over one database, and who may log in there."""

    def __init__(self, urls: Urls, first: Client, second: Client, secret_file: Path) -> None:
        self.urls, self.first, self.second, self.secret_file = urls, first, second, secret_file

    def login(self, name: str = "viewer", password: str = PASSWORD) -> Any:
        answer = self.first.post("/v1/auth/token", json={"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def bearer(self, name: str = "viewer") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.login(name)['access_token']}"}

    def refresh(self, token: str, worker: Client | None = None) -> Any:
        return (worker or self.first).post("/v1/auth/refresh", json={"refresh_token": token})

    def sql(self, statement: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.urls.owner) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def world(database: Urls, tmp_path: Path, settings_for: Callable[..., Settings]) -> Iterator[World]:
    publish(database.model, [prediction(1)])
    secret_file = tmp_path / "jwt"
    secret_file.write_text("s" * 43)

    async def accounts() -> None:
        connections = Database(database.api)
        for role in Role:
            assert await Accounts(connections).create_account(role, hashed(PASSWORD), role, command_line())
        await connections.close()

    asyncio.run(accounts())
    with ExitStack() as stack:
        settings = settings_for(database.api, jwt_secret_file=secret_file)
        first, second = (stack.enter_context(TestClient(create_app(settings))) for _ in range(2))
        yield World(database, first, second, secret_file)


def status(client: Client, headers: dict[str, str], path: str = "/v1/competitions") -> int:
    return client.get(path, headers=headers).status_code


def keeper_of(world: World, database: Database) -> SessionKeeper:
    """Whose clock stands still."""
    refreshes = Buckets(None, "refresh", OF_REFRESHES, clock=lambda: 0.0)
    return SessionKeeper(Tokens.from_file(world.secret_file, "live"), Sessions(database), refreshes, still_lookups())


def refused_soon(client: Client, headers: dict[str, str], expected: int = 401) -> bool:
    """Within a second on a machine that has time (`make attack` measures it); how often is asked is tested by itself."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if status(client, headers) == expected:
            return True
        time.sleep(0.02)
    return False


def taken_soon(client: Client, headers: dict[str, str]) -> bool:
    return refused_soon(client, headers, expected=200)


def test_one_use_of_a_refresh_token_gives_one_successor_and_the_same_one_again_for_ten_seconds(world: World) -> None:
    first = world.login()["refresh_token"]
    answers = [world.refresh(first, worker).json() for worker in (world.first, world.second, world.first)]
    (second,) = {answer["refresh_token"] for answer in answers}
    assert second != first
    assert status(world.second, {"Authorization": f"Bearer {answers[1]['access_token']}"}) == 200
    assert world.refresh(second).status_code == 200
    text = str(world.sql("select * from app.refresh_token"))
    assert first not in text
    assert second not in text


def test_a_refresh_token_used_again_later_ends_the_session_on_every_worker(world: World) -> None:
    given = world.login()
    after = world.refresh(given["refresh_token"]).json()
    access = {"Authorization": f"Bearer {after['access_token']}"}
    assert status(world.second, access) == 200
    world.sql("update app.refresh_token set used_at = used_at - interval '11 seconds' where used_at is not null")
    assert world.refresh(given["refresh_token"]).status_code == 401
    assert world.refresh(after["refresh_token"]).status_code == 401
    assert all(refused_soon(worker, access) for worker in (world.first, world.second))


@pytest.mark.parametrize(("ago", "expected"), [("9 seconds", 200), ("10.1 seconds", 401)])
def test_the_way_back_to_a_lost_successor_is_open_for_ten_seconds(world: World, ago: str, expected: int) -> None:
    token = world.login()["refresh_token"]
    assert world.refresh(token).status_code == 200
    world.sql("update app.refresh_token set used_at = clock_timestamp() - cast(%s as interval) where used_at is not null", ago)
    assert world.refresh(token).status_code == expected


def test_a_session_ends_after_thirty_days_and_a_browsers_after_eight_hours_as_its_cookie_does(world: World) -> None:
    world.login()
    form = {"username": "viewer", "password": PASSWORD, "next": "/"}
    answer = world.first.post("/login", data=form, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
    lifetimes = dict(world.sql("select kind, expires_at - created_at from app.session"))
    expected = {"api": timedelta(days=30), "web": timedelta(hours=8)}
    assert lifetimes.keys() == expected.keys()
    assert all(abs(lifetimes[kind] - expected[kind]) < timedelta(minutes=1) for kind in expected), lifetimes
    assert "max-age=28800;" in answer.headers["Set-Cookie"].lower()


def test_a_hundred_uses_at_once_give_one_successor(world: World) -> None:
    token = world.login()["refresh_token"]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: world.refresh(token, (world.first, world.second)[n % 2]), range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert world.sql("select count(*) from app.refresh_token") == [(2,)]


@pytest.mark.parametrize("token", ["x", "a" * 43, "", "é" * 43])
def test_a_made_up_refresh_token_is_refused(world: World, token: str) -> None:
    assert world.refresh(token).status_code in {400, 401}


def test_an_expired_session_is_not_carried_on(world: World) -> None:
    token = world.login()["refresh_token"]
    world.sql("update app.session set expires_at = now()")
    assert world.refresh(token).status_code == 401


LOCK = "select pg_advisory_xact_lock(hashtext('app.audit'))"
"""What every write waits for."""


def test_a_refresh_token_of_a_session_that_is_over_is_refused_without_a_turn_to_write(world: World) -> None:
    ended, expired, disabled = (world.login(name)["refresh_token"] for name in ("viewer", "analyst", "operator"))
    of = "(select account_id from app.account where username = %s)"
    world.sql(f"update app.session set ended_at = now() where account_id = {of}", "viewer")
    world.sql(f"update app.session set expires_at = now() where account_id = {of}", "analyst")
    world.sql("update app.account set disabled_at = now() where username = 'operator'")
    with psycopg.connect(world.urls.owner) as other:
        other.execute(LOCK)
        assert [world.refresh(token).status_code for token in (ended, expired, disabled)] == [401] * 3


def test_what_there_is_not_is_taken_back_without_a_turn_to_write(world: World) -> None:
    """Whoever makes ids up would keep all who write waiting."""
    mine, admin = world.bearer(), world.bearer("admin")
    paths = [f"{start}/{rest}" for start in ("/v1", "/v1/users/1") for rest in (f"keys/{'0' * 12}", "sessions/none")]
    with psycopg.connect(world.urls.owner) as other:
        other.execute(LOCK)
        answers = [world.first.delete(path, headers=admin if "users" in path else mine).status_code for path in paths]
    assert answers == [404] * 4


def test_an_account_changes_keys_and_sessions_no_more_often_than_it_may_and_no_other_waits_for_it(
    world: World, settings_for: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a row of the audit, which nobody may ever delete; so they count together, also those of nothing."""
    monkeypatch.setattr("serving.identity.limits.OF_CHANGES", Rate(per_second=1e-6, burst=4))
    mine, admin = world.bearer(), world.bearer("admin")
    with TestClient(create_app(settings_for(world.urls.api, jwt_secret_file=world.secret_file))) as worker:

        def make(owner: dict[str, str]) -> Any:
            return worker.post("/v1/keys", headers=owner, json={"name": "import", "scopes": ["read"]})

        made = make(mine).json()["info"]["key_id"]
        assert worker.delete(f"/v1/keys/{made}", headers=mine).status_code == 204
        assert worker.delete(f"/v1/keys/{made}", headers=mine).status_code == 404
        assert worker.delete("/v1/sessions/none", headers=mine).status_code == 404
        refused = [make(mine), worker.delete(f"/v1/keys/{made}", headers=mine), worker.delete("/v1/sessions/none", headers=mine)]
        assert [(each.status_code, each.headers["Retry-After"]) for each in refused] == [(429, "1")] * 3
        paths = [f"/v1/users/1/{each}" for each in (f"keys/{'0' * 12}", "sessions/none")]
        assert [worker.delete(path, headers=admin).status_code for path in (*paths, *paths, *paths)] == [404] * 4 + [429] * 2
    assert world.sql("select count(*) from app.audit where action like 'key.%%'") == [(2,)]


def test_a_session_that_ends_after_its_owner_was_found_is_not_carried_on(world: World) -> None:
    async def scenario(token: str) -> None:
        database = Database(world.urls.api)
        keeper = keeper_of(world, database)
        assert await keeper.owner(token, "an address")
        world.sql("update app.session set ended_at = now()")
        with pytest.raises(NotAuthorizedException):
            await keeper.refresh(token, command_line())
        await database.close()

    asyncio.run(scenario(world.login()["refresh_token"]))


def test_an_account_whose_sessions_are_carried_on_too_often_waits_and_no_other_does(world: World) -> None:
    async def scenario(token: str, others: str) -> None:
        database = Database(world.urls.api)
        keeper = keeper_of(world, database)
        for _ in range(OF_REFRESHES.burst):
            await keeper.owner(token, "an address")
        with pytest.raises(TooManyRequestsException):
            await keeper.owner(token, "an address")
        assert await keeper.owner(others, "an address")
        await database.close()

    asyncio.run(scenario(world.login()["refresh_token"], world.login("analyst")["refresh_token"]))


def test_what_was_taken_back_is_refused_while_all_who_want_to_write_wait(world: World) -> None:
    token, bearer = world.login()["refresh_token"], world.bearer("analyst")
    with psycopg.connect(world.urls.owner) as other, ThreadPoolExecutor(8) as pool:
        other.execute(LOCK)
        writers = [pool.submit(world.refresh, token) for _ in range(8)]
        waiting = (
            "select count(*) from pg_locks join pg_database on oid = database"
            " where datname = current_database() and locktype = 'advisory' and not granted"
        )
        while world.sql(waiting) != [(8,)]:
            assert not any(each.done() for each in writers)
        world.sql(
            "update app.session set ended_at = now() where account_id = (select account_id from app.account where role = 'analyst')"
        )
        assert refused_soon(world.first, bearer)
        assert not any(each.done() for each in writers)
        other.rollback()
    assert {each.result().status_code for each in writers} == {200}


def test_an_access_token_does_not_outlive_its_session_for_it_could_then_not_be_taken_back(world: World) -> None:
    token = world.login()["refresh_token"]
    ends_at = datetime.now(UTC).replace(microsecond=500_000) + timedelta(minutes=5)
    world.sql("update app.session set expires_at = %s", ends_at)
    given = world.refresh(token).json()
    assert jwt.decode(given["access_token"], options={"verify_signature": False})["exp"] == int(ends_at.timestamp())
    assert 0 < given["expires_in"] <= 300


def test_logging_out_takes_the_tokens_of_the_session_back_on_every_worker(world: World) -> None:
    given = world.login()
    bearer = {"Authorization": f"Bearer {given['access_token']}"}
    other = world.bearer()
    assert (status(world.first, bearer), status(world.second, bearer)) == (200, 200)
    assert world.first.post("/v1/auth/logout", headers=bearer).status_code == 204
    assert status(world.first, bearer) == 401
    assert refused_soon(world.second, bearer)
    assert world.refresh(given["refresh_token"]).status_code == 401
    assert status(world.second, other) == 200


def test_a_worker_that_begins_later_knows_what_was_taken_back_before(world: World, settings_for: Callable[..., Settings]) -> None:
    bearer = world.bearer()
    assert world.first.post("/v1/auth/logout", headers=bearer).status_code == 204
    with TestClient(create_app(settings_for(world.urls.api, jwt_secret_file=world.secret_file))) as late:
        assert status(late, bearer) == 401


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (FIREFOX, "Firefox on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36 Edg/142.0", "Edge on Windows"),
        (f"Mozilla/5.0 (Linux; Android 16; K) {WEBKIT} Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) {WEBKIT} Version/26.1 Safari/604.1", "Safari on iPhone"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/26.1 Safari/605.1.15", "Safari on macOS"),
        ("curl/8.14.1", "curl"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("", None),
        ("<script>alert(1)</script>", None),
        ("a" * 41, None),
    ],
)
def test_a_client_is_known_by_its_family_alone(told: str, known: str | None) -> None:
    assert family(told) == known


def test_a_session_tells_from_which_network_and_with_what_it_was_begun_and_then_carried_on(
    world: World, settings_for: Callable[..., Settings]
) -> None:
    """So that whoever lists theirs recognises a stranger's, be it that their password was stolen or a refresh token."""
    app = create_app(settings_for(world.urls.api, jwt_secret_file=world.secret_file))

    async def ask(path: str, said: dict[str, str], host: str, agent: str) -> dict[str, str]:
        transport = httpx.ASGITransport(app, client=(host, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            answer = await client.post(path, json=said, headers={"User-Agent": agent})
            assert answer.status_code == 200
            return dict(answer.json())

    def listed() -> list[tuple[str | None, str | None]]:
        sessions = world.first.get("/v1/sessions", headers=mine).json()["sessions"]
        return [(each["address"], each["client"]) for each in sessions]

    login = {"username": "viewer", "password": PASSWORD}
    begun = asyncio.run(ask("/v1/auth/token", login, "203.0.113.77", FIREFOX))
    mine = world.bearer()
    assert listed() == [(None, "testclient"), ("203.0.113.0", "Firefox on Linux")]
    asyncio.run(ask("/v1/auth/refresh", {"refresh_token": begun["refresh_token"]}, "198.51.100.9", "curl/8.5.0"))
    assert listed() == [(None, "testclient"), ("198.51.100.0", "curl")]


def test_one_sees_and_ends_ones_own_sessions_and_nobody_elses(world: World) -> None:
    mine, other, theirs = world.bearer(), world.bearer(), world.bearer("admin")
    listed = world.first.get("/v1/sessions", headers=mine).json()["sessions"]
    assert [(each["kind"], each["is_current"]) for each in listed] == [("api", False), ("api", True)]
    (foreign,) = world.first.get("/v1/sessions", headers=theirs).json()["sessions"]
    assert world.first.delete(f"/v1/sessions/{foreign['session_id']}", headers=mine).status_code == 404
    assert world.first.delete(f"/v1/sessions/{listed[0]['session_id']}", headers=mine).status_code == 204
    assert (status(world.first, other), status(world.first, mine), status(world.first, theirs)) == (401, 200, 200)


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/users/{}/sessions"])
def test_however_many_sessions_one_has_each_can_be_listed_once(world: World, path: str) -> None:
    """Some of the same moment: the id says which of them comes first."""
    mine, admin = world.bearer(), world.bearer("admin")
    ((owner,),) = world.sql("select account_id from app.account where username = 'viewer'")
    world.sql(
        """
        insert into app.session (session_id, account_id, kind, cookie_hash, created_at, expires_at)
        select 's' || n, %s, 'web', decode(lpad(n::text, 64, '0'), 'hex'), now() - make_interval(mins => n / 3), now() + interval '1 day'
        from generate_series(1, 450) as n
        """,
        owner,
    )
    headers = mine if path == "/v1/sessions" else admin
    pages: list[list[str]] = []
    address: str | None = path.format(owner)
    while address is not None:
        answer = world.first.get(address, headers=headers)
        pages.append([each["session_id"] for each in answer.json()["sessions"]])
        address = answer.links["next"]["url"] if "next" in answer.links else None
        assert (address is None) == (answer.json()["next_cursor"] is None)
    assert [len(each) for each in pages] == [200, 200, 51]
    found = [each for shown in pages for each in shown]
    assert {*found} >= {f"s{n}" for n in range(1, 451)}
    assert len({*found}) == 451
    small = world.first.get(path.format(owner), params={"limit": 2}, headers=headers).json()
    assert [each["session_id"] for each in small["sessions"]] == found[:2]
    for wrong in ("nonsense", next_cursor({}, None, "1")):
        assert world.first.get(path.format(owner), params={"cursor": wrong}, headers=headers).status_code == 400


def make_key(world: World, owner: dict[str, str], *scopes: str, **more: Any) -> Any:
    return world.first.post("/v1/keys", headers=owner, json={"name": "import", "scopes": scopes, **more})


def test_a_key_is_shown_once_kept_hashed_and_good_for_its_scopes_alone(world: World) -> None:
    owner = world.bearer("operator")
    made = make_key(world, owner, "read").json()
    key = {"Authorization": f"Bearer {made['key']}"}
    assert made["key"].startswith(f"fb_{made['info']['key_id']}_")
    assert (status(world.first, key), status(world.second, key)) == (200, 200)
    assert status(world.first, key, "/v1/models/results/evidence") == 403
    assert status(world.first, key, "/v1/sessions") == 403
    assert make_key(world, key, "read").status_code == 403
    assert made["key"] not in world.first.get("/v1/keys", headers=owner).text
    assert made["key"] not in str(world.sql("select * from app.api_key"))
    assert status(world.first, {"Authorization": f"Bearer {made['key'][:-1]}_"}) == 401


def test_a_key_cannot_be_good_for_what_its_owner_may_not(world: World) -> None:
    owner = world.bearer("viewer")
    assert make_key(world, owner, "analyse").status_code == 403
    assert make_key(world, owner, "own").status_code == 403
    assert make_key(world, owner, "everything").status_code == 400
    assert make_key(world, owner).status_code == 400
    assert make_key(world, owner, "read", expires_in_days=367).status_code == 400


def test_a_revoked_key_is_soon_refused_on_every_worker_and_an_expired_one_at_once(world: World) -> None:
    owner = world.bearer()
    made, other = (make_key(world, owner, "read").json() for _ in range(2))
    key = {"Authorization": f"Bearer {made['key']}"}
    assert (status(world.first, key), status(world.second, key)) == (200, 200)
    path = f"/v1/keys/{made['info']['key_id']}"
    assert world.first.delete(path, headers=world.bearer("admin")).status_code == 404
    assert world.first.delete(path, headers=owner).status_code == 204
    assert world.first.delete(path, headers=owner).status_code == 404
    assert status(world.first, key) == 401
    assert refused_soon(world.second, key)
    world.sql("update app.api_key set expires_at = now() where key_id = %s", other["info"]["key_id"])
    assert status(world.first, {"Authorization": f"Bearer {other['key']}"}) == 401
    assert world.first.get("/v1/keys", headers=owner).json() == {"keys": []}


def test_a_whole_key_where_its_id_belongs_is_refused_as_no_id_and_its_secret_neither_told_nor_logged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a key that there is not, whoever sent it would take it for revoked; and the log would hold one that is good."""
    owner = world.bearer("admin")
    made = make_key(world, owner, "read").json()
    lines: list[Line] = []
    monkeypatch.setattr("serving.access_log.AccessLog.add", lambda log, line: lines.append(line))
    answers = [world.first.delete(f"{path}/keys/{made['key']}", headers=owner) for path in ("/v1", "/v1/users/1")]
    assert [each.status_code for each in answers] == [400, 400]
    shown = f"fb_{made['info']['key_id']}_"
    assert [line.path for line in lines] == [f"/v1/keys/{shown}…", f"/v1/users/1/keys/{shown}…"]
    assert all(made["key"].removeprefix(shown) not in each.text for each in answers)


def test_for_an_account_that_changes_at_that_very_moment_nothing_is_begun_made_or_replaced(world: World) -> None:
    async def scenario() -> None:
        database = Database(world.urls.api)
        accounts = Accounts(database)
        keeper = keeper_of(world, database)
        seen = await accounts.account("viewer")
        assert seen is not None
        assert await accounts.change(seen.account_id, command_line(), is_disabled=True)
        for begin in (keeper.begin, keeper.begin_web):
            with pytest.raises(NotAuthorizedException):
                await begin(seen, command_line())
        expires_at = datetime.now(UTC) + timedelta(days=1)
        made = await Keys(database).create(seen.account_id, "a key", b"hash", "import", ["read"], expires_at, command_line())
        assert made is None
        await accounts.replace_hash(seen.account_id, "a hash that it no longer has", "another", command_line())
        await database.close()

    asyncio.run(scenario())
    assert world.sql("select password_hash from app.account where username = 'viewer'") == [(hashed(PASSWORD),)]
    told = world.sql("select action from app.audit where action <> 'account.create'")
    assert told == [("account.disable",)]


def test_a_token_whose_account_is_gone_makes_no_key(world: World) -> None:
    token = Tokens.from_file(world.secret_file, "live").issue("999", Role.VIEWER, "a session")
    assert make_key(world, {"Authorization": f"Bearer {token}"}, "read").status_code == 404


def test_an_account_has_at_most_fifty_keys(world: World) -> None:
    owner = world.bearer()
    assert make_key(world, owner, "read").status_code == 201
    world.sql(
        "insert into app.api_key (key_id, account_id, name, key_hash, scopes, expires_at) "
        "select n::text, account_id, name, key_hash, scopes, expires_at from app.api_key, generate_series(1, 49) as n"
    )
    assert make_key(world, owner, "read").status_code == 409


def test_when_a_key_was_last_used_is_written_when_the_service_ends(world: World, settings_for: Callable[..., Settings]) -> None:
    made = make_key(world, world.bearer(), "read").json()
    with TestClient(create_app(settings_for(world.urls.api, jwt_secret_file=world.secret_file))) as worker:
        before = datetime.now(UTC)
        assert status(worker, {"Authorization": f"Bearer {made['key']}"}) == 200
    ((used_at,),) = world.sql("select last_used_at from app.api_key")
    assert before <= used_at <= datetime.now(UTC)


def test_what_is_known_goes_on_without_the_database_and_made_up_keys_are_an_error_of_ours(
    world: World, postgres: Any, settings_for: Callable[..., Settings]
) -> None:
    # An account that has just changed is looked up again for a while.
    world.sql("update app.account set revised_at = revised_at - interval '1 hour'")
    made = make_key(world, world.bearer(), "read").json()
    key = {"Authorization": f"Bearer {made['key']}"}
    assert status(world.second, key) == 200
    name = psycopg.conninfo.conninfo_to_dict(world.urls.owner)["dbname"]
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(f"alter database {name} allow_connections false")  # type: ignore[arg-type]
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        try:
            assert status(world.second, key) == 200
            assert status(world.second, {"Authorization": f"Bearer fb_{'0' * 12}_{'a' * 43}"}) == 503
        finally:
            admin.execute(f"alter database {name} allow_connections true")  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["fb_", f"fb_{'0' * 12}", f"fb_{'0' * 12}_{'a' * 42}", f"fb_{'Z' * 12}_{'a' * 43}"])
def test_what_only_begins_like_a_key_is_refused(world: World, key: str) -> None:
    assert status(world.first, {"Authorization": f"Bearer {key}"}) == 401


def made_up_key(number: int) -> dict[str, str]:
    return {"Authorization": f"Bearer fb_{number:012x}_{'a' * 43}"}


def made_up_cookie(number: int) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={number:043}"}


MADE_UP_BY: dict[str, Callable[[Client, int], int]] = {
    "key": lambda client, number: status(client, made_up_key(number)),
    "cookie": lambda client, number: status(client, made_up_cookie(number)),
    "refresh token": lambda client, number: client.post("/v1/auth/refresh", json={"refresh_token": f"{number:043}"}).status_code,
    "link": lambda client, number: client.get(f"{ONCE}?code={number:043}").status_code,
    "signing out": lambda client, number: (
        client.post(
            "/logout", headers=made_up_cookie(1_000 + number) | {"Sec-Fetch-Site": "same-origin"}, follow_redirects=False
        ).status_code
    ),
}


def test_made_up_credentials_of_an_address_reach_the_database_a_bounded_number_of_times(
    world: World, settings_for: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.app.MADE_UP", Rate(per_second=1e-6, burst=3))
    monkeypatch.setattr("serving.identity.lookups.PATIENCE_SECONDS", 0.01)
    token = world.bearer()
    with TestClient(create_app(settings_for(world.urls.api, jwt_secret_file=world.secret_file))) as worker:
        answers = {kind: [way(worker, number) for number in range(5)] for kind, way in MADE_UP_BY.items()}
        assert status(worker, token) == 200, "an access token is not looked for"
    assert answers == {
        "key": [401] * 3 + [429] * 2,
        "cookie": [401] * 3 + [429] * 2,
        "refresh token": [401] * 3 + [429] * 2,
        "link": [403] * 3 + [429] * 2,
        "signing out": [429] * 5,  # cookies, too
    }


def test_whoever_goes_on_with_a_credential_that_is_dead_takes_nothing_from_others_at_the_same_address(world: World) -> None:
    """A machine whose key has expired; a browser whose session is over."""
    owner, other = world.bearer(), world.login("analyst")
    dead, good = make_key(world, owner, "read").json(), make_key(world, world.bearer("operator"), "read").json()
    world.sql("update app.api_key set expires_at = now() where key_id = %s", dead["info"]["key_id"])
    shown = {"Authorization": f"Bearer {dead['key']}"}
    assert {status(world.first, shown) for _ in range(2 * MADE_UP.burst)} == {401}
    assert {status(world.first, made_up_cookie(1)) for _ in range(2 * MADE_UP.burst)} == {401}
    assert status(world.first, {"Authorization": f"Bearer {good['key']}"}) == 200
    assert world.refresh(other["refresh_token"]).status_code == 200
    form = {"username": "viewer", "password": PASSWORD, "next": "/"}
    signed_in = world.first.post("/login", data=form, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
    assert signed_in.status_code == 303
    assert status(world.first, {"Cookie": f"{COOKIE}={signed_in.cookies[COOKIE]}"}) == 200


def credentials(secret_file: Path, keys: Any = None, endings: Any = None) -> Credentials:
    """Over what stands for the queries."""
    secret_file.write_text("s" * 43)
    return Credentials(Tokens.from_file(secret_file, "live"), cast(Any, None), keys, endings, still_lookups())


def test_a_worker_keeps_looking_for_what_was_taken_back_whatever_came_of_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own fault is logged; a database that is away, or does not answer, is not: readiness tells of it."""
    monkeypatch.setattr("serving.identity.credentials.ASK_SECONDS", 0)
    monkeypatch.setattr("serving.identity.credentials.ANSWER_SECONDS", 0.01)
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    asked = []

    class Endings:
        async def since(self, asked_at: datetime | None) -> Ended:
            asked.append(asked_at)
            match len(asked):
                case 1:
                    raise ZeroDivisionError
                case 2:
                    raise StoreUnavailable
                case 3:
                    await asyncio.sleep(60)
                case 5:
                    raise asyncio.CancelledError
            return Ended(moment, ["an ended session"], [], [])

    followed = credentials(tmp_path / "jwt", endings=Endings())
    token = Tokens.from_file(tmp_path / "jwt", "live").issue("1", Role.VIEWER, "an ended session")
    assert asyncio.run(followed.bearer(token, "an address")).subject == "1"
    with structlog.testing.capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        asyncio.run(followed.follow())
    assert asked == [None, None, None, None, moment]
    assert [(line["event"], type(line["exc_info"])) for line in lines] == [("revocations_not_read", ZeroDivisionError)]
    with pytest.raises(NotAuthorizedException):
        asyncio.run(followed.bearer(token, "an address"))


def test_what_was_taken_back_is_looked_for_twice_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, rests = 0, []

    class Endings:
        async def since(self, asked_at: datetime | None) -> Ended:
            nonlocal looks
            looks += 1
            return Ended(datetime(2026, 3, 1, tzinfo=UTC), [], [], [])

    async def sleep(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr("serving.identity.credentials.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(credentials(tmp_path / "jwt", endings=Endings()).follow())
    assert (looks, rests) == (3, [0.5, 0.5, 0.5])


def test_when_keys_were_used_is_written_twice_a_minute_while_the_service_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that runs for weeks would else leave every key looking unused."""
    used_at = datetime(2026, 3, 1, tzinfo=UTC)
    now, written = 0.0, []

    class Endings:
        async def since(self, asked_at: datetime | None) -> Ended:
            return Ended(used_at, [], [], [])

    class Keys:
        async def used(self, uses: dict[str, datetime]) -> None:
            written.append((now, uses))

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        following._uses = {"a": used_at}
        if now > 61:
            raise asyncio.CancelledError

    following = credentials(tmp_path / "jwt", keys=Keys(), endings=Endings())
    monkeypatch.setattr("serving.identity.credentials.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("serving.identity.credentials.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(following.follow())
    assert written == [(30.0, {"a": used_at}), (60.0, {"a": used_at})]


def test_when_keys_were_used_is_written_later_if_it_could_not_be_written_now(tmp_path: Path) -> None:
    early, late = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2))
    written: list[dict[str, datetime]] = []

    class Keys:
        is_up = False

        async def used(self, uses: dict[str, datetime]) -> None:
            if not self.is_up:
                following._uses["a"] = late  # meanwhile
                raise StoreUnavailable
            written.append(uses)

    keys = Keys()
    following = credentials(tmp_path / "jwt", keys=keys)
    following._uses = {"a": early, "b": early}
    with pytest.raises(StoreUnavailable):
        asyncio.run(following.write_uses())
    asyncio.run(following.close())
    keys.is_up = True
    asyncio.run(following.write_uses())
    asyncio.run(following.write_uses())
    assert written == [{"a": late, "b": early}]


def test_an_administrator_lists_makes_and_changes_accounts(world: World) -> None:
    admin = world.bearer("admin")
    listed = world.first.get("/v1/users?limit=3", headers=admin).json()
    assert [each["username"] for each in listed["users"]] == ["admin", "analyst", "operator"]
    rest = world.first.get(f"/v1/users?limit=3&cursor={listed['next_cursor']}", headers=admin).json()
    assert ([each["username"] for each in rest["users"]], rest["next_cursor"]) == (["viewer"], None)
    new = {"username": "ann", "password": PASSWORD, "role": "analyst"}
    made = world.first.post("/v1/users", headers=admin, json=new)
    assert (made.status_code, made.json()["role"], made.json()["disabled_at"]) == (201, "analyst", None)
    assert "password" not in made.text
    assert world.first.post("/v1/users", headers=admin, json=new).status_code == 409
    weak = world.first.post("/v1/users", headers=admin, json={"username": "bob", "password": "password1234"})
    assert (weak.status_code, "first that anyone would try" in weak.text) == (400, True)
    number = made.json()["user_id"]
    told = world.first.get(f"/v1/users/{number}", headers=admin)
    assert told.json() == made.json()
    assert world.first.get(f"/v1/users/{number}", headers=admin | {"If-None-Match": told.headers["ETag"]}).status_code == 304
    assert world.first.get("/v1/users/999", headers=admin).status_code == 404
    ann = world.bearer("ann")
    key = {"Authorization": f"Bearer {make_key(world, ann, 'read', 'analyse').json()['key']}"}
    evidence = "/v1/record/predictions"
    assert (status(world.second, ann, evidence), status(world.second, key, evidence)) == (200, 200)
    changed = world.first.patch(f"/v1/users/{number}", headers=admin, json={"role": "viewer"})
    assert changed.json()["role"] == "viewer"
    assert refused_soon(world.second, ann)
    assert (status(world.second, key, evidence), status(world.second, key)) == (403, 200)
    assert world.first.patch(f"/v1/users/{number}", headers=admin, json={"is_disabled": True}).json()["disabled_at"]
    assert refused_soon(world.second, key)
    assert world.first.post("/v1/auth/token", json={"username": "ann", "password": PASSWORD}).status_code == 401
    assert world.first.patch(f"/v1/users/{number}", headers=admin, json={"is_disabled": False}).json()["disabled_at"] is None
    assert status(world.first, key) == 200
    assert taken_soon(world.second, key)
    assert world.first.patch("/v1/users/999", headers=admin, json={}).status_code == 404
    own = next(each["user_id"] for each in listed["users"] if each["username"] == "admin")
    assert world.first.patch(f"/v1/users/{own}", headers=admin, json={"role": "viewer"}).status_code == 409


def test_an_administrator_finds_accounts_by_a_part_of_their_name(world: World) -> None:
    admin = world.bearer("admin")

    def found(search: str, **more: str) -> list[str]:
        answer = world.first.get("/v1/users", params={"search": search, **more}, headers=admin).json()
        return [each["username"] for each in answer["users"]] + ["…"] * bool(answer["next_cursor"])

    assert found("R") == ["operator", "viewer"]
    assert found("%") == found("_") == found("nobody") == []
    assert found("r", limit="1") == ["operator", "…"]
    cursor = world.first.get("/v1/users?search=r&limit=1", headers=admin).json()["next_cursor"]
    assert found("r", limit="1", cursor=cursor) == ["viewer"]
    assert world.first.get("/v1/users", params={"search": "v", "cursor": cursor}, headers=admin).status_code == 400
    assert world.first.get("/v1/users?search=", headers=admin).status_code == 400


NEW_PASSWORD = "four other words in a row"


def change_password(world: World, bearer: dict[str, str], old: str, new: str = NEW_PASSWORD) -> Any:
    return world.first.put("/v1/auth/password", headers=bearer, json={"password": old, "new_password": new})


def test_one_changes_ones_own_password_and_ones_other_sessions_end_on_every_worker(world: World) -> None:
    given = world.login()
    mine = {"Authorization": f"Bearer {given['access_token']}"}
    other, theirs = world.bearer(), world.bearer("admin")
    key = {"Authorization": f"Bearer {make_key(world, mine, 'read').json()['key']}"}
    assert {status(world.second, each) for each in (mine, other, theirs, key)} == {200}
    changed = change_password(world, mine, PASSWORD)
    assert (changed.status_code, changed.content) == (204, b"")
    assert status(world.first, other) == 401
    assert refused_soon(world.second, other)
    assert {status(worker, each) for worker in (world.first, world.second) for each in (mine, theirs, key)} == {200}
    assert world.refresh(given["refresh_token"]).status_code == 200
    login = {"username": "viewer", "password": PASSWORD}
    assert world.first.post("/v1/auth/token", json=login).status_code == 401
    assert world.login("viewer", NEW_PASSWORD)
    hashes = "before ->> 'password_hash', after ->> 'password_hash'"
    told = world.sql(f"select actor, {hashes} from app.audit where action = 'account.set_password'")
    ((number,),) = world.sql("select account_id from app.account where username = 'viewer'")
    assert told == [(f"account:{number}", "(hidden)", "(hidden)")]


def test_a_wrong_password_changes_nothing_and_is_an_attempt_to_log_in(world: World) -> None:
    mine = world.bearer()
    answers = [change_password(world, mine, "a wrong password") for _ in range(10)]
    assert {(each.status_code, each.json()["detail"]) for each in answers} == {(403, "The password is wrong.")}
    refused = change_password(world, mine, PASSWORD)
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
    assert world.first.post("/v1/auth/token", json={"username": "viewer", "password": PASSWORD}).status_code == 429
    assert world.sql("select password_hash from app.account where username = 'viewer'") == [(hashed(PASSWORD),)]
    assert world.login("admin")


def test_a_common_password_is_not_taken_and_neither_a_key_nor_nobody_changes_one(world: World) -> None:
    mine = world.bearer("admin")
    weak = change_password(world, mine, PASSWORD, "password1234")
    assert (weak.status_code, "first that anyone would try" in weak.text) == (400, True)
    key = {"Authorization": f"Bearer {make_key(world, mine, 'administer').json()['key']}"}
    gone = {"Authorization": "Bearer " + Tokens.from_file(world.secret_file, "live").issue("999", Role.VIEWER, "a session")}
    assert [change_password(world, each, PASSWORD).status_code for each in (key, gone, {})] == [403, 403, 401]
    assert world.sql("select distinct password_hash from app.account") == [(hashed(PASSWORD),)]


def test_of_two_who_change_a_password_at_once_the_later_finds_it_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def overtaken(_: PasswordChecker, password: str) -> str:
        world.sql("update app.account set password_hash = 'the other one''s' where username = 'viewer'")
        return hashed(password)

    monkeypatch.setattr(PasswordChecker, "hash", overtaken)
    mine = world.bearer()
    assert change_password(world, mine, PASSWORD).status_code == 403
    assert world.sql("select password_hash from app.account where username = 'viewer'") == [("the other one's",)]
    assert world.sql("select action from app.audit where action = 'account.set_password'") == []
    assert status(world.first, mine) == 200


def test_an_administrator_ends_the_sessions_and_keys_of_others(world: World) -> None:
    admin, viewer = world.bearer("admin"), world.bearer()
    made = make_key(world, viewer, "read").json()
    number = world.sql("select account_id from app.account where username = 'viewer'")[0][0]
    (session,) = world.first.get(f"/v1/users/{number}/sessions", headers=admin).json()["sessions"]
    (key,) = world.first.get(f"/v1/users/{number}/keys", headers=admin).json()["keys"]
    assert key["key_id"] == made["info"]["key_id"]
    for kind, each in (("keys", key["key_id"]), ("sessions", session["session_id"])):
        assert world.first.delete(f"/v1/users/{number}/{kind}/{each}", headers=viewer).status_code == 403
        assert world.first.delete(f"/v1/users/{number}/{kind}/{each}", headers=admin).status_code == 204
        assert world.first.delete(f"/v1/users/{number}/{kind}/{each}", headers=admin).status_code == 404
    assert status(world.first, viewer) == 401
    assert status(world.first, {"Authorization": f"Bearer {made['key']}"}) == 401


def test_a_hash_from_elsewhere_lets_in_once_and_is_then_replaced(world: World) -> None:
    legacy = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    world.sql("update app.account set password_hash = %s where username = 'viewer'", legacy)
    assert world.first.post("/v1/auth/token", json={"username": "viewer", "password": "wrong"}).status_code == 401
    assert world.sql("select password_hash from app.account where username = 'viewer'") == [(legacy,)]
    session = world.login()
    ((replaced,),) = world.sql("select password_hash from app.account where username = 'viewer'")
    assert replaced.startswith("$argon2id$")
    assert world.login()
    assert status(world.first, {"Authorization": f"Bearer {session['access_token']}"}) == 200


def changed(world: World, change: Callable[..., Any]) -> Any:
    async def change_and_close() -> Any:
        database = Database(world.urls.api)
        try:
            return await change(database, command_line())
        finally:
            await database.close()

    return asyncio.run(change_and_close())


def test_a_new_signing_key_takes_over_while_the_service_runs_and_a_retired_one_ends(world: World) -> None:
    before = world.login()
    old = {"Authorization": f"Bearer {before['access_token']}"}
    assert status(world.second, old) == 200
    made = changed(world, lambda *given: key_changes.rotate(world.secret_file, datetime.now(UTC), *given))
    assert world.secret_file.stat().st_mode & 0o777 == 0o600
    deadline = time.monotonic() + 3
    while (new := world.refresh(before["refresh_token"]).json())["access_token"].split(".")[0] == before["access_token"].split(
        "."
    )[0]:
        assert time.monotonic() < deadline
    assert (status(world.first, old), status(world.second, old)) == (200, 200)
    bearer = {"Authorization": f"Bearer {new['access_token']}"}
    assert (status(world.first, bearer), status(world.second, bearer)) == (200, 200)
    assert changed(world, lambda *given: key_changes.retire(world.secret_file, *given)) == 1
    assert [key.key_id for key in signing_keys.read(world.secret_file)] == [made.key_id]
    assert all(refused_soon(worker, old) for worker in (world.first, world.second))
    assert status(world.first, bearer) == 200


def test_a_change_that_stands_is_not_called_a_failure_where_the_worker_cannot_hear_of_it_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever got 503 would do it again, and be told that there is nothing to revoke or end."""

    async def unheard(*_: Any) -> None:
        raise StoreUnavailable("The database cannot be reached.")

    mine, operator = world.bearer(), world.bearer("operator")
    key = world.first.post("/v1/keys", headers=mine, json={"name": "import", "scopes": ["read"]}).json()["info"]["key_id"]
    session = world.first.get("/v1/sessions", headers=mine).json()["sessions"][0]["session_id"]
    pin = {"publication_id": 1, "reason": "It is good."}
    with monkeypatch.context() as patched:
        patched.setattr("serving.current.CurrentPublication.refresh", unheard)
        patched.setattr("serving.identity.credentials.Credentials.catch_up", unheard)
        answers = [
            world.first.put("/v1/publications/pin", headers=operator, json=pin),
            world.first.delete("/v1/publications/pin", headers=operator),
            world.first.delete(f"/v1/keys/{key}", headers=mine),
            world.first.delete(f"/v1/sessions/{session}", headers=mine),
            world.first.post("/v1/auth/logout", headers=world.bearer()),
        ]
    assert [each.status_code for each in answers] == [200, 204, 204, 204, 204]
    assert refused_soon(world.first, mine)


def test_of_two_signing_keys_made_at_the_same_time_neither_is_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*given: Any) -> None:
        time.sleep(0.3)
        replace(*given)

    replace = signing_keys.write
    monkeypatch.setattr(signing_keys, "write", write)
    now = datetime.now(UTC)
    with ThreadPoolExecutor(2) as pool:
        both = pool.map(lambda _: changed(world, lambda *given: key_changes.rotate(world.secret_file, now, *given)), range(2))
        made = {key.key_id for key in both}
    assert made < {key.key_id for key in signing_keys.read(world.secret_file)}
    (_, first), (before, _) = world.sql(
        "select before, after from app.audit where action like 'signing_key.%%' order by sequence"
    )
    assert first == before


def test_a_replaced_secret_is_dropped_once_all_it_signed_has_expired() -> None:
    now = datetime.now(UTC)
    first = signing_keys.SigningKey(b"s" * 43)
    (*_, second) = two = signing_keys.rotated([first], now)
    (*_, third) = three = signing_keys.rotated(two, now + timedelta(minutes=10))
    assert three == [first, second, third]
    (*_, fourth) = last = signing_keys.rotated(three, now + timedelta(minutes=25))
    assert last == [second, third, fourth]


def test_of_five_thousand_changed_tokens_none_is_accepted_and_none_is_an_error_of_ours(secret_file: Path) -> None:
    tokens, generator = Tokens.from_file(secret_file, "live"), random.Random(1)
    good = tokens.issue("1", Role.ADMIN, "session")
    assert tokens.verify(good)[0].role is Role.ADMIN
    letters, last = string.ascii_letters + string.digits + "-_.=\x00é", len(good) - 1
    for _ in range(5_000):
        token = list(good)
        for _ in range(generator.randint(1, 3)):
            position = generator.randrange(last)  # the last character holds bits that mean nothing
            change = generator.choice(("replace", "insert", "delete"))
            if change == "replace":
                token[position] = generator.choice(letters)
            elif change == "insert":
                token.insert(position, generator.choice(letters))
            elif len(token) > last // 2:
                del token[position]
                last = min(last, len(token) - 1)
        last = len(good) - 1
        if (changed := "".join(token)) != good:
            with pytest.raises(InvalidToken):
                tokens.verify(changed)
