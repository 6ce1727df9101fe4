"""The generators of load, as processes of their own: what they are told, and what they found.

Belongs here: wrk, which asks again as soon as it has its answer (closed loop), and h2load, which asks at a fixed rate (open
loop). Does not belong here: what is asked of which server.
"""

import json
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from serving.bench.asked import HOST, Asked

CONNECTIONS: Final = 64
"""Of the closed loop."""

PATIENCE_SECONDS: Final = 10
"""After which a request counts as failed."""

# Times in microseconds, and the rate over what the run took.
_DONE: Final = """
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"per_second": %.1f, "errors": %d, "p50_ms": %.2f, "p95_ms": %.2f, "p99_ms": %.2f}',
    summary.requests / summary.duration * 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000))
end
"""


def closed_loop(port: int, asked: Asked, seconds: float) -> dict[str, Any]:
    """Requests answered a second by `CONNECTIONS` connections, their times in milliseconds, and how many failed."""
    with tempfile.NamedTemporaryFile("w", prefix="football-wrk-", suffix=".lua") as script:
        script.write(asked.for_wrk() + _DONE)
        script.flush()
        options = [f"-c{CONNECTIONS}", "-t1", f"-d{max(1, round(seconds))}s", f"--timeout={PATIENCE_SECONDS}s", "-s", script.name]
        command = ["wrk", *options, f"http://{HOST}:{port}{asked.path}"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    outcome: dict[str, Any] = json.loads(told[told.index("{") :])
    return outcome


def open_loop(port: int, asked: Asked, rate: int, connections: int, seconds: float) -> dict[str, Any]:
    """Requests at a fixed rate, whether or not those before were answered; their times in milliseconds, and how many failed.

    A time begins when its request is sent. Each connection has a schedule of its own, a request every `connections / rate`
    seconds, and is opened at the moment that spreads the schedules evenly. Where an answer takes longer than that, the next
    request of its connection waits unsent, which no time tells: `sent_per_second` falls behind the rate. What was not answered
    `PATIENCE_SECONDS` after the last was due counts as failed.
    """
    n, a_time = round(rate * seconds), max(1, rate // 1000)
    with tempfile.TemporaryDirectory(prefix="football-h2load-") as folder:
        log = Path(folder, "log")
        options = [f"-n{n}", f"-c{connections}", f"--rps={rate / connections}", f"-N{PATIENCE_SECONDS}", f"--log-file={log}"]
        opening = [f"-r{a_time}", f"--rate-period={round(1000 * a_time / rate)}ms"]  # all at once would be answered in bursts
        command = ["h2load", "--h1", "-t1", *options, *opening, *asked.for_h2load(Path(folder, "body"))]
        command = ["sh", "-c", 'ulimit -n "$(ulimit -Hn)" && exec "$@"', "sh", *command, f"http://{HOST}:{port}{asked.path}"]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=seconds + PATIENCE_SECONDS)
        requests = [[int(each) for each in line.split()] for line in log.read_text().splitlines()]
    # When each was sent and how long it took, in microseconds: a status of -1 is of one that got no answer.
    answered = [(sent, took) for sent, status, took in requests if status == 200]
    times = quantiles((took for _, took in answered), n=100) if len(answered) > 1 else None
    sent = sorted(sent for sent, _, _ in requests)
    return {
        "rate": rate,
        "connections": connections,
        "requests": n,
        "sent_per_second": _per_second(sent),
        "answered_per_second": _per_second(sorted(sent + took for sent, took in answered)),
        "errors": n - len(answered),
        **{f"p{share}_ms": times and round(times[share - 1] / 1000, 2) for share in (50, 95, 99)},
    }


def _per_second(moments: list[int]) -> float:
    """How many of these moments, in microseconds and in their order, a second has."""
    return round((len(moments) - 1) / (moments[-1] - moments[0]) * 1e6, 1) if len(moments) > 1 else 0.0
