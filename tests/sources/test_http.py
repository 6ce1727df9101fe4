"""Fetching, against a real server on this machine that behaves as badly as it is told to."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.sources.http import CONNECTIONS, Patience, Web
from pipelines.sources.protocol import Delivery, DownloadTooLarge, Fetched, Missing, NotModified, SourceUnreachable

Answer = Callable[[BaseHTTPRequestHandler], None]
IMPATIENT = Patience(
    connect_seconds=1,
    read_seconds=0.3,
    download_seconds=1,
    attempts=3,
    first_wait_seconds=0.01,
    longest_wait_seconds=2,
    max_bytes=10_000,
)


def reply(status: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Connection": "close", "Content_Length": str(len(body)), **headers}.items():
            if value:
                request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def drip(request: BaseHTTPRequestHandler) -> None:
    """A byte at a time, each in time, the whole never."""
    request.send_response(200)
    request.end_headers()
    for _ in range(30):
        request.wfile.write(b"x")
        request.wfile.flush()
        time.sleep(0.1)


def hang(request: BaseHTTPRequestHandler) -> None:
    time.sleep(0.6)


class Server:
    """Answers each path with its list of answers in turn, the last one for ever, and remembers what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.seen: Counter[str] = Counter()
        self.headers: dict[str, dict[str, str]] = {}
        server, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with lock:
                    turn = server.seen[self.path]
                    server.seen[self.path] += 1
                    server.headers[self.path] = dict(self.headers)
                try:
                    answers = server.answers.get(self.path, [reply(404)])
                    self.close_connection = True
                    answers[min(turn, len(answers) - 1)](self)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def web() -> Iterator[Web]:
    pool = Web(IMPATIENT)
    yield pool
    pool.close()


def get(web: Web, url: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
    return web.fetch("site", "E0.csv", url, etag, last_modified)


def test_bytes_come_with_the_validators_for_asking_again(server: Server, web: Web) -> None:
    server.answers["/E0.csv"] = [reply(200, b"content", ETag='"1"', Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")]
    answer = get(web, f"{server.url}/E0.csv")
    assert isinstance(answer, Delivery)
    assert (answer.content, answer.etag, answer.last_modified) == (b"content", '"1"', "Mon, 01 Jan 2024 00:00:00 GMT")
    assert answer.sha256 == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert datetime.now(UTC) - answer.fetched_at < timedelta(minutes=1)


def test_an_unchanged_file_is_asked_for_conditionally_and_not_sent_again(server: Server, web: Web) -> None:
    server.answers["/E0.csv"] = [reply(304)]
    assert get(web, f"{server.url}/E0.csv", '"1"', "Mon, 01 Jan 2024 00:00:00 GMT") == NotModified("site", "E0.csv")
    sent = server.headers["/E0.csv"]
    assert (sent["If-None-Match"], sent["If-Modified-Since"]) == ('"1"', "Mon, 01 Jan 2024 00:00:00 GMT")


@pytest.mark.parametrize("status", [404, 410, 300])
def test_a_file_that_is_not_there_is_ordinary_and_asked_for_once(server: Server, web: Web, status: int) -> None:
    server.answers["/E0.csv"] = [reply(status, b"<html>Multiple Choices</html>")]
    assert get(web, f"{server.url}/E0.csv") == Missing("site", "E0.csv")
    assert server.seen["/E0.csv"] == 1


def test_a_server_that_corrects_spelling_does_not_pass_off_another_file(server: Server, web: Web) -> None:
    server.answers["/E9.csv"] = [reply(301, Location="/E0.csv")]
    server.answers["/E0.csv"] = [reply(200, b"content")]
    assert isinstance(get(web, f"{server.url}/E9.csv"), Missing)


def test_a_redirect_to_the_same_file_elsewhere_is_followed(server: Server, web: Web) -> None:
    server.answers["/old/E0.csv"] = [reply(301, Location="/E0.csv")]
    server.answers["/E0.csv"] = [reply(200, b"content")]
    assert isinstance(get(web, f"{server.url}/old/E0.csv"), Delivery)


@pytest.mark.parametrize("trouble", [reply(500), reply(503), hang, reply(200, b"abc", Content_Length="10")])
def test_trouble_that_may_pass_is_tried_again(server: Server, web: Web, trouble: Answer) -> None:
    server.answers["/E0.csv"] = [trouble, reply(200, b"content")]
    answer = get(web, f"{server.url}/E0.csv")
    assert isinstance(answer, Delivery)
    assert (answer.content, server.seen["/E0.csv"]) == (b"content", 2)


def test_trouble_that_does_not_pass_is_an_unreachable_source_after_a_bounded_number_of_tries(server: Server, web: Web) -> None:
    server.answers["/E0.csv"] = [reply(500)]
    with pytest.raises(SourceUnreachable, match="HTTP 500"):
        get(web, f"{server.url}/E0.csv")
    assert server.seen["/E0.csv"] == IMPATIENT.attempts


def test_a_refusal_is_not_argued_with(server: Server, web: Web) -> None:
    server.answers["/E0.csv"] = [reply(403)]
    with pytest.raises(SourceUnreachable, match="refuses"):
        get(web, f"{server.url}/E0.csv")
    assert server.seen["/E0.csv"] == 1


def test_a_busy_server_is_given_the_time_it_asks_for(server: Server, web: Web) -> None:
    server.answers["/E0.csv"] = [reply(429, Retry_After="1"), reply(200, b"content")]
    start = time.monotonic()
    assert isinstance(get(web, f"{server.url}/E0.csv"), Delivery)
    assert time.monotonic() - start >= 1


def test_the_time_asked_for_may_be_a_date(server: Server, web: Web) -> None:
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=5), usegmt=True)
    server.answers["/E0.csv"] = [reply(429, Retry_After=past), reply(503, Retry_After="soon"), reply(200, b"content")]
    assert isinstance(get(web, f"{server.url}/E0.csv"), Delivery)


def test_a_server_that_asks_for_more_time_than_we_have_is_left_alone(server: Server, web: Web) -> None:
    server.answers["/E0.csv"] = [reply(429, Retry_After="3600")]
    with pytest.raises(SourceUnreachable, match="come back in 3600 s"):
        get(web, f"{server.url}/E0.csv")
    assert server.seen["/E0.csv"] == 1


def test_a_server_that_drips_is_given_up(server: Server) -> None:
    server.answers["/E0.csv"] = [drip]
    web = Web(Patience(read_seconds=1, download_seconds=0.3, attempts=1))
    with pytest.raises(SourceUnreachable, match="too slow"):
        get(web, f"{server.url}/E0.csv")
    web.close()


@pytest.mark.parametrize("answer", [reply(200, b"x" * 20_000), reply(200, b"x" * 20_000, Content_Length="")])
def test_a_file_larger_than_any_match_file_is_not_read_to_its_end(server: Server, web: Web, answer: Answer) -> None:
    server.answers["/E0.csv"] = [answer]
    with pytest.raises(DownloadTooLarge, match="larger than"):
        get(web, f"{server.url}/E0.csv")
    assert server.seen["/E0.csv"] == 1


def test_nobody_there_is_an_unreachable_source(web: Web) -> None:
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        get(web, "http://127.0.0.1:9/E0.csv")
    with pytest.raises(SourceUnreachable, match="leads nowhere"):
        get(web, "gopher://127.0.0.1/E0.csv")


def test_going_round_in_circles_is_an_unreachable_source(server: Server, web: Web) -> None:
    server.answers["/E0.csv"] = [reply(301, Location="/E0.csv")]
    with pytest.raises(SourceUnreachable, match="leads nowhere"):
        get(web, f"{server.url}/E0.csv")


def test_many_threads_share_one_small_pool(server: Server) -> None:
    # Patient: a request that is given up on a busy machine is still being answered while its place goes to another.
    web = Web(Patience(read_seconds=30, download_seconds=30))

    n_now = n_most = 0
    lock = threading.Lock()

    def slow(request: BaseHTTPRequestHandler) -> None:
        nonlocal n_now, n_most
        with lock:
            n_now += 1
            n_most = max(n_most, n_now)
        time.sleep(0.05)
        # Before it replies: with the last byte the client is free to ask again, whenever this thread goes on.
        with lock:
            n_now -= 1
        reply(200, b"content")(request)

    server.answers["/E0.csv"] = [slow]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: get(web, f"{server.url}/E0.csv"), range(24)))
    assert all(isinstance(answer, Delivery) for answer in answers)
    web.close()
    assert n_most <= CONNECTIONS


def test_a_folder_answers_as_a_server_would(tmp_path: Path, web: Web) -> None:
    path = tmp_path / "E0.csv"
    assert get(web, path.as_uri()) == Missing("site", "E0.csv")
    path.write_bytes(b"content")
    first = get(web, path.as_uri())
    assert isinstance(first, Delivery)
    assert first.content == b"content"
    assert isinstance(get(web, path.as_uri(), first.etag, first.last_modified), NotModified)
    path.write_bytes(b"changed content")
    assert isinstance(get(web, path.as_uri(), first.etag, first.last_modified), Delivery)
    path.write_bytes(b"x" * 20_000)
    with pytest.raises(DownloadTooLarge):
        get(web, path.as_uri())
    with pytest.raises(SourceUnreachable, match="cannot be read"):
        get(web, tmp_path.as_uri())
