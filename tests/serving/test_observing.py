"""What the service tells of itself: the log of requests, and counts that hold over several workers."""

import asyncio
import io
import json
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import ProgrammingError

from deploy.database import Urls
from serving.access_log import AccessLog, Line, masked
from serving.answers import SECURITY_HEADERS, Answer, Complete
from serving.app import create_app
from serving.audit.entries import command_line
from serving.current import CurrentPublication
from serving.settings import Settings
from serving.standing import Standing
from serving.store.accounts import Accounts
from serving.store.audit import Audit
from serving.store.database import Database, StoreUnavailable
from serving.store.pins import Pins
from serving.store.publications import Publications
from serving.store.record import Record
from serving.telemetry import Metrics, Telemetry, log_config


def line(n: int) -> Line:
    return Line(datetime(2026, 3, 1, 12, tzinfo=UTC), "GET", "/v1/x", "/v1/x", 200, 1.5, "viewer", "192.0.2.0", f"r{n}")


def test_every_line_is_written_once_and_in_order(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stream = io.StringIO()
    log = AccessLog(stream)
    log.open()
    for n in range(1000):
        log.add(line(n))
    log.close()
    written = [json.loads(each) for each in stream.getvalue().splitlines()]
    assert [each["request_id"] for each in written] == [f"r{n}" for n in range(1000)]
    assert written[0] == {
        "timestamp": "2026-03-01T12:00:00Z", "method": "GET", "route": "/v1/x", "path": "/v1/x", "status": 200, "milliseconds": 1.5,
        "role": "viewer", "address": "192.0.2.0", "request_id": "r0", "event": "request", "level": "info", "logger": "serving",
    }  # fmt: skip


def test_lines_that_nobody_reads_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("serving.access_log.MAXIMUM_WAITING", 10)
    monkeypatch.setattr("serving.access_log.WRITE_SECONDS", 60.0)
    stream = io.StringIO()
    log = AccessLog(stream)
    log.open()
    for n in range(15):
        log.add(line(n))
    log.close()
    first, *rest = [json.loads(each) for each in stream.getvalue().splitlines()]
    assert (first["event"], first["n"], len(rest)) == ("requests_not_logged", 5, 10)


@pytest.mark.parametrize(
    ("host", "network"),
    [
        *(("203.0.113.77", "203.0.113.0"), ("::ffff:203.0.113.77", "203.0.113.0")),
        *(("2001:db8:1:2:3:4:5:6", "2001:db8:1::"), ("testclient", ""), ("", "")),
    ],
)
def test_of_an_address_only_its_network_is_kept(host: str, network: str) -> None:
    assert masked(host) == network


def test_connections_in_use_and_requests_that_wait_for_one_are_told(urls: Urls) -> None:
    standing = Counter[str]()
    seen = []

    async def run() -> None:
        database = Database(urls.api, pool_size=1)
        database.tell = lambda state, change: standing.update({state: change})

        async def sleep() -> None:
            await database.rows(sa.text("select pg_sleep(0.3)"))

        tasks = [asyncio.create_task(sleep()) for _ in range(3)]
        await asyncio.sleep(0.15)
        seen.append(dict(standing))
        await asyncio.gather(*tasks)
        with pytest.raises(StoreUnavailable):
            await Database("postgresql://football_api:x@127.0.0.1:9/nowhere").rows(sa.text("select 1"))
        with pytest.raises(ProgrammingError):
            await database.rows(sa.text("select nonsense"))
        seen.append(dict(standing))
        await database.close()

    asyncio.run(run())
    assert seen == [{"waiting": 2, "in_use": 1}, {"waiting": 0, "in_use": 0}]


def standing_over(url: str, head: Path) -> tuple[Standing, Database]:
    database = Database(url)
    return Standing(Record(database), Pins(database), Audit(database), head), database


def test_an_audit_that_was_tampered_with_is_logged_and_told_and_its_head_stays(
    database: Urls, postgres: Any, tmp_path: Path
) -> None:
    head = tmp_path / "head.json"

    async def run() -> list[Any]:
        standing, connections = standing_over(database.api, head)
        found: list[Any] = [standing.audit]
        for name in ("ann", "bob"):
            await Accounts(connections).create_account(name, "x", "viewer", command_line())
        await standing.refresh()
        found += [standing.audit and (standing.audit.is_intact, standing.audit.n), head.read_text()]
        with psycopg.connect(postgres.url(database.api.rpartition("/")[2])) as admin:
            admin.execute("set session_replication_role = replica")
            admin.execute("delete from app.audit where sequence = 2")
        await standing.refresh()
        found.append(standing.audit and standing.audit.is_intact)  # it is not yet time
        await standing.verify_audit()
        found += [standing.audit and (standing.audit.is_intact, standing.audit.n), head.read_text()]
        await connections.close()
        return found

    with structlog.testing.capture_logs() as lines:
        before, first, kept, meanwhile, then, still_kept = asyncio.run(run())
    assert (before, first, meanwhile, then) == (None, (True, 2), True, (False, 1))
    assert kept == still_kept
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("audit_head_was_missing", "warning"),
        ("audit_is_not_what_it_was", "error"),
    ]
    assert lines[1]["fault"].endswith("its end was cut off.")


def test_a_head_that_was_taken_away_is_told_though_every_link_holds(database: Urls, tmp_path: Path) -> None:
    """As an attacker would who then cuts off the end. A new installation's first verification tells it, too."""
    head = tmp_path / "head.json"

    async def run() -> list[Any]:
        standing, connections = standing_over(database.api, head)
        known = []
        await standing.verify_audit()
        known.append(standing.is_audits_end_known)  # of an empty one there is none to know
        await Accounts(connections).create_account("ann", "x", "viewer", command_line())
        for _ in range(2):
            await standing.verify_audit()
            known.append(standing.is_audits_end_known)
        head.unlink()
        await standing.verify_audit()
        known.append(standing.is_audits_end_known)
        metrics = Metrics(CurrentPublication(Publications(connections), is_simulated=False), standing)
        assert "\nserving_audit_end_known 0.0\n" in (await metrics.text()).decode()
        await connections.close()
        return known

    with structlog.testing.capture_logs() as lines:
        assert asyncio.run(run()) == [True, False, True, False]
    assert [(line["event"], line["path"]) for line in lines] == [("audit_head_was_missing", str(head))] * 2


def test_without_a_collector_no_layer_of_tracing_is_in_a_requests_way(settings_for: Callable[..., Settings]) -> None:
    assert type(create_app(settings_for("postgresql://127.0.0.1:1/nowhere")).asgi_handler) is Telemetry


def test_what_is_logged_while_a_request_is_answered_names_it_and_what_is_logged_between_names_none(
    settings_for: Callable[..., Settings],
) -> None:
    merge, *_ = log_config()["formatters"]["json"]["foreign_pre_chain"]
    telemetry = create_app(settings_for("postgresql://127.0.0.1:1/nowhere")).asgi_handler
    assert isinstance(telemetry, Telemetry)
    told = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.01)
        told.append(merge(None, "", {"event": scope["path"]}))

    async def run() -> None:
        telemetry._app = answer
        scopes = [
            {"type": "http", "method": "GET", "path": f"/{n}", "headers": [(b"x-request-id", b"r%d" % n)], "state": {}}
            for n in (1, 2)
        ]
        await asyncio.gather(*(telemetry(scope, None, None) for scope in scopes))  # type: ignore[arg-type]
        told.append(merge(None, "", {"event": "afterwards"}))

    asyncio.run(run())
    assert told == [{"event": "/1", "request_id": "r1"}, {"event": "/2", "request_id": "r2"}, {"event": "afterwards"}]


def test_headers_that_are_said_to_be_complete_lack_none_that_every_answer_carries() -> None:
    sent = Answer(b"{}").sent([])
    assert isinstance(sent.headers, Complete)
    assert {name.lower().encode() for name in SECURITY_HEADERS} <= {name for name, _ in sent.headers}
