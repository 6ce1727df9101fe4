"""Requests that nobody thought of, made from the OpenAPI document: none may break the service or contradict the document.

`FUZZ_CASES` says how many (`make fuzz`: twelve thousand, whose figures go to the evidence); a few hundred without it. The same
number gives the same requests.
"""

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle, product
from pathlib import Path
from typing import Any

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


@pytest.fixture
def service(environment: dict[str, str], database: Urls, tmp_path: Path) -> Iterator[str]:
    """The address of a service of its own, over a database in which anything may be written."""
    publish(database.model, PREDICTIONS)
    tell(database.model)
    with serving(environment | {"API_RATE_PER_SECOND": "100000"}, tmp_path, unmeasured(os.environ)):
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
