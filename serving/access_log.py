"""The log of requests: one JSON object a line, written behind the requests' back.

Belongs here: what is kept of a request, and getting it out cheaply. A request leaves its line in a list; a thread encodes and
writes what has gathered five times a second, and the rest at the end. What a process has not written when it is killed is
lost, at most the last fifth of a second. Does not belong here: any other log, which `serving.telemetry` sets up.
"""

import logging
import sys
import threading
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Final, TextIO

from msgspec import Struct, json

from serving.addresses import parsed

WRITE_SECONDS: Final = 0.2
MAXIMUM_WAITING: Final = 200_000
"""Lines above which those to come are counted and dropped: whoever reads the log has stopped reading."""


class Line(Struct, frozen=True):
    """What is kept of a request: never a body, a query, a header, a whole address or the secret of a key."""

    timestamp: datetime
    method: str
    route: str
    path: str
    status: int
    milliseconds: float
    role: str
    address: str
    request_id: str
    event: str = "request"
    level: str = "info"
    logger: str = "serving"


class AccessLog:
    """Writes to `stream` while it is open, from a thread."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lines: deque[Line] = deque()
        self._n_dropped = 0
        self._encoder = json.Encoder()
        self._closing = threading.Event()
        self._is_open = False
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin to write, where logging is set up to tell that much."""
        self._is_open = logging.getLogger("serving").isEnabledFor(logging.INFO)
        if not self._is_open:
            return
        self._closing.clear()
        self._thread = threading.Thread(target=self._write_until_closed, name="access-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is left, and end."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._write()

    def add(self, line: Line) -> None:
        """Have a line written soon."""
        if not self._is_open:
            return
        if len(self._lines) < MAXIMUM_WAITING:
            self._lines.append(line)
        else:
            self._n_dropped += 1

    def _write_until_closed(self) -> None:
        while not self._closing.wait(WRITE_SECONDS):
            self._write()

    def _write(self) -> None:
        # One by one: a list taken away whole could miss a line that is being added to it.
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        dropped, self._n_dropped = self._n_dropped, 0
        if dropped:
            now = datetime.now(UTC)
            notice = {"timestamp": now, "event": "requests_not_logged", "level": "warning", "logger": "serving", "n": dropped}
            self._put(self._encoder.encode_lines([notice]))
        if lines:
            self._put(self._encoder.encode_lines(lines))

    def _put(self, text: bytes) -> None:
        stream = self._stream or sys.stdout
        stream.write(text.decode())
        stream.flush()


@lru_cache(4096)
def masked(host: str) -> str:
    """The network an address is in: of IPv4 the first three bytes, of IPv6 the first six."""
    address = parsed(host)
    if address is None:
        return ""
    kept = 3 if isinstance(address, IPv4Address) else 6
    return str(type(address)(address.packed[:kept] + bytes(len(address.packed) - kept)))
