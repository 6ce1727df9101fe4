"""The generators of load, as processes of their own: what they are told, and what they found.

Belongs here: wrk, which asks again as soon as it has its answer (closed loop), `serving.bench.load`, which asks at a fixed rate
(open loop), and autocannon, which does the same and was not made for this project: a second opinion, where it is installed. Does
not belong here: what is asked of which server.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from serving.bench.asked import HOST, Asked

AUTOCANNON: Final = Path(".local/autocannon/node_modules/.bin")
"""Where `npm install --prefix .local/autocannon autocannon@8` puts it, if it is on no path."""

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


def second_opinion(port: int, asked: Asked, rate: float, connections: int, seconds: float) -> dict[str, Any] | None:
    """What autocannon found at a fixed rate of all connections together; None where it is not installed.

    It sends what is due in a second at once, as that begins: its times are those of a burst, and no measure of a steady rate. To
    them it adds those of requests that a late answer kept from being sent. It tells no 95th percentile, but the 97.5th.
    """
    program = shutil.which("autocannon") or shutil.which("autocannon", path=str(AUTOCANNON))
    if program is None:
        return None
    options = ["--json", "--overallRate", str(round(rate)), "--connections", str(connections), "--duration", str(round(seconds))]
    options += ["--method", asked.method, *(each for header in asked.headers.items() for each in ("--headers", "=".join(header)))]
    options += ["--body", asked.body] if asked.body else []
    command = ["sh", "-c", 'ulimit -n "$(ulimit -Hn)" && exec "$@"', "sh", program, *options, f"http://{HOST}:{port}{asked.path}"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {
        "answered_per_second": told["requests"]["average"],
        "errors": told["errors"] + told["timeouts"] + told["non2xx"],
        **{f"{name}_ms": told["latency"][name] for name in ("p50", "p97_5", "p99")},
    }
