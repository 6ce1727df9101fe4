"""What the service tells of itself: the log of requests, and counts that hold over several workers."""

import io
import json
import logging
from datetime import UTC, datetime

import pytest

from serving.access_log import AccessLog, Line, masked
from serving.bench.load import percentile


def line(n: int) -> Line:
    return Line(datetime(2026, 3, 1, 12, tzinfo=UTC), "GET", "/v1/x", "/v1/x", 200, 1.5, "reader", "192.0.2.0", f"r{n}")


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
        "role": "reader", "address": "192.0.2.0", "request_id": "r0", "event": "request", "level": "info", "logger": "serving",
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
    [("203.0.113.77", "203.0.113.0"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"), ("testclient", ""), ("", "")],
)
def test_of_an_address_only_its_network_is_kept(host: str, network: str) -> None:
    assert masked(host) == network


def test_a_percentile_is_the_time_that_so_many_did_not_exceed() -> None:
    times = [n / 1000 for n in range(1, 101)]
    assert [percentile(times, share) for share in (50, 95, 99, 100)] == [50.0, 95.0, 99.0, 100.0]
    assert (percentile([0.002], 50), percentile([], 99)) == (2.0, None)
