"""The audit: one row for each write, in its transaction, linked; what it takes to change it unseen.

The attacker is the superuser, triggers switched off.
"""

import asyncio
import csv
import io
import json
import os
import pwd
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import httpx
import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from deploy.database import Urls
from deploy.local.postgres import PostgresServer
from serving.app import create_app
from serving.audit.chain import Head, Verification, verify
from serving.audit.entries import HIDDEN, command_line, shown
from serving.cli import commands
from serving.identity import signing_keys
from serving.identity.buckets import Rate
from serving.identity.signing_keys import SigningKey, read
from serving.settings import Settings
from serving.store.accounts import Accounts
from serving.store.audit import Audit, audited
from serving.store.database import Database, StoreUnavailable
from tests.serving.conftest import Client, hashed, prediction, publish

PASSWORD = "correct horse battery staple"
LOCK = "select pg_advisory_xact_lock(hashtext('app.audit'))"
"""What every write waits for."""
ME = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"

Bearer = Callable[..., dict[str, str]]
Attack = Callable[[str], None]


def rows(database: Urls, columns: str = "*", table: str = "app.audit") -> list[tuple[Any, ...]]:
    with psycopg.connect(database.api) as connection:
        return connection.execute(f"select {columns} from {table} order by 1").fetchall()


def stored(database: Urls) -> dict[str, list[tuple[Any, ...]]]:
    """All that the service keeps, the audit apart."""
    with psycopg.connect(database.api) as connection:
        found = connection.execute("select tablename from pg_tables where schemaname = 'app' and tablename <> 'audit'").fetchall()
    return {name: rows(database, table=f"app.{name}") for (name,) in found}


@pytest.fixture
def service(database: Urls, settings_for: Callable[..., Settings]) -> Iterator[Client]:
    """A service with two publications and the account `ann`."""
    for number in (1, 2):
        publish(database.model, [prediction(number)])

    async def create() -> None:
        connections = Database(database.api)
        assert await Accounts(connections).create_account("ann", hashed(PASSWORD), "viewer", command_line())
        await connections.close()

    asyncio.run(create())
    with TestClient(create_app(settings_for(database.api))) as client:
        yield client


PIN = {"publication_id": 1, "reason": "Prices of 2 were wrong."}
LOGIN = {"username": "ann", "password": PASSWORD}
CHANGE = {"password": PASSWORD, "new_password": "four other words in a row"}
HERE = {"Origin": "http://testserver.local"}

NEW = {"username": "bob", "password": PASSWORD}
KEY = {"name": "import", "scopes": ["read"]}

Given = Any
Call = Callable[[Client, dict[str, str], Given], Any]


def log_in(client: Client, *_: Any) -> Any:
    return client.post("/v1/auth/token", json=LOGIN)


def sign_in(client: Client, *_: Any) -> Any:
    return client.post("/login", data=LOGIN, headers=HERE, follow_redirects=False)


def make_key(client: Client, bearer: dict[str, str], *_: Any) -> Any:
    return client.post("/v1/keys", json=KEY, headers=bearer)


def make_user(client: Client, bearer: dict[str, str], *_: Any) -> Any:
    return client.post("/v1/users", json=NEW, headers=bearer)


def pin(client: Client, bearer: dict[str, str], *_: Any) -> Any:
    return client.put("/v1/publications/pin", json=PIN, headers=bearer)


def latest_session(client: Client, bearer: dict[str, str]) -> str:
    return str(client.get("/v1/sessions", headers=bearer).json()["sessions"][0]["session_id"])


def key_of(given: Given) -> str:
    return str(given.json()["info"]["key_id"])


GUARDED = [401, 403]
"""What those get who are nobody, and who are viewers."""
OWN = [401]
"""Any account may, in its own matters."""
PUBLIC: list[int] = []

WRITES: dict[tuple[str, str], tuple[Call | None, Call, str, str, list[int]]] = {
    ("PUT", "/v1/publications/pin"): (None, pin, "publication.pin", "publication/1", GUARDED),
    ("DELETE", "/v1/publications/pin"): (
        pin,
        lambda client, bearer, _: client.delete("/v1/publications/pin", headers=bearer),
        "publication.release",
        "publication/1",
        GUARDED,
    ),
    ("POST", "/v1/auth/token"): (
        None,
        lambda client, bearer, _: client.post("/v1/auth/token", json=LOGIN, headers=bearer),
        "session.begin",
        r"session/\w+",
        PUBLIC,
    ),
    ("POST", "/v1/auth/refresh"): (
        log_in,
        lambda client, bearer, given: client.post(
            "/v1/auth/refresh", json={"refresh_token": given.json()["refresh_token"]}, headers=bearer
        ),
        "session.refresh",
        r"session/\w+",
        PUBLIC,
    ),
    ("POST", "/v1/auth/logout"): (
        log_in,
        lambda client, bearer, given: client.post(
            "/v1/auth/logout", headers=bearer | {"Authorization": f"Bearer {given.json()['access_token']}"}
        ),
        "session.end",
        r"session/\w+",
        PUBLIC,
    ),
    ("PUT", "/v1/auth/password"): (
        None,
        lambda client, bearer, _: client.put("/v1/auth/password", json=CHANGE, headers=bearer),
        "account.set_password",
        "account/1",
        GUARDED,  # the second time it is no longer the password
    ),
    ("POST", "/login"): (
        None,
        lambda client, bearer, _: client.post("/login", data=LOGIN, headers=HERE | bearer, follow_redirects=False),
        "session.begin",
        r"session/\w+",
        PUBLIC,
    ),
    ("POST", "/logout"): (
        sign_in,
        lambda client, bearer, _: client.post("/logout", headers=HERE | bearer, follow_redirects=False),
        "session.end",
        r"session/\w+",
        PUBLIC,
    ),
    ("DELETE", "/v1/sessions/{session_id}"): (
        log_in,
        lambda client, bearer, _: client.delete(f"/v1/sessions/{latest_session(client, bearer)}", headers=bearer),
        "session.end",
        r"session/\w+",
        PUBLIC,
    ),
    ("POST", "/v1/keys"): (None, make_key, "key.create", r"key/\w+", PUBLIC),
    ("DELETE", "/v1/keys/{key_id}"): (
        make_key,
        lambda client, bearer, given: client.delete(f"/v1/keys/{key_of(given)}", headers=bearer),
        "key.revoke",
        r"key/\w+",
        OWN,
    ),
    ("POST", "/v1/users"): (None, make_user, "account.create", "account/2", GUARDED),
    ("PATCH", "/v1/users/{user_id}"): (
        make_user,
        lambda client, bearer, _: client.patch("/v1/users/2", json={"role": "analyst"}, headers=bearer),
        "account.set_role",
        "account/2",
        GUARDED,
    ),
    ("DELETE", "/v1/users/{user_id}/sessions/{session_id}"): (
        log_in,
        lambda client, bearer, _: client.delete(
            f"/v1/users/1/sessions/{latest_session(client, bearer) if bearer else 'x'}", headers=bearer
        ),
        "session.end",
        r"session/\w+",
        PUBLIC,
    ),
    ("DELETE", "/v1/users/{user_id}/keys/{key_id}"): (
        make_key,
        lambda client, bearer, given: client.delete(f"/v1/users/1/keys/{key_of(given)}", headers=bearer),
        "key.revoke",
        r"key/\w+",
        GUARDED,
    ),
}
"""Handlers that write: what has to be there before, the request, what the audit says of it, and whom they refuse."""


def changing_handlers(app: Litestar) -> set[tuple[str, str]]:
    return {
        (str(method), re.sub(r":\w+}", "}", route.path))
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if method not in ("GET", "HEAD", "OPTIONS")
    }


def test_every_handler_that_may_write_stands_in_the_table(client: Client) -> None:
    """A new one has to say here what it leaves in the audit."""
    assert changing_handlers(client.app) == set(WRITES)


@pytest.mark.parametrize("write", WRITES, ids=" ".join)
def test_every_write_leaves_exactly_one_row(service: Client, database: Urls, bearer: Bearer, write: tuple[str, str]) -> None:
    before, call, action, what, refused_with = WRITES[write]
    given = None if before is None else before(service, bearer("admin"))
    assert given is None or not given.is_error
    known, kept = rows(database), stored(database)
    answer = call(service, bearer("admin") | {"X-Request-Id": "r-1"}, given)
    assert not answer.is_error
    assert stored(database) != kept
    assert rows(database)[:-1] == known
    (said,) = rows(database, "sequence, actor, action, object, request_id")[len(known) :]
    assert said == (len(known) + 1, "account:1", action, said[3], "r-1")
    assert re.fullmatch(what, said[3])
    callers = ({}, bearer())[: len(refused_with)]
    refused = [call(service, headers, given).status_code for headers in callers]
    assert (refused, len(rows(database))) == (refused_with, len(known) + 1), "what is refused is no write"


def test_what_changes_nothing_leaves_no_row(service: Client, database: Urls, bearer: Bearer) -> None:
    token = {"refresh_token": log_in(service).json()["refresh_token"]}
    assert service.post("/v1/auth/refresh", json=token).status_code == 200
    make_user(service, bearer("admin"))
    known, kept = rows(database), stored(database)
    assert service.post("/v1/auth/refresh", json=token).status_code == 200
    assert service.post("/v1/auth/logout", headers=bearer()).status_code == 204  # of a session that is not there
    assert service.post("/logout", headers=HERE, follow_redirects=False).status_code == 303
    assert service.patch("/v1/users/2", json={"role": "viewer"}, headers=bearer("admin")).status_code == 200
    assert service.post("/v1/auth/token", json=LOGIN | {"password": "wrong"}).status_code == 401
    assert make_user(service, bearer("admin")).status_code == 409
    assert (rows(database), stored(database)) == (known, kept)


def test_a_refresh_token_used_by_two_is_told_and_a_key_acts_by_its_own_name(
    service: Client, database: Urls, bearer: Bearer
) -> None:
    token = {"refresh_token": log_in(service).json()["refresh_token"]}
    service.post("/v1/auth/refresh", json=token)
    with psycopg.connect(database.owner) as connection:
        connection.execute("update app.refresh_token set used_at = used_at - interval '11 seconds' where used_at is not null")
    assert service.post("/v1/auth/refresh", json=token).status_code == 401
    assert rows(database, "sequence, actor, action")[-1][1:] == ("account:1", "session.reused")
    with psycopg.connect(database.owner) as connection:
        connection.execute("update app.account set role = 'operator'")
    key = service.post("/v1/keys", json=KEY | {"scopes": ["operate"]}, headers=bearer("operator")).json()
    assert pin(service, {"Authorization": f"Bearer {key['key']}"}).json()["pinned_by"] == "1"
    assert rows(database, "sequence, actor, action")[-1][1:] == (f"key:{key['info']['key_id']}", "publication.pin")
    assert key["key"] not in str(rows(database))


def test_a_write_that_cannot_be_audited_is_not_made(
    service: Client, database: Urls, bearer: Bearer, postgres: PostgresServer
) -> None:
    with psycopg.connect(postgres.url(database.api.rpartition("/")[2])) as admin:
        admin.execute("alter table app.audit add constraint none_from_now_on check (sequence < 2)")
    assert service.put("/v1/publications/pin", json=PIN, headers=bearer("admin")).status_code == 500
    assert (rows(database, table="app.pin"), len(rows(database))) == ([], 1)


def test_a_writer_that_stands_still_in_its_transaction_is_given_up_by_the_server_and_the_next_writes(
    database: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who write wait for each other: a stopped worker would keep everybody from logging in."""

    async def still(connections: Database, ended: asyncio.Event) -> None:
        async with audited(connections, command_line()) as write:
            await write.tell("publication.pin", "publication/1", None, None)
            await ended.wait()

    async def scenario() -> None:
        first, second, ended = Database(database.api), Database(database.api), asyncio.Event()
        stopped = asyncio.create_task(still(first, ended))
        await asyncio.sleep(0.1)
        async with audited(second, command_line()) as write:
            await write.tell("publication.release", "publication/1", None, None)
        ended.set()
        with pytest.raises(StoreUnavailable):
            await stopped
        await asyncio.gather(first.close(), second.close())

    async def told() -> Any:
        connections = Database(database.api)
        found = await connections.rows(sa.text("show idle_in_transaction_session_timeout"))
        await connections.close()
        return found[0]["idle_in_transaction_session_timeout"]

    assert asyncio.run(told()) == "5s"
    monkeypatch.setattr("serving.store.database.IDLE_SECONDS", 0.4)
    asyncio.run(asyncio.wait_for(scenario(), 4))
    assert rows(database, "action") == [("publication.release",)]


def test_a_write_that_is_not_made_leaves_no_row(service: Client, database: Urls, bearer: Bearer) -> None:
    assert service.put("/v1/publications/pin", json=PIN | {"publication_id": 9}, headers=bearer("admin")).status_code == 404
    assert service.delete("/v1/publications/pin", headers=bearer("admin")).status_code == 404
    assert rows(database, "action") == [("account.create",)]


def test_pinning_what_is_pinned_already_leaves_no_row_and_the_pin_as_old_as_it_is(
    service: Client, database: Urls, bearer: Bearer
) -> None:
    first = pin(service, bearer("admin")).json()
    again = pin(service, bearer("operator"))
    assert (again.status_code, again.json()) == (200, first)
    assert rows(database, "sequence, action")[1:] == [(2, "publication.pin")]
    other = service.put("/v1/publications/pin", json=PIN | {"reason": "They were wrong once more."}, headers=bearer("admin"))
    assert (other.status_code, len(rows(database))) == (200, 3), "another reason is a change"


def test_a_pin_that_changes_nothing_takes_no_turn_to_write(service: Client, database: Urls, bearer: Bearer) -> None:
    """Whoever asked for it again and again would keep all who write waiting."""
    operator = bearer("operator")

    def release() -> int:
        return service.delete("/v1/publications/pin", headers=operator).status_code

    with psycopg.connect(database.owner) as other:
        other.execute(LOCK)
        unknown = service.put("/v1/publications/pin", json=PIN | {"publication_id": 9}, headers=operator)
        assert (unknown.status_code, release()) == (404, 404)
    assert pin(service, operator).status_code == 200
    with psycopg.connect(database.owner) as other:
        other.execute(LOCK)
        assert pin(service, operator).status_code == 200


def test_pins_count_among_the_changes_that_an_account_may_make(
    service: Client, settings_for: Callable[..., Settings], database: Urls, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.identity.limits.OF_CHANGES", Rate(per_second=1e-6, burst=3))
    operator = bearer("operator")
    with TestClient(create_app(settings_for(database.api))) as worker:
        answers = [pin(worker, operator), worker.delete("/v1/publications/pin", headers=operator)]
        answers += [worker.delete("/v1/publications/pin", headers=operator) for _ in range(2)]
        answers += [pin(worker, operator)]
        assert 'serving_limited_total{limit="changes"} 2.0' in worker.get("/metrics").text
    assert [each.status_code for each in answers] == [200, 204, 404, 429, 429]


def test_a_row_says_what_was_there_before_and_after(service: Client, bearer: Bearer) -> None:
    for number, reason in ((1, "First."), (2, "Second.")):
        service.put("/v1/publications/pin", json={"publication_id": number, "reason": reason}, headers=bearer("admin"))
    service.delete("/v1/publications/pin", headers=bearer("admin"))
    released, second, first, created = service.get("/v1/audit", headers=bearer("admin")).json()["entries"]
    assert (first["before"], first["after"]["publication_id"], first["after"]["reason"]) == (None, 1, "First.")
    assert (second["before"], second["after"]["reason"]) == (first["after"], "Second.")
    assert (released["before"], released["after"]) == (second["after"], None)
    assert [each["sequence"] for each in (created, first, second, released)] == [1, 2, 3, 4]
    assert {name: created[name] for name in ("actor", "action", "object", "before", "request_id", "address")} == {
        "actor": ME, "action": "account.create", "object": "account/1", "before": None, "request_id": None, "address": None,
    }  # fmt: skip
    assert created["after"] | {"created_at": "", "revised_at": ""} == {
        "account_id": 1, "username": "a…", "password_hash": HIDDEN, "role": "viewer", "created_at": "", "disabled_at": None,
        "revised_at": "",
    }  # fmt: skip


def test_of_secrets_nothing_is_kept_and_of_persons_the_first_letter() -> None:
    content = {
        "password": "canary", "access_token": "canary", "key_hash": b"canary", "client_secret": {"of": "canary"},
        "username": "canary", "settings": {"name": "canary", "token": None}, "role": "viewer", "is_token": True,
        "at": datetime(2026, 3, 1, tzinfo=UTC),
    }  # fmt: skip
    assert shown(content) == {
        "password": HIDDEN, "access_token": HIDDEN, "key_hash": HIDDEN, "client_secret": HIDDEN, "username": "c…",
        "settings": {"name": "c…", "token": None}, "role": "viewer", "is_token": True, "at": "2026-03-01T00:00:00Z",
    }  # fmt: skip
    assert shown(None) is None


def test_of_the_client_only_its_network_is_kept(database: Urls, settings_for: Callable[..., Settings], bearer: Bearer) -> None:
    publish(database.model, [prediction(1)])
    app = create_app(settings_for(database.api))

    async def put() -> int:
        transport = httpx.ASGITransport(app, client=("203.0.113.77", 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return (await client.put("/v1/publications/pin", json=PIN, headers=bearer("admin"))).status_code

    assert asyncio.run(put()) == 200
    assert rows(database, "address") == [("203.0.113.0",)]


@pytest.fixture
def football(database: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command of this half."""
    monkeypatch.setenv("API_DATABASE_URL", database.api)
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    monkeypatch.setenv("DEMO_LOGIN_FILE", str(tmp_path / "login.json"))
    group = click.Group(commands={each.name or "": each for each in commands})
    return lambda *arguments, text=None: CliRunner().invoke(group, arguments, input=text)


def test_what_is_done_at_the_command_line_is_audited_too(database: Urls, football: Callable[..., Any]) -> None:
    def run(*arguments: str, text: str | None = None) -> None:
        assert football("account", *arguments, text=text).exit_code == 0

    run("create", "bob", "--role", "operator", "--password-file", "-", text=PASSWORD)
    run("set-password", "bob", "--password-file", "-", text=PASSWORD * 2)
    run("disable", "bob")
    assert rows(database, "sequence, actor, action, object, request_id, address") == [
        (n, ME, f"account.{action}", "account/1", None, None)
        for n, action in ((1, "create"), (2, "set_password"), (3, "disable"))
    ]
    ((_, before, after),) = rows(database, "sequence, before, after")[2:]
    assert before["disabled_at"] is None
    assert after["disabled_at"].startswith("20")


@pytest.fixture
def signing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "jwt"
    path.write_text("s" * 43)
    monkeypatch.setenv("JWT_SECRET_FILE", str(path))
    return path


def test_a_replaced_and_a_retired_signing_key_leave_a_row_each_that_tells_no_secret(
    database: Urls, football: Callable[..., Any], signing_file: Path
) -> None:
    for command in ("rotate", "retire", "retire"):  # the second time nothing is left to retire
        assert football("keys", command).exit_code == 0
    old, new = SigningKey(b"s" * 43).key_id, read(signing_file)[0].key_id
    what = f"signing_key/{new}"
    assert rows(database, "sequence, actor, action, object, before, after") == [
        (1, ME, "signing_key.rotate", what, {"key_ids": [old]}, {"key_ids": [old, new]}),
        (2, ME, "signing_key.retire", what, {"key_ids": [old, new]}, {"key_ids": [new]}),
    ]


@pytest.mark.parametrize("when", ["the row is written", "all is kept"])
def test_a_signing_key_that_cannot_be_audited_is_not_replaced(
    database: Urls, football: Callable[..., Any], signing_file: Path, postgres: PostgresServer, when: str
) -> None:
    """Neither where the row is refused at once, nor where the transaction fails at its very end."""
    deferred = " deferrable initially deferred" if when == "all is kept" else ""
    with psycopg.connect(postgres.url(database.api.rpartition("/")[2])) as admin:
        admin.execute("create function app.refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$")
        admin.execute(
            f"create constraint trigger refuse after insert on app.audit{deferred} for each row execute function app.refuse()"
        )
    assert football("keys", "rotate").exit_code == 1
    assert [key.key_id for key in read(signing_file)] == [SigningKey(b"s" * 43).key_id]
    assert rows(database) == []


def test_a_signing_key_whose_replacement_is_broken_off_has_its_row_already(
    database: Urls, football: Callable[..., Any], signing_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who gets hold of the command line must not change a key unseen by pressing Ctrl-C at the right moment."""

    def write(path: Path, keys: Sequence[SigningKey]) -> None:
        replace(path, keys)
        raise KeyboardInterrupt

    replace = signing_keys.write
    monkeypatch.setattr(signing_keys, "write", write)
    assert football("keys", "rotate").exit_code == 1
    ids = [key.key_id for key in read(signing_file)]
    assert len(ids) == 2
    assert rows(database, "action, after") == [("signing_key.rotate", {"key_ids": ids})]


def test_a_signing_key_that_cannot_be_written_is_told_as_such_by_the_command_and_by_a_second_row(
    database: Urls, football: Callable[..., Any], signing_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(signing_keys, "write", write)
    failed = football("keys", "rotate")
    assert failed.exit_code == 1
    assert "could not be written (No space left on device). The keys are as they were;" in failed.output
    (old,) = [key.key_id for key in read(signing_file)]
    (_, action, before, after), (_, *undone) = rows(database, "sequence, action, before, after")
    assert (action, before) == ("signing_key.rotate", {"key_ids": [old]})
    assert undone == ["signing_key.not_written", after, before]


def test_making_sure_of_the_demo_account_writes_only_what_is_not_so(database: Urls, football: Callable[..., Any]) -> None:
    for _ in range(2):
        assert football("account", "demo").exit_code == 0
    assert rows(database, "sequence, action") == [(1, "account.create")]
    football("account", "disable", "demo")
    football("account", "demo")
    assert [action for _, action in rows(database, "sequence, action")][1:] == ["account.disable", "account.enable"]


def test_the_audit_is_filtered_paged_and_given_as_csv(service: Client, bearer: Bearer) -> None:
    for number in (1, 2, 1):
        service.put("/v1/publications/pin", json=PIN | {"publication_id": number}, headers=bearer("admin"))

    def numbers(**parameters: Any) -> list[int]:
        answer = service.get("/v1/audit", params=parameters, headers=bearer("admin"))
        assert answer.status_code == 200
        return [each["sequence"] for each in answer.json()["entries"]]

    now = datetime.now(UTC)
    assert numbers() == [4, 3, 2, 1]
    assert numbers(actor=ME) == [1]
    assert numbers(actor="account:1") == [4, 3, 2]
    assert numbers(action="publication.pin", object="publication/1") == [4, 2]
    assert numbers(**{"from": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%MZ}"}) == [4, 3, 2, 1]
    assert numbers(to=f"{now - timedelta(hours=1):%Y-%m-%dT%H:%MZ}") == []
    assert numbers(**{"from": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%MZ}"}) == []
    first = service.get("/v1/audit?limit=3", headers=bearer("admin")).json()
    assert numbers(limit=3, cursor=first["next_cursor"]) == [1]
    assert service.get(f"/v1/audit?actor=x&cursor={first['next_cursor']}", headers=bearer("admin")).status_code == 400
    text = service.get("/v1/audit?action=account.create", headers=bearer("admin") | {"Accept": "text/csv"}).text
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["sequence"], row["actor"], row["before"], json.loads(row["after"])["username"]) == ("1", ME, "", "a…")


# --------------------------------------------------------------------------- the chain


@pytest.fixture
def six(database: Urls) -> Urls:
    """A database with six rows in the audit: three with content and three without, one of them with anything that JSON escapes."""
    said = [
        ("publication.pin", {"reason": 'é "\\\x01\x1f\x7f\u2028 \U0001f600/', "n": 1.5, "ok": True}, "127.0.0.0"),
        ("x", None, None),
    ]
    with psycopg.connect(database.api) as connection:
        for action, after, address in said * 3:
            connection.execute(
                "insert into app.audit (actor, action, object, before, after, address) values ('account:1', %s, 'o', null, %s, %s)",
                [action, json.dumps(after) if after else None, address],
            )
    return database


@pytest.fixture
def attack(six: Urls, postgres: PostgresServer) -> Attack:
    def run(statement: str) -> None:
        with psycopg.connect(postgres.url(six.api.rpartition("/")[2])) as connection:
            connection.execute("set session_replication_role = replica")  # no trigger fires
            connection.execute(statement)

    return run


def verified(database: Urls, kept: Head | None = None) -> Verification:
    async def run() -> Verification:
        connections = Database(database.api)
        try:
            return await verify(Audit(connections).linked(), kept)
        finally:
            await connections.close()

    return asyncio.run(run())


def test_an_untouched_audit_holds_and_ends_at_its_last_row(six: Urls, database: Urls) -> None:
    (last,) = rows(six, "sequence, link")[5:]
    assert verified(six) == Verification(Head(*last), [])
    assert verified(six, Head(*rows(six, "sequence, link")[2])).faults == [], "it may grow after its head was kept"


def test_an_empty_audit_is_intact_and_has_no_head(database: Urls) -> None:
    assert verified(database) == Verification(None, [])


def test_the_database_sets_number_moment_and_link_whatever_is_handed_to_it(six: Urls) -> None:
    with psycopg.connect(six.api) as connection:
        connection.execute(
            "insert into app.audit (sequence, at, actor, action, object, link)"
            " values (99, '2000-01-01', 'account:2', 'x', 'y', 'forged')"
        )
    (sequence, at, link) = rows(six, "sequence, at, link")[-1]
    assert (sequence, at > datetime.now(UTC) - timedelta(minutes=1), len(link)) == (7, True, 64)
    assert verified(six).faults == []


@pytest.mark.parametrize("actor", ["1", "account:", "root:1", ""])
def test_an_actor_has_its_kind_and_its_number(database: Urls, actor: str) -> None:
    with psycopg.connect(database.api) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("insert into app.audit (actor, action, object) values (%s, 'x', 'y')", [actor])


@pytest.mark.parametrize("statement", ["update app.audit set action = 'y'", "delete from app.audit", "truncate app.audit"])
def test_neither_the_service_nor_the_owner_changes_or_deletes_a_row(six: Urls, statement: str) -> None:
    with psycopg.connect(six.api) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)
    with (
        psycopg.connect(six.owner) as connection,
        pytest.raises(psycopg.errors.RestrictViolation, match="what was done stays done"),
    ):
        connection.execute(statement)
    assert len(rows(six)) == 6


def test_two_writers_at_once_follow_each_other(six: Urls) -> None:
    add = "insert into app.audit (actor, action, object) values ('account:1', 'x', 'y')"
    with closing(psycopg.connect(six.api)) as one, closing(psycopg.connect(six.api)) as other:
        one.execute(add)
        other.execute("set lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(add)
        other.rollback()
        one.rollback()
        other.execute(add)
        other.commit()
    assert [number for (number,) in rows(six, "sequence")] == [1, 2, 3, 4, 5, 6, 7]
    assert verified(six).faults == []


COPY = "insert into app.audit select (jsonb_populate_record(a, '{changes}')).* from app.audit as a where sequence = {of}"


@pytest.mark.parametrize(
    ("statement", "n_faults"),
    [
        ("update app.audit set actor = 'account:2' where sequence = 2", 1),
        ("update app.audit set after = jsonb_set(after, '{n}', '1.50') where sequence = 3", 1),
        ("update app.audit set before = after, after = before where sequence = 5", 1),
        ("update app.audit set at = at - interval '1 microsecond' where sequence = 6", 1),
        ("update app.audit set address = null, request_id = address where sequence = 1", 1),
        ("delete from app.audit where sequence = 3", 2),  # a number is missing, and the next does not follow
        ("delete from app.audit where sequence = 1", 2),
        (COPY.format(changes='{"sequence": 7}', of=6), 1),
        (COPY.format(changes='{"sequence": 0}', of=1), 2),
        (
            "update app.audit set sequence = 1002 where sequence = 2; update app.audit set sequence = 2 where sequence = 3;"
            "update app.audit set sequence = 3 where sequence = 1002",
            3,
        ),
        # Another row in the place of one, with a link that follows from the row before it.
        ("update app.audit as a set action = 'y', link = app.audit_link((select link from app.audit where sequence = 2),"
         " jsonb_populate_record(a, '{\"action\": \"y\"}')) where sequence = 3", 1),
    ],
    ids=["actor", "content", "before for after", "backdated", "moved to another column", "deleted", "first deleted", "appended",
         "put in front", "reordered", "rewritten with its link"],
)  # fmt: skip
def test_what_was_done_to_a_row_is_seen(six: Urls, attack: Attack, statement: str, n_faults: int) -> None:
    attack(statement)
    assert len(verified(six).faults) == n_faults


def test_a_tail_that_was_cut_off_is_seen_beside_the_head_and_only_there(six: Urls, attack: Attack) -> None:
    kept = verified(six).head
    attack("delete from app.audit where sequence > 4")
    assert verified(six).faults == []
    assert verified(six, kept).faults == [
        "Row 6, at which the audit ended when its head was kept, is missing: its end was cut off."
    ]
    attack("delete from app.audit")
    assert len(verified(six, kept).faults) == 1


def test_an_audit_whose_links_were_all_made_anew_is_seen_beside_the_head(six: Urls, attack: Attack) -> None:
    kept = verified(six).head
    attack(
        """
        update app.audit set actor = 'account:2' where sequence = 1;
        do $$
        declare said app.audit; last text := '';
        begin
            for said in select * from app.audit order by sequence loop
                last := app.audit_link(last, said);
                update app.audit set link = last where sequence = said.sequence;
            end loop;
        end $$
        """
    )
    assert verified(six).faults == []
    (fault,) = verified(six, kept).faults
    assert fault == "Up to row 6 this is not the audit whose head was kept: its links were made anew."


def test_more_rows_than_are_read_at_once_are_verified(six: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.store.audit.BATCH", 4)
    found = verified(six)
    assert (found.head and found.head.sequence, found.faults) == (6, [])


def test_a_head_that_was_kept_does_not_go_back_to_what_a_slower_verification_saw(tmp_path: Path) -> None:
    """Else the rows between the two could be cut off unseen."""
    path = tmp_path / "folder" / "head.json"
    kept = []
    for head in (Head(104, "a"), Head(105, "b"), Head(100, "c"), Head(105, "d")):
        head.keep(path)
        kept.append(Head.read(path))
    assert kept == [Head(104, "a"), *[Head(105, "b")] * 3]
    assert [*path.parent.iterdir()] == [path]


def test_the_command_keeps_the_head_and_finds_what_was_done_since(
    six: Urls, attack: Attack, football: Callable[..., Any], tmp_path: Path
) -> None:
    head = tmp_path / "audit-head.json"
    first = football("audit", "verify")
    assert (first.exit_code, first.stdout) == (0, "6 rows of the audit stand as they were written.\n")
    assert first.stderr == f"{head} was missing: whether the end was cut off before could not be seen.\n"
    before = head.read_text()
    assert json.loads(before) == {"sequence": 6, "link": rows(six, "sequence, link")[-1][1]}
    assert football("audit", "verify").stderr == ""
    attack("delete from app.audit where sequence = 6")
    found = football("audit", "verify", "--json")
    assert (found.exit_code, json.loads(found.stdout)["faults"]) == (
        1, ["Row 6, at which the audit ended when its head was kept, is missing: its end was cut off."]
    )  # fmt: skip
    assert head.read_text() == before, "the head that accuses stays"
    restored = f"If an earlier state of the database was restored on purpose, move {head} away.\n"
    assert football("audit", "verify").stderr == restored


def test_the_command_says_what_is_missing(football: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIR")
    assert football("audit", "verify").stderr == "STATE_DIR is not set: whether the end was cut off cannot be seen.\n"
    monkeypatch.setenv("API_DATABASE_URL", "postgresql://football_api:x@127.0.0.1:9/nowhere")
    assert football("audit", "verify").stderr == "Error: The database cannot be reached. Is it running?\n"
    monkeypatch.delenv("API_DATABASE_URL")
    assert football("audit", "verify").stderr.startswith("Error: API_DATABASE_URL is not set")
