"""An open-loop generator of load: requests are due at a fixed rate, whether or not those before were answered.

`python -m serving.bench.load PORT RATE CONNECTIONS SECONDS` reads the request, as it goes over the wire, from standard input and
prints one JSON object. A request's time runs from when it was due, so that a server which falls behind cannot hide it by
being asked less. A process of its own, with one thread: what it can do itself is measured at the bare application.
"""

import asyncio
import json
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from serving.bench.asked import HOST

TICK_SECONDS: Final = 0.001
PATIENCE_SECONDS: Final = 10.0
"""How long after the last request was due an answer may come; what comes later is an error."""


@dataclass
class Run:
    """What is due, who can send it, and how it went."""

    request: bytes
    idle: "deque[Connection]" = field(default_factory=deque)
    due: deque[float] = field(default_factory=deque)
    seconds: list[float] = field(default_factory=list)
    n_errors: int = 0
    n_connections: int = 0

    def dispatch(self) -> None:
        """Send what is due, as long as a connection is free."""
        while self.due and self.idle:
            self.idle.popleft().send(self.due.popleft())


class Connection(asyncio.Protocol):
    """A connection that is kept, with one request on it at a time."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._due = 0.0
        self._is_busy = False
        self._missing = -1
        self._head = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready for a request."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - what a stream's transport is
        self._transport = transport
        self._run.n_connections += 1
        self._run.idle.append(self)

    def send(self, due: float) -> None:
        """Send the request that was due then."""
        self._due, self._is_busy, self._missing, self._head = due, True, -1, b""
        if self._transport is not None:
            self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        """Count bytes until the answer is whole."""
        if self._missing < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._head[:end].lower()
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self._missing = length - (len(self._head) - end - 4)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._is_busy = False
            if self._head[9:12] == b"200":
                self._run.seconds.append(time.perf_counter() - self._due)
            else:
                self._run.n_errors += 1
            self._run.idle.append(self)
            self._run.dispatch()

    def connection_lost(self, _: Exception | None) -> None:
        """An answer that was waited for will not come."""
        self._run.n_errors += self._is_busy
        self._is_busy = False
        if self in self._run.idle:
            self._run.idle.remove(self)


async def run(request: bytes, port: int, rate: float, n_connections: int, seconds: float) -> dict[str, Any]:
    """Load the server; what was asked and how it was answered, times in milliseconds."""
    loop = asyncio.get_running_loop()
    work = Run(request)
    opening = asyncio.Semaphore(100)  # a burst of thousands overflows the listener's backlog, which is not what is measured

    async def connect() -> None:
        async with opening:
            await loop.create_connection(lambda: Connection(work), HOST, port)

    failures = await asyncio.gather(*(connect() for _ in range(n_connections)), return_exceptions=True)
    refused = sum(isinstance(each, BaseException) for each in failures)
    n_due, n_wanted = 0, int(rate * seconds)
    begun = time.perf_counter()
    lags: list[float] = []
    while n_due < n_wanted:
        elapsed = time.perf_counter() - begun
        wanted = min(n_wanted, int(elapsed * rate) + 1)
        if wanted > n_due:
            lags.append(elapsed - n_due / rate)
        for number in range(n_due, wanted):
            work.due.append(begun + number / rate)
        n_due = wanted
        work.dispatch()
        await asyncio.sleep(TICK_SECONDS)
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while len(work.seconds) + work.n_errors < n_wanted and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    took = time.perf_counter() - begun
    unanswered = n_wanted - len(work.seconds) - work.n_errors
    times = sorted(work.seconds)
    return {
        "rate": rate,
        "connections": n_connections,
        "connections_refused": refused,
        "requests": n_wanted,
        "answered_per_second": round(len(times) / took, 1),
        "errors": work.n_errors + unanswered,
        **{f"p{share}_ms": percentile(times, share) for share in (50, 95, 99)},
        "generator_lag_p99_ms": percentile(sorted(lags), 99),
    }


def percentile(times: list[float], share: int) -> float | None:
    """The time in milliseconds within which so many in a hundred of the sorted times lie; None if there is none."""
    if not times:
        return None
    return round(times[min(len(times) - 1, -(-len(times) * share // 100) - 1)] * 1000, 2)


def main() -> None:
    """Run as told and print the outcome."""
    port, rate, n_connections, seconds = sys.argv[1:]
    outcome = asyncio.run(run(sys.stdin.buffer.read(), int(port), float(rate), int(n_connections), float(seconds)))
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main()
