"""The benchmark's own parts: what its generators send and count, and that what is built instead tells the same."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import generate_latest

from deploy.database import Urls
from serving.bench.__main__ import without_database
from serving.bench.asked import HOST, Asked
from serving.bench.generators import closed_loop, open_loop
from serving.bench.instead import app
from serving.telemetry import Metrics
from tests.conftest import Program

POST = Asked("/invocations?a=b", {"Content-Type": "application/json"}, '{"data": ["a\\nb", 0.5]}')


def served(status: bytes, load: Callable[[int], Any]) -> tuple[Any, list[bytes]]:
    """What `load` found of a server that always answers with this status, given its port; and the requests that came."""
    came: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):  # until the client goes
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                (length,) = (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                came.append(head + await reader.readexactly(length))
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 3\r\n\r\nyes")

    async def serve() -> Any:
        async with await asyncio.start_server(answer, HOST, 0) as server:
            return await asyncio.to_thread(load, server.sockets[0].getsockname()[1])

    return asyncio.run(serve()), came


@pytest.mark.parametrize(("status", "errors"), [(b"200 OK", 0), (b"503 Busy", 50)])
def test_the_open_loop_sends_as_many_as_are_due_and_counts_what_is_no_answer_as_an_error(
    program: type[Program], status: bytes, errors: int
) -> None:
    program.path("h2load")
    found, came = served(status, lambda port: open_loop(port, POST, 500, 4, 0.1))
    assert (found["requests"], found["errors"], len(came)) == (50, errors, 50)
    assert found["sent_per_second"] > 0
    assert [found[f"p{share}_ms"] is None for share in (50, 95, 99)] == [errors > 0] * 3
    (request,) = set(came)
    head, _, body = request.partition(b"\r\n\r\n")
    assert (head.split(b"\r\n")[0], body.decode()) == (b"POST /invocations?a=b HTTP/1.1", POST.body)


@pytest.mark.parametrize(("status", "has_errors"), [(b"200 OK", False), (b"503 Busy", True)])
def test_the_closed_loop_sends_the_same_request_and_tells_of_errors(
    program: type[Program], status: bytes, has_errors: bool
) -> None:
    program.path("wrk")
    found, came = served(status, lambda port: closed_loop(port, POST, 1))
    assert (found["errors"] > 0) == has_errors
    assert found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"]
    assert found["per_second"] > 0
    assert {request.partition(b"\r\n")[0] for request in came} == {b"POST /invocations?a=b HTTP/1.1"}
    assert {request.partition(b"\r\n\r\n")[2].decode() for request in came} == {POST.body}


def test_the_share_of_requests_that_postgresql_was_not_asked_for_is_read_from_the_services_metrics() -> None:
    nothing: Any = None  # what is served, and what stands: no part of what is counted
    metrics = Metrics(nothing, nothing)
    for route in ("/v1/predictions", "/v1/predictions", "/v1/competitions", "/v1/matches/{match_id}", "/health/ready"):
        metrics.answered("GET", route, 200, "viewer", 0.001)
    metrics.answered("GET", "/v1/predictions", 401, "anonymous", 0.001)
    for layer, outcome in (("answer", 0), ("answer", 1), ("shared", 0), ("shared", 1)):
        metrics.looked_up(layer)[outcome].inc()
    metrics.hand_over()
    assert without_database(generate_latest(metrics.registry).decode()) == 0.75


def test_what_one_would_build_instead_tells_the_same_row(
    urls: Urls, ask: Callable[..., Any], secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_DATABASE_URL", urls.api)
    monkeypatch.setenv("JWT_SECRET_FILE", str(secret_file))
    ours = ask(f"/v1/predictions/{95:064x}").json()
    with TestClient(app) as client:
        answer = client.get(f"/publications/{ours['publication_id']}/predictions/{ours['prediction_id']}")
        assert client.get("/publications/1/predictions/unknown").status_code == 404
    theirs = answer.json()
    for name in ("match_id", "home_team", "information_set", "model_version", "firmness"):
        assert theirs[name] == ours[name]
    assert len(theirs["book"]["selections"]) == len(ours["selections"])
    assert [group for group, *_ in theirs["explanation"]["contributions"]] == [
        each["group"] for each in ours["explanation"]["contributions"]
    ]
