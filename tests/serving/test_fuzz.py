"""Requests that nobody thought of, made from the OpenAPI document: none may break the service or contradict the document.

Then as many in bytes that no client sends, in addresses, headers and bodies: none may break it. `FUZZ_CASES` says how many
(`make fuzz`: twelve thousand, whose figures go to the evidence); a few hundred without it. The same number gives the same requests.
"""

import math
import os
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from itertools import cycle, product
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx
import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.database import Urls
from deploy.settings import PROJECT_DIR
from pipelines.evidence import write_evidence
from serving.identity.roles import Role
from serving.identity.tokens import Tokens
from tests.conftest import unmeasured
from tests.serving.conftest import PREDICTIONS, Client, publish, tell
from tests.serving.process import serving

CASES = int(os.environ.get("FUZZ_CASES", "300"))

ODD: Final = [
    *(
        b"",
        b"\xff\xfe",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
        b"%",
        b"%ff",
        b"%00",
        b"%ed%a0%80",
        b"%25%25",
        b"%u0041",
    ),
    *(
        b"[",
        b"]",
        b"http://[",
        b"://",
        b"//",
        b"/..;/",
        b"\\",
        b",",
        b";",
        b"=",
        b"&",
        b"&&",
        b'"',
        b"'",
        b"{",
        b"*",
        b"W/",
        b'W/"',
    ),
    *(b"x" * 3000, b"q=" * 500, b"\t", b"0" * 400, b"-1", b"1e400", b"nan", b"9" * 30, b"null", b"\xc2\xa0", b"[" * 2000),
]
"""Bytes that nothing understands, or that mean something where they should not."""

HEADERS: Final[dict[str, list[bytes]]] = {
    "Accept": [b"text/csv", b"text/html", b"text/html;q=inf", b"*/*;q=", b"text/html;charset=\xff", b"/;q=1,,"],
    "Accept-Encoding": [b"br;q=x", b"gzip;q=1e999", b"gzip;q=nan", b"\xff"],
    "Authorization": [
        b"Bearer",
        b"Bearer ",
        b"Bearer \xff.\xff.\xff",
        b"Bearer a.b.c",
        b"Basic \xff",
        b"Bearer fb_\xc3\x28",
        b"bearer  ",
    ],
    "Content-Length": [b"-1", b"x", b"99999999999999999999"],
    "Content-Type": [
        *(
            b"application/json; charset=utf-16",
            b"application/json; charset=no-such",
            b"application/json; charset=\xff",
            b"\xff/\xff",
        ),
        *(
            b"application/x-www-form-urlencoded; charset=utf-7",
            b"multipart/form-data",
            b"multipart/form-data; boundary=\xff",
            b";",
        ),
    ],
    "Cookie": [b"football=\xff", b"football=", b"=;=;", b'football="\\777"', b"football=" + b"a" * 43],
    "Host": [b"\xff", b"[", b"h:99999", b"h:abc", b"a b", b"@"],
    "If-None-Match": [b"*", b'"\xff"', b"W/", b'"', b",,"],
    "Origin": [b"null", b"http://[", b"http://h]", b"http://\xff", b"http://h:x", b"//"],
    "Sec-Fetch-Site": [b"same-origin", b"\xff"],
    "Traceparent": [b"00-\xff-\xff-01", b"00-0-0-0", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00", b"ff-"],
    "X-Forwarded-For": [b"\xff", b"::::", b"1.2.3.4, \xff"],
    "X-Request-Id": [b"\xff", b"\xc3\xa9", b"x" * 300],
}
"""By their names, those that clients send and what is unreadable in them."""


def nothing_is_left_out_unasked(_: Any, response: Any, case: Any) -> None:
    """Where the document allows for any part of an answer, it cannot say that who names no `fields` gets the whole, its first."""
    document, operation = case.operation.schema.raw_schema, case.operation
    answer = document["paths"][operation.path][operation.method]["responses"].get(str(response.status_code), {})
    allowed = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("anyOf")
    if allowed and "fields" not in (case.query or {}):
        whole = Draft202012Validator({**allowed[0], "components": document["components"]})
        lost = best_match(whole.iter_errors(response.json()))
        assert lost is None, lost.message


CHECKS = (
    *(not_a_server_error, status_code_conformance, content_type_conformance),
    *(response_schema_conformance, response_headers_conformance, nothing_is_left_out_unasked),
)


LAYERS: Final = {"API_TRUSTED_PROXIES": "127.0.0.0/8", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
"""What makes a service read headers that it passes over else; nobody hears of its traces."""


@pytest.fixture
def service(environment: dict[str, str], database: Urls, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a service of its own, over a database in which anything may be written."""
    publish(database.model, PREDICTIONS)
    tell(database.model)
    more = {"API_RATE_PER_SECOND": "100000", **getattr(request, "param", {})}
    with serving(environment | more, tmp_path, unmeasured(os.environ)):
        yield environment["API_URL"]


@pytest.fixture
def bearers(database: Urls, secret_file: Path) -> Callable[[], Iterator[dict[str, str]]]:
    """Headers of nobody and of each role in turn, whatever became of the accounts meanwhile."""

    def headers() -> Iterator[dict[str, str]]:
        with psycopg.connect(database.owner) as connection:
            for number, role in enumerate(Role, 1):
                connection.execute(
                    "insert into app.account (username, password_hash, role) values (%(name)s, 'none', %(role)s)"
                    " on conflict (username) do update set role = excluded.role, disabled_at = null",
                    {"name": f"fuzzer {number}", "role": role},
                )
            known = dict(
                connection.execute("select username, account_id from app.account where username like 'fuzzer%'").fetchall()
            )
        tokens = Tokens.from_file(secret_file, "demo")
        signed = [tokens.issue(str(known[f"fuzzer {number}"]), role, "a session") for number, role in enumerate(Role, 1)]
        return cycle([{}, *({"Authorization": f"Bearer {token}"} for token in signed)])

    return headers


def cases(operation: Any, mode: GenerationMode, n: int) -> list[Any]:
    """So many requests for one operation, as the document has them or as it has them not; fewer where there are not so many."""
    made: list[Any] = []

    @settings(
        max_examples=n,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def make(case: Any) -> None:
        made.append(case)

    with suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
        make()
    return made


def raw(choose: random.Random, method: str, path: str, bearer: dict[str, str]) -> bytes:
    """One request to an operation as bytes, in some places such as no client would send."""

    def odd(of: list[bytes]) -> bytes:
        return choose.choice(
            [choose.choice(of), choose.choice(ODD), choose.choice(of) + choose.choice(ODD), choose.randbytes(12)]
        )

    def in_a_line(text: bytes) -> bytes:
        return text.translate(None, b"\r\n\x00")

    def in_an_address(text: bytes) -> bytes:
        return in_a_line(text) if choose.random() < 0.5 else quote(text).encode()

    parts = path.split("/")
    target = b"/".join(in_an_address(odd([b"1", b"E0", b"m1"])) if each.startswith("{") else each.encode() for each in parts)
    if choose.random() < 0.1:
        target += in_an_address(odd([b"/", b"//"]))
    if choose.random() < 0.6:
        name = odd([b"limit", b"from", b"fields", b"team", b"cursor", b"code", b"next", b"information_set"])
        target += b"?" + in_an_address(name) + b"=" + in_an_address(odd([b"2", b"2026-03-01", b"p_home"]))
    body = (
        odd([b"{}", b'{"username": "\xff", "password": "x"}', b'{"a": ' * 2000, b"username=%ff&password=\xff"])
        if choose.random() < 0.5
        else b""
    )
    kind = b"application/x-www-form-urlencoded" if path.startswith("/log") else b"application/json"
    headers = {"Host": b"127.0.0.1", "Sec-Fetch-Site": b"same-origin", "Content-Type": kind, "Content-Length": b"%d" % len(body)}
    headers |= {name: value.encode() for name, value in bearer.items()}
    headers |= {name: odd(HEADERS[name]) for name in choose.sample(sorted(HEADERS), choose.randrange(4))}
    lines = [name.encode() + b": " + in_a_line(value) for name, value in headers.items()]
    return b"\r\n".join(
        [method.encode() + b" " + target.translate(None, b" ") + b" HTTP/1.1", *lines, b"Connection: close", b"", body]
    )


def status_of(address: str, request: bytes) -> int | None:
    """What a service answers to these bytes; None where it closes the connection in the middle of it."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        try:
            connection.sendall(request)
            answer = HTTPResponse(connection, method=request.partition(b" ")[0].decode())
            answer.begin()
            answer.read()
        except (HTTPException, ConnectionError):
            return None
        return answer.status


def test_an_answer_that_lost_fields_contradicts_the_document_where_nobody_chose_among_them(
    client: Client, ask: Callable[..., Any]
) -> None:
    operation = schemathesis.openapi.from_dict(client.get("/schema/openapi.json").json())["/v1/predictions"]["GET"]
    unasked, asked = (operation.Case(query=query) for query in ({"limit": 3}, {"limit": 3, "fields": "match_id"}))
    part = ask("/v1/predictions", **asked.query)
    asked.validate_response(part, checks=CHECKS)
    unasked.validate_response(ask("/v1/predictions", **unasked.query), checks=CHECKS)
    with pytest.raises(FailureGroup, match="is a required property"):
        unasked.validate_response(part, checks=CHECKS)


def test_no_request_breaks_the_service_or_contradicts_its_document(
    service: str, bearers: Callable[[], Iterator[dict[str, str]]]
) -> None:
    load_all_checks()
    schema = schemathesis.openapi.from_url(f"{service}/schema/openapi.json")
    operations = [each.ok() for each in schema.get_all_operations()]
    statuses: Counter[int] = Counter()
    contradictions: dict[str, str] = {}
    begun = time.monotonic()
    kinds = list(product(operations, (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)))
    for n_left, (operation, mode) in zip(range(len(kinds), 0, -1), kinds, strict=True):
        headers = bearers()
        # Of an operation that takes little there are few requests: those behind it are asked the more.
        for case in cases(operation, mode, max(1, math.ceil((CASES - statuses.total()) / n_left))):
            answer = case.call(headers=next(headers), timeout=30, allow_redirects=False)
            statuses[answer.status_code] += 1
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as found:
                for each in found.exceptions:
                    contradictions.setdefault(f"{operation.label}: {answer.status_code}, {each.title}", str(found))
    assert not contradictions, "\n\n".join(f"{what}\n{how}" for what, how in contradictions.items())
    assert httpx.get(f"{service}/health/ready").json()["database"] == "up"
    assert statuses[200] > sum(statuses.values()) / 20, "the requests must get past what refuses them"
    if "FUZZ_CASES" in os.environ:
        seconds = time.monotonic() - begun
        figures = {"cases": statuses.total(), "operations": len(operations), "statuses": dict(sorted(statuses.items()))}
        file = write_evidence(PROJECT_DIR / ".local" / "evidence", "fuzz-api", figures | {"seconds": round(seconds, 1)})
        print(f"\n{figures['cases']} requests to {len(operations)} operations in {seconds:.0f} s: {figures['statuses']}\n{file}")


@pytest.mark.parametrize("service", [LAYERS], indirect=True)
def test_bytes_that_no_client_sends_are_no_fault_of_ours(service: str, bearers: Callable[[], Iterator[dict[str, str]]]) -> None:
    """The document's operations and the pages, each asked in ways that cannot be read: as often as there are cases."""
    paths = httpx.get(f"{service}/schema/openapi.json").json()["paths"]
    operations = [(method.upper(), path) for path, item in paths.items() for method in item]
    operations += [
        ("GET", each) for each in ("/", "/matches/{match_id}", "/record", "/leagues/{id}", "/status", "/login", "/login/once")
    ]
    operations += [
        ("POST", "/login"),
        ("POST", "/logout"),
        ("GET", "/static/{name}"),
        ("HEAD", "/v1/predictions"),
        ("GET", "/schema/{x}"),
    ]
    choose, headers = random.Random(20261128), bearers()
    statuses: Counter[int | None] = Counter()
    faults: dict[str, bytes] = {}
    for _, (method, path) in zip(range(CASES), cycle(operations), strict=False):
        request = raw(choose, method, path, next(headers))
        status = status_of(service, request)
        statuses[status] += 1
        if status is None or status >= 500:
            faults.setdefault(f"{method} {path}: {status}", request[:1000])
    assert not faults, "\n\n".join(f"{what}\n{how!r}" for what, how in faults.items())
    assert httpx.get(f"{service}/health/ready").json()["database"] == "up"
    assert statuses[200] > CASES / 50, "the requests must get past what refuses them"
    print(f"\n{CASES} requests of bytes that no client sends: {dict(statuses)}")
