"""The service as it runs: granian in a process of its own, the command line beside it."""

import gzip
import json
import os
import resource
import secrets
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import httpx
import psutil
import pytest
from click.testing import CliRunner
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from deploy.database import Urls
from serving.cli import commands
from serving.identity.roles import Role
from serving.identity.tokens import Tokens
from serving.telemetry import HANDED_OVER_SECONDS, TOLD_SECONDS
from tests.serving.conftest import NOW, TOLD, prediction, publish, tell
from tests.serving.process import serving
from tests.serving.test_service import wait_for

FOOTBALL = click.Group(commands={each.name or "": each for each in commands})
PASSWORD = "correct horse battery staple"

Run = Callable[..., Any]


@pytest.fixture
def football(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command of this half: its output, and its exit code 0 unless told otherwise."""
    for name in ("API_DATABASE_URL", "API_URL", "DEMO_LOGIN_FILE"):
        monkeypatch.setenv(name, environment[name])

    def run(*arguments: str, fails: bool = False, text: str | None = None) -> str:
        result = CliRunner().invoke(FOOTBALL, arguments, input=text)
        assert (result.exit_code != 0) == fails, result.output
        assert "Traceback" not in result.output
        return result.output.strip()

    return run


@pytest.fixture
def server(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The running service, and the file of what it prints."""
    with serving(environment, tmp_path) as process:
        yield process, tmp_path / "log"


def test_from_an_empty_database_to_a_prediction_over_http(
    server: tuple[subprocess.Popen[bytes], Path], football: Run, environment: dict[str, str], database: Urls
) -> None:
    process, log = server
    publish(database.model, [prediction(1)], is_simulated=True)
    football("account", "demo")
    token = football("token")
    with httpx.Client(base_url=environment["API_URL"], headers={"Authorization": f"Bearer {token}"}) as client:
        answer = client.get("/v1/predictions", params={"from": "2026-01-01"})
        assert answer.status_code == 200
        assert [each["home_team"] for each in answer.json()["predictions"]] == ["Home 1"]
        assert answer.headers["Is-Simulated"] == "true"
        assert answer.headers.get_list("Server") == ["football"]  # not which server, nor its version
        assert client.get("/health/ready").json()["redis"] == "up"
        assert 'route="/v1/predictions",status="200"' in client.get("/metrics").text
        assert client.post("/v1/auth/token", content=b"x" * 20_000).status_code == 413

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=15) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    listed = next(line for line in requests if line["route"] == "/v1/predictions")
    assert {"method", "route", "path", "status", "milliseconds", "request_id", "level", "timestamp"} <= set(listed)
    assert token not in log.read_text()


def test_the_service_says_what_is_missing_in_its_environment() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "serving"], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert process.returncode == 1
    assert process.stderr.strip().startswith("API_DATABASE_URL is not set")


def test_the_demo_account_is_made_once_and_repaired_afterwards(
    football: Run, environment: dict[str, str], database: Urls
) -> None:
    file = Path(environment["DEMO_LOGIN_FILE"])
    assert football("account", "demo") == f"The account demo is ready; its password is in {file}."
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    football("account", "disable", "demo")
    football("account", "demo")
    assert file.read_text() == before
    assert football("account", "list") == "demo\tanalyst\tenabled"


def test_accounts_are_made_listed_changed_and_disabled(football: Run, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    assert football("account", "create", "ann", "--password-file", str(file)) == "Created the viewer ann."
    assert "Created the operator bob." in football("account", "create", "bob", "--role", "operator", text=f"{PASSWORD}\n" * 2)
    assert football("account", "create", "ann", "--password-file", str(file), fails=True).endswith("an account ann already.")
    assert football("account", "set-password", "ann", "--password-file", "-", text=PASSWORD * 2) == "ann has a new password."
    assert football("account", "disable", "ann") == "ann can no longer log in."
    assert football("account", "disable", "eve", fails=True).endswith("no account eve.")
    assert football("account", "set-role", "bob", "admin") == "bob is an admin now."
    assert football("account", "set-password", "eve", "--password-file", str(file), fails=True).endswith("no account eve.")
    lines = football("account", "list").splitlines()
    assert lines[0].startswith("ann\tviewer\tdisabled ")
    assert lines[1] == "bob\tadmin\tenabled"
    assert football("account", "enable", "ann") == "ann can log in."
    assert football("account", "list").startswith("ann\tviewer\tenabled")


@pytest.mark.parametrize("name", ["", "a" * 101, "ann\tor bob", "\x1f", "ann\udcff", "ann\n", "ann\x7f"])
def test_no_account_is_made_of_a_name_that_could_not_log_in(football: Run, tmp_path: Path, name: str) -> None:
    message = football("account", "create", name, "--password-file", "-", text=PASSWORD, fails=True)
    assert "A name has 1 to 100 characters" in message
    assert football("account", "list") == ""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "login.json").write_text(json.dumps({"username": name, "password": PASSWORD}))
    assert "could not log in" in football("account", "demo", fails=True)


def test_signing_keys_are_rotated_and_retired(football: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "jwt"
    assert "JWT_SECRET_FILE is not set" in football("keys", "rotate", fails=True)
    monkeypatch.setenv("JWT_SECRET_FILE", str(path))
    assert football("keys", "rotate", fails=True) == f"Error: There is no {path}."
    path.write_text("short")
    assert "it needs at least 32" in football("keys", "rotate", fails=True)
    path.write_text("s" * 43)
    assert "signs from now on" in football("keys", "rotate")
    assert football("keys", "retire") == "Retired 1 key(s)."
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_password_that_is_too_short_is_refused(football: Run) -> None:
    message = football("account", "create", "ann", "--password-file", "-", text="too short", fails=True)
    assert message == "Error: A password has 12 to 1024 characters; this one has 9."


def test_the_commands_say_what_is_wrong_and_what_to_do(football: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "login.json"
    monkeypatch.setenv("DEMO_LOGIN_FILE", str(file))
    assert football("token", fails=True).endswith("`football account demo` makes it.")
    file.write_text("[]")
    assert "should hold" in football("token", fails=True)
    file.write_text(json.dumps({"username": "demo", "password": PASSWORD}))
    assert "does not answer" in football("token", fails=True)
    monkeypatch.delenv("DEMO_LOGIN_FILE")
    assert "DEMO_LOGIN_FILE is not set" in football("token", fails=True)
    monkeypatch.setenv("API_DATABASE_URL", "postgresql://football_api:x@127.0.0.1:9/nowhere")
    assert football("account", "list", fails=True) == "Error: The database cannot be reached. Is it running?"
    monkeypatch.delenv("API_DATABASE_URL")
    assert "API_DATABASE_URL is not set" in football("account", "list", fails=True)


def test_a_login_that_is_refused_is_explained(
    server: tuple[subprocess.Popen[bytes], Path], football: Run, environment: dict[str, str]
) -> None:
    file = Path(environment["DEMO_LOGIN_FILE"])
    football("account", "demo")
    file.write_text(json.dumps({"username": "demo", "password": "another password"}))
    assert "refused the login (401)" in football("token", fails=True)


def test_importing_the_commands_loads_nothing_heavy() -> None:
    """`football --help` imports the commands of all parts."""
    code = (
        "import sys, serving.cli; print([m for m in ('litestar', 'sqlalchemy', 'httpx', 'argon2', 'redis') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.usefixtures("server")
def test_whoever_comes_after_thousands_of_connections_that_stay_open_is_answered(environment: dict[str, str]) -> None:
    """More than may wait to be taken, which is what granian would take at a time: the last would wait until the first, who never
    ask, are sent away after half a minute."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 8192:
        pytest.skip(f"a process may open {hard} files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    address = urlsplit(environment["API_URL"])
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        begun, heard_of = time.monotonic(), select.poll()
        for _ in range(4200):
            last = stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=60))
            heard_of.register(last, select.POLLIN)
        if (seconds := time.monotonic() - begun) > 10:
            pytest.skip(f"that many connections take {seconds:.0f} s here: the first may be sent away while the last is answered")
        last.sendall(b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n")
        assert heard_of.poll(60_000) == [(last.fileno(), select.POLLIN)], "the first had to be sent away"
        assert last.recv(12) == b"HTTP/1.1 200"


@pytest.fixture
def workers(environment: dict[str, str]) -> None:
    """Two of them, where the fixture `server` is asked for after this one."""
    environment["API_WORKERS"] = "2"


@pytest.mark.usefixtures("workers")
def test_whichever_worker_is_asked_tells_the_counts_of_all(
    server: tuple[subprocess.Popen[bytes], Path], environment: dict[str, str]
) -> None:
    for _ in range(40):
        # A connection each: the kernel hands them to either worker.
        assert httpx.get(f"{environment['API_URL']}/v1/predictions").status_code == 401
    counted = 'serving_requests_total{method="GET",role="anonymous",route="/v1/predictions",status="401"} 40.0'
    time.sleep(HANDED_OVER_SECONDS + TOLD_SECONDS + 0.5)  # until either has handed over its own, and tells anew
    for _ in range(10):
        assert counted in httpx.get(f"{environment['API_URL']}/metrics").text


@pytest.mark.usefixtures("workers")
def test_workers_end_with_the_process_that_started_them(server: tuple[subprocess.Popen[bytes], Path]) -> None:
    """Killed, it cannot tell them; they would answer on beside those of its successor, at the same port."""
    process, _ = server
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    try:
        wait_for(lambda: not any(map(is_at_work, workers)), seconds=30)
    finally:
        for each in filter(is_at_work, workers):
            each.kill()
    assert len(workers) == 2


def is_at_work(process: psutil.Process) -> bool:
    """Not one that has ended, and that whoever adopted it has yet to ask how."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


@pytest.fixture
def limited(environment: dict[str, str], tmp_path: Path) -> None:
    """A small rate, and an address for each who asks; the audit's head has a place."""
    environment |= {"API_RATE_PER_SECOND": "1", "API_TRUSTED_PROXIES": "127.0.0.1", "STATE_DIR": str(tmp_path)}


@pytest.mark.usefixtures("workers", "limited")
def test_what_two_workers_counted_and_what_stands_is_told_exactly(
    server: tuple[subprocess.Popen[bytes], Path], environment: dict[str, str], database: Urls, football: Run, secret_file: Path
) -> None:
    publish(database.model, [prediction(1)])
    tell(database.model, {name: TOLD[name] for name in ("ledger_verification", "scoreboard")})
    football("account", "demo")
    login = json.loads(Path(environment["DEMO_LOGIN_FILE"]).read_text())
    url = environment["API_URL"]

    def ask(method: str, path: str, address: int, **more: Any) -> httpx.Response:
        headers = {"X-Forwarded-For": f"203.0.113.{address}", **more.pop("headers", {})}
        return httpx.request(method, f"{url}{path}", headers=headers, timeout=5, **more)  # a connection each: to either worker

    def bearer(subject: str, role: Role) -> dict[str, str]:
        return {"Authorization": "Bearer " + Tokens.from_file(secret_file, "demo").issue(subject, role, "a session")}

    for n, password in enumerate([login["password"]] * 6 + ["a wrong password"] * 4):
        ask("POST", "/v1/auth/token", n, json=login | {"password": password})
    by_account = [ask("GET", "/v1/competitions", 20 + n, headers=bearer("7", Role.VIEWER)).status_code for n in range(12)]
    with ThreadPoolExecutor(20) as several:  # at once: one after the other, a slow machine would never ask too often
        by_address = list(several.map(lambda _: ask("GET", "/health/ready", 50).status_code, range(80)))
    pin = {"publication_id": 1, "reason": "To be seen."}
    assert ask("PUT", "/v1/publications/pin", 60, json=pin, headers=bearer("8", Role.OPERATOR)).status_code == 200
    assert by_account.count(429) > 0
    assert by_address.count(429) > 0

    def told(address: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        families = text_string_to_metric_families(ask("GET", "/metrics", address).text)
        return {(each.name, tuple(sorted(each.labels.items()))): each.value for family in families for each in family.samples}

    deadline, n_in_a_row = time.monotonic() + 15, 0
    for address in range(100, 200):
        found = told(address)
        is_up_to_date = found["serving_publication_pinned", ()] == 1 and found["serving_ledger_predictions", ()] == 4
        n_in_a_row = n_in_a_row + 1 if is_up_to_date else 0
        if n_in_a_row == 10:  # both workers', and more than the second for which they tell the same again
            break
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for address in range(200, 210):  # whichever worker answers
        found = told(address)
        assert found["serving_logins_total", (("outcome", "accepted"),)] == 6
        assert found["serving_logins_total", (("outcome", "refused"),)] == 4
        assert found["serving_limited_total", (("limit", "account"),)] == by_account.count(429)
        assert found["serving_limited_total", (("limit", "address"),)] == by_address.count(429)
        for route, status, role, n in (
            ("/v1/competitions", "200", "viewer", by_account.count(200)),
            ("/v1/competitions", "429", "viewer", by_account.count(429)),
            ("/health/ready", "200", "anonymous", by_address.count(200)),
            ("limited", "429", "anonymous", by_address.count(429)),
        ):
            labels = (("method", "GET"), ("role", role), ("route", route), ("status", status))
            assert found["serving_requests_total", labels] == n
        for state in ("waiting", "in_use"):
            assert 0 <= found["serving_database_connections", (("state", state),)] <= 4  # what is asked behind the requests' back
        assert (found["serving_audit_intact", ()], found["serving_ledger_intact", ()]) == (1, 1)
        assert found["serving_record_log_loss", (("information_set", "results"),)] == 1.0
        age = (datetime.now(UTC) - NOW).total_seconds()
        assert age - 5 < found["serving_ledger_verified_age_seconds", ()] <= age
        assert found["serving_audit_verified_age_seconds", ()] < 60


def test_a_request_is_a_span_of_the_callers_trace_with_what_it_asked_of_redis_and_postgresql(
    environment: dict[str, str], database: Urls, tmp_path: Path, secret_file: Path
) -> None:
    """A small server stands for a collector: it takes what the exporter sends."""
    spans: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans.extend(span for scope in each.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    publish(database.model, [prediction(1)], is_simulated=True)
    collector = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
    with serving(environment | traced, tmp_path) as process:
        trace_id, caller = secrets.token_hex(16), secrets.token_hex(8)
        login = {"username": "nobody", "password": "not this one, surely"}
        with httpx.Client(base_url=environment["API_URL"], headers={"traceparent": f"00-{trace_id}-{caller}-01"}) as client:
            assert client.post("/v1/auth/token", json=login).status_code == 401
        process.terminate()
        assert process.wait(timeout=20) == 0  # what was not sent yet is sent now
    collector.shutdown()
    of_the_trace = [span for span in spans if span.trace_id.hex() == trace_id]
    (request,) = (span for span in of_the_trace if span.parent_span_id.hex() == caller)
    assert request.name == "POST /v1/auth/token"
    assert {each.key: each.value.int_value for each in request.attributes}["http.response.status_code"] == 401
    asked = [span for span in of_the_trace if span.parent_span_id == request.span_id]
    assert {system(span) for span in asked} == {"postgresql", "redis"}
    assert {span.name for span in spans if not span.parent_span_id} == {"GET /health/live"}, "what nobody asked for is no trace"
    assert "nobody" not in str(spans)
    assert login["password"] not in str(spans)


def system(span: Any) -> str:
    return str(next((each.value.string_value for each in span.attributes if each.key == "db.system"), ""))
