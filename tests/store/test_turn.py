"""Two runs on one warehouse, on a real PostgreSQL."""

import threading
from datetime import timedelta

import pytest

from deploy.local.postgres import PostgresServer
from pipelines.store.turn import Busy, alone

MINUTE = timedelta(minutes=1)


def test_a_second_run_begins_when_the_first_has_ended(postgres: PostgresServer) -> None:
    waits = threading.Event()
    order = []

    def second() -> None:
        with alone(postgres.url(), MINUTE, waits.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with alone(postgres.url(), MINUTE, on_wait=lambda: pytest.fail("nobody else is there")):
        thread.start()
        assert waits.wait(timeout=30)
        order.append("first")
    thread.join(timeout=30)
    assert order == ["first", "second"]


def test_who_waits_in_vain_is_told_where_to_look(postgres: PostgresServer) -> None:
    with (
        alone(postgres.url(), MINUTE, on_wait=lambda: None),
        pytest.raises(Busy, match="terminate it"),
        alone(postgres.url(), timedelta(milliseconds=50), on_wait=lambda: None),
    ):
        pytest.fail("two at once")
