"""A small site with football-data.co.uk's layout, for whatever asks one for files."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

E0, FIXTURES = "/mmz4281/2425/E0.csv", "/fixtures.csv"


def played(*scores: int, season: int = 2024) -> bytes:
    lines = [f"E0,{k + 1:02}/11/{season},A,B,{score},0,{'H' if score else 'D'}" for k, score in enumerate(scores)]
    return "\n".join(["Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR", *lines, ""]).encode()


def coming(price: float) -> bytes:
    return f"Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,B365H\nE0,07/12/2024,A,B,,,,{price}\n".encode()


class Site:
    """A server with validators: what it has, the answers it gave, and whether it, or a file of it, refuses, fails, hangs or drips."""

    def __init__(self) -> None:
        self.files = {E0: played(1), FIXTURES: coming(2.0)}
        self.answers: list[tuple[str, int]] = []
        self.is_out_of_order = self.is_down = False
        self.refused: set[str] = set()
        self.failing: set[str] = set()
        self.hanging: set[str] = set()
        self.dripping: set[str] = set()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = site.files.get(self.path)
                tag = f'"{hashlib.sha256(content or b"").hexdigest()}"'
                status = 404 if content is None else 304 if self.headers["If-None-Match"] == tag else 200
                status = 403 if site.is_out_of_order or self.path in site.refused else status
                status = 503 if site.is_down or self.path in site.failing else status
                site.answers.append((self.path, status))
                if self.path in site.hanging:
                    time.sleep(0.5)
                self.send_response(status)
                self.send_header("ETag", tag)
                self.end_headers()
                if self.path in site.dripping:
                    with suppress(OSError):  # until whoever asks has had enough
                        while True:
                            self.wfile.write(b" ")
                            time.sleep(0.05)
                if status == 200:
                    self.wfile.write(content or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def seen(self) -> list[tuple[str, int]]:
        """The answers since this was last asked."""
        seen, self.answers = self.answers, []
        return seen


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()
