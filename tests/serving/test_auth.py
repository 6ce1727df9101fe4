"""Who gets in, who does not, and what it costs to try."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pytest
import structlog
from argon2 import Parameters, extract_parameters
from litestar import asgi, get
from litestar.exceptions import ImproperlyConfiguredException
from litestar.testing import TestClient, create_test_client
from litestar.types import Receive, Scope, Send

from deploy.database import Urls
from serving.access_log import Line
from serving.app import create_app
from serving.audit.entries import command_line
from serving.identity import passwords
from serving.identity.buckets import Buckets, Rate
from serving.identity.credentials import Remembered
from serving.identity.limits import OF_AN_ACCOUNT, OF_AN_ADDRESS, OF_LOGINS, LoginLimit
from serving.identity.passwords import PasswordChecker, WeakPassword, hash_password, matches
from serving.identity.roles import Permission, Principal, Role, allow, declared, require_declarations
from serving.identity.signing_keys import SigningKey, SigningKeys
from serving.identity.tokens import CLOCKS_APART, InvalidToken, Tokens
from serving.identity.turns import Busy, Turns
from serving.pages.login import ONCE
from serving.redis_clients import clients
from serving.settings import Settings
from serving.store.accounts import Accounts
from serving.store.database import Database, StoreUnavailable
from tests.serving.conftest import Client, hashed, prediction, publish

PASSWORD = "correct horse battery staple"

OPERATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "public": (
        ("post", "/v1/auth/token"),
        ("get", "/health/live"),
        ("get", "/health/ready"),
        ("post", "/v1/auth/refresh"),
    ),
    "own": (
        ("post", "/v1/auth/logout"),
        ("put", "/v1/auth/password"),
        ("get", "/v1/sessions"),
        ("delete", "/v1/sessions/{session_id}"),
        ("get", "/v1/keys"),
        ("post", "/v1/keys"),
        ("delete", "/v1/keys/{key_id}"),
    ),
    "read": (
        ("get", "/v1/competitions"),
        ("get", "/v1/competitions/{competition_id}"),
        ("get", "/v1/predictions"),
        ("get", "/v1/predictions/{prediction_id}"),
        ("get", "/v1/publication"),
        ("get", "/v1/teams"),
        ("get", "/v1/teams/{team_id}"),
        ("get", "/v1/matches"),
        ("get", "/v1/matches/{match_id}"),
        ("get", "/v1/matches/{match_id}/predictions"),
        ("get", "/v1/competitions/{competition_id}/season"),
        ("get", "/v1/record"),
        ("get", "/v1/record/calibration"),
        ("get", "/v1/record/distance"),
        ("get", "/v1/record/verification"),
        ("get", "/v1/models"),
        ("get", "/v1/publication/checks"),
        ("get", "/v1/status"),
        ("get", "/v1/publications"),
        ("get", "/v1/publications/{publication_id}"),
    ),
    "analyse": (
        ("get", "/v1/record/predictions"),
        ("get", "/v1/models/{model_name}/evidence"),
        ("get", "/v1/predictions/{prediction_id}/lineage"),
    ),
    "operate": (
        ("get", "/v1/publication/manifest"),
        ("put", "/v1/publications/pin"),
        ("delete", "/v1/publications/pin"),
    ),
    "administer": (
        ("get", "/v1/audit"),
        ("get", "/v1/users"),
        ("post", "/v1/users"),
        ("get", "/v1/users/{user_id}"),
        ("patch", "/v1/users/{user_id}"),
        ("get", "/v1/users/{user_id}/sessions"),
        ("get", "/v1/users/{user_id}/keys"),
        ("delete", "/v1/users/{user_id}/sessions/{session_id}"),
        ("delete", "/v1/users/{user_id}/keys/{key_id}"),
    ),
}
"""What each permission is meant to let through. What is really asked, by every role, is what the document says (below): a permission
that was declared by mistake is found here."""

BESIDE_THE_DOCUMENT: dict[tuple[str, str], str] = {
    **{
        ("get", path): "read"
        for path in ("/", "/matches/{match_id}", "/record", "/leagues", "/leagues/{competition_id}", "/status")
    },
    **{("get", path): "public" for path in ("/login", "/login/once", "/metrics", "/static/{name}")},
    **{("get", path): "public" for path in ("/schema", "/schema/openapi.json", "/schema/{path}")},
    **{("post", "/login"): "public", ("post", "/logout"): "public"},
}
"""Pages and files: routes that are no operations of the API, and what they ask for."""

ROLES: dict[str, set[str]] = {
    "anonymous": {"public"},
    "viewer": {"public", "own", "read"},
    "analyst": {"public", "own", "read", "analyse"},
    "operator": {"public", "own", "read", "analyse", "operate"},
    "admin": {"public", "own", "read", "analyse", "operate", "administer"},
}

IDS = {"prediction_id": f"{1:064x}", "team_id": "england-a", "match_id": "m1", "competition_id": "E0",
       "publication_id": "1", "model_name": "results", "session_id": "none", "key_id": "0" * 12, "user_id": "999",
       "name": "site.css", "path": "none"}  # fmt: skip
"""Of what is there to be found."""


@pytest.fixture
def service(
    database: Urls, settings_for: Callable[..., Settings], redis_url: str
) -> Iterator[tuple[Client, Callable[[str, str], Any]]]:
    """A service with a publication and the accounts viewer, operator, admin and gone (disabled); and how to log in."""
    publish(database.model, [prediction(1)])

    async def accounts() -> None:
        connections = Database(database.api)
        store = Accounts(connections)
        made = {}
        for name, role in (("viewer", "viewer"), ("operator", "operator"), ("admin", "admin"), ("gone", "viewer")):
            made[name] = await store.create_account(name, hashed(PASSWORD), role, command_line())
        assert await store.change(made["gone"].account_id, command_line(), is_disabled=True)
        await connections.close()

    asyncio.run(accounts())
    with TestClient(create_app(settings_for(database.api, redis_url=redis_url))) as client:
        yield client, lambda name, password: client.post("/v1/auth/token", json={"username": name, "password": password})


def operations(client: Client) -> dict[tuple[str, str], str]:
    """What each operation asks for, as the OpenAPI document says."""
    paths = client.get("/schema/openapi.json").json()["paths"]
    return {(method, path): operation["x-permission"] for path, item in paths.items() for method, operation in item.items()}


def test_the_document_says_of_each_operation_which_permission_it_is_meant_to_ask_for(client: Client) -> None:
    """A new operation has to be given its row here, and one whose permission changes a new place."""
    assert operations(client) == {each: name for name, listed in OPERATIONS.items() for each in listed}


def test_every_route_is_in_the_document_or_one_of_the_pages_and_files_beside_it(client: Client) -> None:
    asked = {operation: permission.value for operation, permission in declared(client.app.routes).items()}
    assert asked == operations(client) | BESIDE_THE_DOCUMENT
    assert {"get", "post", "put", "patch", "delete"} == {method for method, _ in asked}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_exactly_what_its_permissions_and_the_document_say(
    client: Client, bearer: Callable[..., dict[str, str]], role: str
) -> None:
    """Every operation that the document has is asked for as every role."""
    headers = {} if role == "anonymous" else bearer(role)
    answered, expected = {}, {}
    for (method, path), permission in operations(client).items():
        answer = client.request(method.upper(), path.format_map(IDS), headers=headers)
        answered[method, path] = answer.status_code
        # Past the guard: an empty body is no login, pin or key, and nobody and nothing is there to be told, released or ended.
        past = {"post": 400, "put": 400, "patch": 400, "delete": 404}.get(method, 200)
        past = {"/v1/auth/logout": 204, "/v1/users/{user_id}": 404}.get(path, past) if method != "patch" else past
        refusal = 401 if role == "anonymous" else 403
        expected[method, path] = past if permission in ROLES[role] else refusal
        if permission not in ROLES[role]:
            assert answer.headers["content-type"] == "application/problem+json"
            assert ("WWW-Authenticate" in answer.headers) == (role == "anonymous")
    assert answered == expected
    assert len(answered) > 40


def test_each_key_may_do_exactly_what_its_scopes_say_and_nothing_of_ones_own(service: Any) -> None:
    """Every operation that the document has is asked for with a key of each scope, one of all of them, and a viewer's."""
    client, login = service
    scopes = ("read", "analyse", "operate", "administer")
    for account, good_for in (*(("admin", (each,)) for each in scopes), ("admin", scopes), ("viewer", ("read",))):
        owner = {"Authorization": f"Bearer {login(account, PASSWORD).json()['access_token']}"}
        made = client.post("/v1/keys", headers=owner, json={"name": "matrix", "scopes": good_for})
        assert made.status_code == 201
        key = {"Authorization": f"Bearer {made.json()['key']}"}
        refused = {
            (method, path)
            for method, path in operations(client)
            if client.request(method.upper(), path.format_map(IDS), headers=key).status_code == 403
        }
        beyond = {name for name in OPERATIONS if name not in {"public", *good_for}}
        assert refused == {each for name in beyond for each in OPERATIONS[name]}, (account, good_for)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_exactly_the_pages_that_it_may(client: Client, bearer: Callable[..., dict[str, str]], role: str) -> None:
    headers = {} if role == "anonymous" else bearer(role)
    for (method, path), permission in BESIDE_THE_DOCUMENT.items():
        if method == "get":
            status = client.get(path.format_map(IDS), headers=headers).status_code
            assert (status == 401) == (permission not in ROLES[role]), path
            assert (status == 403) == (path == "/login/once"), "a link that nobody made lets nobody in"


@pytest.mark.parametrize("role", ROLES)
def test_a_method_that_a_route_has_not_is_refused_with_those_that_it_has_whoever_asks(
    client: Client, bearer: Callable[..., dict[str, str]], role: str
) -> None:
    headers = {} if role == "anonymous" else bearer(role)
    taken: defaultdict[str, set[str]] = defaultdict(set)
    for method, path in declared(client.app.routes):
        taken[path] |= {method} if method != "get" or path == ONCE else {"get", "head"}
    for path, methods in taken.items():
        for method in {"get", "head", "post", "put", "patch", "delete"} - methods:
            answer = client.request(method, path.format_map(IDS), headers=headers)
            assert answer.status_code == 405, (method, path)
            assert {*answer.headers["Allow"].lower().split(", ")} == methods | {"options"}, (method, path)


@pytest.mark.parametrize("role", ROLES)
def test_head_is_answered_as_get_is_whoever_asks(client: Client, bearer: Callable[..., dict[str, str]], role: str) -> None:
    """But for the body, and for the link that a look at it must not use up."""
    headers = {} if role == "anonymous" else bearer(role)
    paths = [path.format_map(IDS) for method, path in declared(client.app.routes) if method == "get" and path != ONCE]
    for path in paths:
        whole, head = client.get(path, headers=headers), client.head(path, headers=headers)
        assert (head.status_code, head.content) == (whole.status_code, b""), path
        assert head.headers.keys() == whole.headers.keys(), path
    assert len(paths) > 40


def test_nothing_is_public_because_its_path_resembles_that_of_something_public(client: Client) -> None:
    for path in ("/health/live/v1/predictions", "/v1/predictions/health", "/v1/predictions/auth%2Ftoken", "//v1/predictions"):
        assert client.get(path).status_code in {401, 404}
        assert "predictions" not in client.get(path).json()


def test_an_app_with_a_handler_that_declares_no_permission_is_not_made() -> None:
    @get("/undeclared", sync_to_thread=False)
    def undeclared() -> None: ...

    @get("/declared", sync_to_thread=False, opt=allow(Permission.READ))
    def declared() -> None: ...

    require_declarations(create_test_client([declared], openapi_config=None).app.routes)
    with pytest.raises(ImproperlyConfiguredException, match="undeclared"):
        require_declarations(create_test_client([declared, undeclared], openapi_config=None).app.routes)


def test_an_app_with_a_route_that_is_not_of_http_is_not_made_until_it_is_said_how_it_is_authorised() -> None:
    @asgi("/mounted", copy_scope=True)
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None: ...

    with pytest.raises(ImproperlyConfiguredException, match="/mounted is not an HTTP route"):
        require_declarations(create_test_client([mounted], openapi_config=None).app.routes)


def test_a_login_gives_a_bearer_token_for_fifteen_minutes(service: Any, secret_file: Path) -> None:
    client, login = service
    answer = login("viewer", PASSWORD)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], set(body)) == (
        "Bearer",
        900,
        {"access_token", "token_type", "expires_in", "refresh_token"},
    )
    assert jwt.get_unverified_header(body["access_token"]) == {
        "alg": "HS256",
        "typ": "at+jwt",
        "kid": SigningKey(secret_file.read_bytes()).key_id,
    }
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert set(claims) == {"iss", "aud", "sub", "sid", "role", "jti", "iat", "exp"}
    assert (claims["iss"], claims["aud"], claims["role"], claims["exp"] - claims["iat"]) == (
        "football-live",
        "football-api",
        "viewer",
        900,
    )
    bearer = {"Authorization": f"bearer {body['access_token']}"}  # the scheme's name is in any case
    assert client.get("/v1/predictions", headers=bearer).status_code == 200
    assert client.get("/v1/publication/manifest", headers=bearer).status_code == 403
    bearer = {"Authorization": f"Bearer {login('operator', PASSWORD).json()['access_token']}"}
    assert client.get("/v1/publication/manifest", headers=bearer).status_code == 200


def test_the_same_is_said_whatever_was_wrong_with_a_login(service: Any) -> None:
    """Otherwise the answer would tell which names exist."""
    _, login = service
    answers = [login("viewer", "wrong"), login("nobody", PASSWORD), login("gone", PASSWORD), login("READER", PASSWORD)]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["detail"] for answer in answers} == {"Wrong user name or password."}


def test_whoever_logs_in_wrongly_has_one_hash_of_one_measure_verified(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the time would tell which names exist: `make attack` looks at the clock."""
    _, login = service
    verified: list[Parameters] = []

    def watched(password_hash: str, password: str) -> bool:
        verified.append(extract_parameters(password_hash))
        return matches(password_hash, password)

    monkeypatch.setattr(passwords, "matches", watched)
    for name, password in (("viewer", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD)):
        assert login(name, password).status_code == 401
    assert verified == [extract_parameters(hashed(PASSWORD))] * 3


def test_reads_go_on_while_passwords_are_guessed_and_no_more_are_verified_at_once_than_the_cores_but_one(
    service: Any, bearer: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, login = service
    counting, at_work, most = threading.Lock(), 0, 0

    def watched(password_hash: str, password: str) -> bool:
        nonlocal at_work, most
        with counting:
            at_work += 1
            most = max(most, at_work)
        try:
            return matches(password_hash, password)
        finally:
            with counting:
                at_work -= 1

    monkeypatch.setattr(passwords, "matches", watched)
    with ThreadPoolExecutor(40) as pool:
        guesses = [pool.submit(login, f"guessed{n}", "wrong") for n in range(40)]
        reads = [client.get("/v1/competitions", headers=bearer()).status_code for _ in range(10)]
        statuses = {each.result().status_code for each in guesses}
    assert reads == [200] * 10
    assert {401} <= statuses <= {401, 429, 503}
    assert 1 <= most <= max(1, (os.cpu_count() or 1) - 1)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"null", b"[]", b"\xff\xfe", b"[" * 10_000, b'{"username": "a", "password": "\xff"}'),
        *(b'{"username": "viewer"}', b'{"username": 1, "password": 2}', b'{"username": "", "password": "x"}'),
        *(b'{"username": "a\\u0000", "password": "x"}', b'{"username": "\\ud800", "password": "x"}'),
        b'{"username": "a", "password": "x", "role": "operator"}',
    ],
)
def test_a_login_that_makes_no_sense_is_refused_without_repeating_it(client: Client, body: bytes) -> None:
    answer = client.post("/v1/auth/token", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 401}
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_of_more_than_sixteen_kilobytes_is_not_read(client: Client) -> None:
    answer = client.post("/v1/auth/token", json={"username": "a", "password": "x" * 20_000})
    assert answer.status_code == 413


@pytest.mark.parametrize("redis", [True, False], ids=["redis", "in the process"])
def test_guessing_a_password_ends_after_ten_attempts_even_with_the_right_one(
    service: Any, database: Urls, settings_for: Callable[..., Settings], redis: bool
) -> None:
    client, login = service
    if not redis:
        client = TestClient(create_app(settings_for(database.api)))
        with client:
            _guess(lambda name, password: client.post("/v1/auth/token", json={"username": name, "password": password}))
    else:
        _guess(login)


def _guess(login: Callable[[str, str], Any]) -> None:
    # One attempt comes back every six seconds, and guessing takes its time.
    statuses = [login("viewer", "wrong").status_code for _ in range(OF_AN_ACCOUNT.burst)]
    assert statuses == [401] * OF_AN_ACCOUNT.burst
    while (refused := login("viewer", "wrong")).status_code == 401 or int(refused.headers["Retry-After"]) < 3:
        pass
    assert (refused.status_code, int(refused.headers["Retry-After"]) <= 6) == (429, True)
    assert login("viewer", PASSWORD).status_code == 429
    assert login("operator", PASSWORD).status_code == 200  # another account is not locked with it


def test_right_passwords_are_not_counted_as_guesses(service: Any) -> None:
    _, login = service
    assert {login("viewer", PASSWORD).status_code for _ in range(OF_AN_ACCOUNT.burst + 3)} == {200}


@pytest.mark.parametrize("failure", [StoreUnavailable("The database cannot be reached."), Busy()], ids=["outage", "flood"])
def test_an_attempt_that_came_to_nothing_for_a_reason_of_ours_is_not_counted_against_who_made_it(
    service: Any, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """Whoever tried again during an outage would be locked out when it is over, the right password or not."""
    client, login = service

    async def check(*_: Any) -> bool:
        raise failure

    is_flood = isinstance(failure, Busy)
    expected = (429, "Too many logins at once. Try again soon.") if is_flood else (503, str(failure))
    with monkeypatch.context() as patched:
        patched.setattr("serving.identity.passwords.PasswordChecker.check", check)
        answers = [login("viewer", PASSWORD) for _ in range(OF_LOGINS.burst + 1)]
    assert {(each.status_code, each.json()["detail"]) for each in answers} == {expected}
    assert ('serving_logins_total{outcome="busy"} 31.0' in client.get("/metrics").text) == is_flood
    assert login("viewer", PASSWORD).status_code == 200


def test_right_logins_of_an_account_are_bounded_too_for_each_is_a_row_of_the_audit() -> None:
    now = 0.0

    async def scenario() -> tuple[list[int], list[int], int]:
        nonlocal now
        limit = LoginLimit(None, "live", clock=lambda: now)

        async def log_in(name: str) -> int:
            if seconds := await limit.take(name, "address"):
                return seconds
            await limit.give_back(name, "address")
            return 0

        in_a_row = [await log_in("someone") for _ in range(OF_LOGINS.burst + OF_AN_ACCOUNT.burst + 1)]
        another = await log_in("someone else at the same address")
        later = []
        for moment in (2.9, 3.0, 3.1, 93.0):
            now = moment
            later.append(await log_in("someone"))
        return in_a_row, later, another

    refused = [3] * (OF_AN_ACCOUNT.burst + 1)
    assert asyncio.run(scenario()) == ([0] * OF_LOGINS.burst + refused, [1, 0, 3, 0], 0)


def test_what_an_address_sends_beyond_the_logins_of_an_account_counts_against_the_address() -> None:
    """Else whoever has one good account could go on for ever, each time at the cost of three calls to Redis."""

    async def scenario() -> list[int]:
        limit = LoginLimit(None, "live", clock=lambda: 0.0)
        for _ in range(OF_LOGINS.burst):
            assert await limit.take("someone", "address") == 0
            await limit.give_back("someone", "address")
        for _ in range(OF_AN_ADDRESS.burst):
            assert await limit.take("someone", "address") == 3
        return [await limit.take("someone else", each) for each in ("address", "another address")]

    assert asyncio.run(scenario()) == [1, 0]


def test_wrong_passwords_do_not_use_up_the_logins_of_an_account() -> None:
    """Who guesses is refused as a guesser, long before the owner has no login left."""

    async def scenario() -> list[int]:
        limit = LoginLimit(None, "live", clock=lambda: 0.0)
        for n in range(100):
            await limit.take("someone", f"address {n}")
        for _ in range(OF_AN_ACCOUNT.burst):
            await limit.give_back("someone", "address 0")
        return [await limit.take("someone", "the owner's address") for _ in range(OF_AN_ACCOUNT.burst)]

    assert asyncio.run(scenario()) == [0] * OF_AN_ACCOUNT.burst


def test_too_many_right_logins_are_answered_by_429_and_write_nothing(service: Any, database: Urls, monkeypatch: Any) -> None:
    client, login = service
    limit = client.app.dependencies["logins"].dependency()
    monkeypatch.setattr(limit, "_of_logins", Buckets(None, "login", Rate(0.01, 2)))
    answers = [login("viewer", PASSWORD) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert int(answers[2].headers["Retry-After"]) > 1
    with psycopg.connect(database.owner) as connection:
        assert connection.execute("select count(*) from app.audit where action = 'session.begin'").fetchone() == (2,)


def test_two_processes_share_the_limit_through_redis_and_what_was_right_is_given_back_to_both(redis_url: str) -> None:
    async def scenario() -> None:
        limits = [LoginLimit(clients(redis_url, 1)[0], "live") for _ in range(2)]
        answers = [await limits[n % 2].take("someone", f"address {n}") for n in range(OF_AN_ACCOUNT.burst + 1)]
        assert answers[:-1] == [0] * OF_AN_ACCOUNT.burst
        assert 1 <= answers[-1] <= 6
        await limits[0].give_back("someone", "address 0")
        assert await limits[0].take("someone", "another address") == 0
        assert await limits[1].take("someone", "another address") > 0
        for limit in limits:
            await limit.close()

    asyncio.run(scenario())


def test_one_attempt_comes_back_every_six_seconds() -> None:
    now = 0.0

    async def scenario() -> list[int]:
        nonlocal now
        limit = LoginLimit(None, "live", clock=lambda: now)
        found = []
        for moment in (*[0.0] * (OF_AN_ACCOUNT.burst + 1), 5.9, 6.0, 6.0, 60.0, 66.0):
            now = moment
            found.append(await limit.take("someone", "address"))
        return found

    assert asyncio.run(scenario()) == [0] * OF_AN_ACCOUNT.burst + [6, 1, 0, 6, 0, 0]


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8:1:2::{}"], ids=["IPv4", "an IPv6 subscriber's"])
def test_one_address_cannot_try_many_accounts(address: str) -> None:
    async def scenario() -> list[int]:
        limit = LoginLimit(None, "live", clock=lambda: 0.0)
        return [await limit.take(f"account {n}", address.format(n)) for n in range(OF_AN_ADDRESS.burst + 1)]

    assert asyncio.run(scenario()) == [0] * OF_AN_ADDRESS.burst + [1]


def test_an_address_that_is_refused_does_not_lock_an_account_for_others() -> None:
    async def scenario() -> tuple[list[int], list[int]]:
        limit = LoginLimit(None, "live", clock=lambda: 0.0)
        for n in range(OF_AN_ADDRESS.burst):
            assert await limit.take(f"account {n}", "a guesser's address") == 0
        refused = [await limit.take("someone", "a guesser's address") for _ in range(OF_AN_ACCOUNT.burst)]
        return refused, [await limit.take("someone", "the owner's address") for _ in range(OF_AN_ACCOUNT.burst)]

    assert asyncio.run(scenario()) == ([1] * OF_AN_ACCOUNT.burst, [0] * OF_AN_ACCOUNT.burst)


def test_without_redis_attempts_are_still_counted_and_a_frozen_one_is_waited_for_once() -> None:
    """A listener that never answers stands for a frozen Redis."""

    async def scenario() -> tuple[list[int], float, str]:
        async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silence, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        limit = LoginLimit(clients(f"redis://127.0.0.1:{port}/0", 1)[0], "live")
        started = time.monotonic()
        answers = [await limit.take("someone", "address") for _ in range(OF_AN_ACCOUNT.burst + 1)]
        seconds = time.monotonic() - started
        state = await limit.redis_state()
        await limit.close()
        server.close()
        return answers, seconds, state

    answers, seconds, state = asyncio.run(scenario())
    assert answers[:-1] == [0] * OF_AN_ACCOUNT.burst
    assert answers[-1] > 0
    assert seconds < 1
    assert state == "down"


def test_passwords_are_hashed_with_argon2id_and_shorter_than_twelve_refused() -> None:
    assert hash_password(PASSWORD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hash_password("twelve chars")
    for weak in ("eleven char", "x" * 1025):
        with pytest.raises(WeakPassword):
            hash_password(weak)


def test_a_hash_that_is_none_lets_nobody_in() -> None:
    assert not asyncio.run(PasswordChecker().check("not a hash", PASSWORD))


def test_whoever_may_not_use_an_address_may_still_ask_which_methods_it_has(
    client: Client, bearer: Callable[..., dict[str, str]]
) -> None:
    answer = client.options("/v1/audit", headers=bearer("viewer"))
    assert (answer.status_code, answer.headers["Allow"]) == (204, "GET, OPTIONS, HEAD")
    assert client.get("/v1/audit", headers=bearer("viewer")).status_code == 403


def test_a_flood_of_logins_is_turned_away_and_does_not_queue_up() -> None:
    async def scenario() -> list[bool | BaseException]:
        checker = PasswordChecker(concurrency=1, waiting=2)
        return await asyncio.gather(*(checker.check(None, "wrong") for _ in range(10)), return_exceptions=True)

    outcomes = asyncio.run(scenario())
    assert [outcome for outcome in outcomes if not isinstance(outcome, Busy)] == [False] * 3
    assert sum(isinstance(outcome, Busy) for outcome in outcomes) == 7


def test_no_more_passwords_are_checked_at_once_than_all_workers_together_may(tmp_path: Path) -> None:
    """Two workers who share one turn: while the one has it, the other's check waits."""
    one, other = (PasswordChecker(concurrency=2, turns=Turns(tmp_path, 1)) for _ in range(2))
    order = []

    async def scenario() -> None:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow() -> None:
            loop.call_soon_threadsafe(begun.set)
            time.sleep(0.3)
            order.append("first ended")

        first = asyncio.create_task(one._in_turn(slow))
        await begun.wait()
        await other._in_turn(lambda: order.append("second began"))
        await first

    asyncio.run(scenario())
    assert order == ["first ended", "second began"]


def test_as_many_turns_are_had_at_once_as_there_are_and_a_killed_worker_gives_its_own_back(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from serving.identity.turns import Turns\n"
        "with Turns(Path(sys.argv[1]), 2).one(): print('has it', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "has it\n"
        with Turns(tmp_path, 2).one():
            worker.kill()
            worker.wait()
            with Turns(tmp_path, 2).one():
                pass


def test_a_turn_is_waited_for_a_bounded_time(tmp_path: Path) -> None:
    """A worker that was halted in its own gives it back to nobody: those behind it say that they are busy."""
    with Turns(tmp_path, 1).one():
        checker = PasswordChecker(turns=Turns(tmp_path, 1, patience_seconds=0.1))
        with pytest.raises(Busy):
            asyncio.run(checker.check(None, "a password"))
    with Turns(tmp_path, 1, patience_seconds=0.1).one():
        pass


def test_a_secret_of_less_than_32_bytes_stops_the_service_from_starting(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x" * 31 + b"\n")
    with pytest.raises(ImproperlyConfiguredException, match="31 bytes; it needs at least 32"):
        create_app(Settings("postgresql://127.0.0.1/nowhere", path))


def forged(secret_file: Path) -> Iterator[tuple[str, str]]:
    """What an attacker might try: a name and a token, none of which may pass."""
    secret = secret_file.read_bytes()
    ours = SigningKey(secret).key_id
    now = datetime.now(UTC)
    good = {
        "iss": "football-live",
        "aud": "football-api",
        "sub": "1",
        "sid": "1",
        "role": "operator",
        "jti": "1",
        "iat": now,
        "exp": now + timedelta(minutes=5),
    }

    def sign(
        key: bytes = secret,
        algorithm: str = "HS256",
        typ: str | None = "at+jwt",
        kid: Any = ours,
        header: dict[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        claims = {name: value for name, value in (good | changes).items() if value is not None}
        named = {} if kid is None else {"kid": kid}
        return jwt.encode(claims, key, algorithm, headers={"typ": typ, **named, **(header or {})})

    token = sign()
    header, payload, signature = token.split(".")
    none = urlsafe_b64encode(f'{{"alg":"none","typ":"at+jwt","kid":"{ours}"}}'.encode()).rstrip(b"=").decode()
    yield "algorithm none", f"{none}.{payload}."
    yield "algorithm none with a signature", f"{none}.{payload}.{signature}"
    yield "another algorithm", sign(secret * 2, "HS512")
    yield "another key", sign(b"k" * 32)
    yield "another key that names itself", sign(b"k" * 32, kid=SigningKey(b"k" * 32).key_id)
    yield "a key that brings itself", sign(b"k" * 32, header={"jwk": {"kty": "oct", "k": urlsafe_b64encode(b"k" * 32).decode()}})
    yield (
        "a key that lies elsewhere",
        sign(b"k" * 32, header={"jku": "https://elsewhere.example", "x5u": "https://elsewhere.example"}),
    )
    yield "no key id", sign(kid=None)
    for kid in ("", "../../../../dev/null", "' or 1=1 --", "0" * 16):
        yield f"the key id {kid}", sign(kid=kid)
    yield "a critical header that nobody knows", sign(header={"crit": ["unheard-of"]})
    yield "another edition", sign(iss="football-demo")
    yield "another audience", sign(aud="somebody-else")
    yield "one audience of several", sign(aud=["football-api", "somebody-else"])
    yield "an identity token", sign(typ="JWT")
    yield "no type", sign(typ=None)
    yield "expired", sign(exp=now - timedelta(seconds=1))
    yield "not yet valid", sign(nbf=now + timedelta(minutes=1))
    yield "issued in the future", sign(iat=now + timedelta(minutes=1))
    yield "issued at no time", sign(iat="yesterday")
    yield "issued at a time that is no number", sign(iat=float("nan"))
    yield "an unknown role", sign(role="owner")
    yield "a role that is no text", sign(role=["operator"])
    yield "a subject that is no text", sign(sub=1)
    yield "a session that is no text", sign(sid=1)
    for claim in good:
        yield f"without {claim}", sign(**{claim: None})
    yield "without a signature", f"{header}.{payload}."
    yield "garbage", "garbage"
    yield "too many parts", f"{token}.x"
    yield "not ASCII", "é.é.é"
    for position in range(0, len(token) - 1, 7):  # the last character holds bits that mean nothing
        other = "A" if token[position] != "A" else "B"
        yield f"character {position}", token[:position] + other + token[position + 1 :]


def test_no_forged_token_is_accepted(client: Client, secret_file: Path, bearer: Callable[..., dict[str, str]]) -> None:
    assert client.get("/v1/competitions", headers=bearer()).status_code == 200
    for name, token in forged(secret_file):
        answer = client.get("/v1/competitions", headers=[(b"authorization", f"Bearer {token}".encode())])
        assert answer.status_code == 401, name
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"', name
        assert token not in answer.text, name


def test_a_token_of_a_worker_whose_clock_is_a_little_ahead_is_taken_and_is_good_for_no_longer(secret_file: Path) -> None:
    now = float(int(time.time()))
    keys = SigningKeys(secret_file)
    here = Tokens(keys, "live", clock=lambda: now)

    def issued(ahead: float, lifetime: timedelta = timedelta(minutes=15)) -> str:
        return Tokens(keys, "live", clock=lambda: now + ahead).issue("1", Role.VIEWER, "a session", lifetime)

    assert here.verify(issued(CLOCKS_APART))[1] == now + CLOCKS_APART + 900
    with pytest.raises(InvalidToken):
        here.verify(issued(CLOCKS_APART + 1))
    with pytest.raises(InvalidToken):
        here.verify(issued(-60, timedelta(seconds=59)))  # expired for a second


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic cmVhZGVyOng=", "bearer\t"])
def test_a_header_without_a_bearer_token_is_answered_by_a_challenge(client: Client, value: str) -> None:
    answer = client.get("/v1/competitions", headers={"Authorization": value})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_token_of_another_edition_is_refused_though_the_secret_is_the_same(
    client: Client, bearer: Callable[..., dict[str, str]]
) -> None:
    assert client.get("/v1/competitions", headers=bearer(edition="demo")).status_code == 401


def test_neither_passwords_nor_tokens_nor_addresses_are_logged(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client, login = service
    requests: list[Line] = []
    monkeypatch.setattr("serving.access_log.AccessLog.add", lambda log, line: requests.append(line))
    with structlog.testing.capture_logs() as lines:
        token = login("viewer", PASSWORD).json()["access_token"]
        login("viewer", "a wrong password")
        client.get("/v1/predictions?team=canary", headers={"Authorization": f"Bearer {token}"})
    assert [line.event for line in requests] == ["request"] * 3
    text = repr(lines) + repr(requests)
    for canary in (PASSWORD, "a wrong password", token, "canary", "testclient"):
        assert canary not in text


def test_tokens_name_their_bearer(secret_file: Path) -> None:
    tokens = Tokens.from_file(secret_file, "live")
    principal, _ = tokens.verify(tokens.issue("42", Role.OPERATOR, "s1"))
    assert (principal.account_id, principal.role, principal.session_id) == (42, Role.OPERATOR, "s1")


def test_a_token_ends_when_it_expires(secret_file: Path) -> None:
    tokens = Tokens.from_file(secret_file, "live")
    token = tokens.issue("1", Role.VIEWER, "s1", timedelta(seconds=-1))
    with pytest.raises(InvalidToken):
        tokens.verify(token)


def test_what_is_remembered_ends_when_it_expires_and_no_more_is_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.identity.credentials.MAXIMUM_REMEMBERED", 2)
    remembered, principal = Remembered(), Principal.of_session("1", Role.VIEWER, "s1")
    remembered.put("a", principal, time.time() + 60)
    assert remembered.get("a") is principal
    remembered.put("b", principal, time.time() - 1)
    assert remembered.get("b") is None
    remembered.put("c", principal, time.time() + 60)
    assert (remembered.get("a"), remembered.get("c")) == (None, principal)


@pytest.mark.parametrize("common", ["password1234", "qwertyuiop12", "aaaaaaaaaaaa", "PasswordPassword", "manchesterunited"])
def test_common_passwords_are_refused_however_long(common: str) -> None:
    with pytest.raises(WeakPassword, match="first that anyone would try"):
        hash_password(common)


@pytest.mark.parametrize("content", ["", "\n", "s" * 43 + "\nshort\n", "s" * 43 + " yesterday"])
def test_a_file_of_secrets_that_makes_no_sense_is_refused_and_a_running_service_keeps_what_it_had(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "jwt"
    path.write_text("s" * 43)
    tokens = Tokens.from_file(path, "live")
    token = tokens.issue("1", Role.VIEWER, "s1")
    path.write_text(content)
    with pytest.raises(ImproperlyConfiguredException):
        Tokens.from_file(path, "live")
    assert not tokens.keys.refresh()
    assert tokens.verify(token)
    path.unlink()
    assert not tokens.keys.refresh()
    assert tokens.verify(token)
