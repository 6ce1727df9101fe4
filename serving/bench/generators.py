"""The generators of load, as processes of their own: what they are told, and what they found.

Belongs here: wrk, which asks again as soon as it has its answer (closed loop), and `serving.bench.load`, which asks at a fixed
rate (open loop). Does not belong here: what is asked of which server.
"""

import json
import subprocess
import sys
import tempfile
from typing import Any, Final

from serving.bench.asked import HOST, Asked

CONNECTIONS: Final = 64
"""Of the closed loop."""

PATIENCE_SECONDS: Final = 10
"""After which wrk counts a request as failed."""

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


def open_loop(port: int, asked: Asked, rate: float, connections: int, seconds: float) -> dict[str, Any]:
    """What `serving.bench.load` found."""
    arguments = [str(each) for each in (port, rate, connections, seconds)]
    command = ["sh", "-c", 'ulimit -n "$(ulimit -Hn)" && exec "$@"', "sh", sys.executable, "-m", "serving.bench.load", *arguments]
    done = subprocess.run(command, input=asked.on_the_wire(port), capture_output=True, check=True)
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome
