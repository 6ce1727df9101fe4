"""Nothing lost and nothing twice where readers die, lose partitions, or are taken for dead, on both brokers."""

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from pipelines.settings import Settings
from pipelines.store import stream_positions
from pipelines.streams import reading
from pipelines.streams.reading import Bounds
from tests.streams.conftest import Broker
from tests.streams.rounds import numbers, quote, read, read_up_to, started


@pytest.mark.parametrize("dies", ["before", "within", "behind"])
def test_a_reader_killed_between_reading_and_committing_loses_nothing_and_repeats_nothing(
    broker: Broker, settings: Settings, dies: str
) -> None:
    """Killed before the transaction, in it with the position moved, and behind it before anybody was told."""
    broker.send([quote(n) for n in range(40)], partition=0)
    broker.send([quote(n) for n in range(40, 60)], partition=1)
    with started(settings, dies) as process:
        process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert (len(numbers(settings)) > 0) == (dies == "behind"), "only what was committed stands"
    read_up_to(settings, 60)
    assert numbers(settings) == list(range(60))


def test_partitions_change_hands_in_the_middle_and_both_readers_together_read_everything_once(
    broker: Broker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second process joins the group while this one has read a part: the group gives it a partition of which messages are in hand."""
    n = 150
    for k in range(0, n, 5):
        broker.send([quote(k + each) for each in range(5)], partition=0)
        broker.send([quote(n + k + each) for each in range(5)], partition=broker.last_partition)
    # Little is fetched ahead: librdkafka tells of a partition's loss behind the messages that it has already.
    little = (("queued.min.messages", "1"), ("fetch.message.max.bytes", "1000"), ("fetch.queue.backoff.ms", "50"))
    settings = replace(settings, kafka_options=(*settings.kafka_options, *little))
    usual, others = stream_positions.take_in, []
    has_joined = settings.state_dir / "assigned"

    def slowly(*arguments: Any) -> Any:
        """Until the other has something: a second for each batch, for only between them does this reader give up partitions."""
        if not others:
            others.append(processes.enter_context(started(settings, "never")))
        deadline = time.monotonic() + 1
        while not has_joined.exists() and others[0].poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return usual(*arguments)

    monkeypatch.setattr(stream_positions, "take_in", slowly)
    monkeypatch.setattr(reading, "AT_ONCE", 5)
    with ExitStack() as processes:
        ours = read(settings, Bounds(seconds=90)).n_inserted
        (other,) = others
        said, _ = other.communicate(timeout=120)
    assert other.returncode == 0
    theirs = int(said.split()[0])
    monkeypatch.setattr(stream_positions, "take_in", usual)
    ours += read_up_to(settings, 2 * n)
    assert numbers(settings) == list(range(2 * n))
    assert min(ours, theirs) > 0, "both have read"
    assert ours + theirs == 2 * n


def test_a_reader_that_was_taken_for_dead_writes_nothing_of_what_another_has_read_meanwhile(
    broker: Broker, settings: Settings
) -> None:
    """Stopped with messages in hand for longer than the group waits, then let go on: as a machine that hung."""
    broker.send([quote(0)], partition=0)
    broker.send([quote(30)], partition=1)
    read_up_to(settings, 2)
    broker.send([quote(k) for k in range(1, 30)], partition=0)
    broker.send([quote(k) for k in range(31, 60)], partition=1)
    with started(settings, "stops") as stopped:
        state = os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert state is not None
        assert state.si_code == os.CLD_STOPPED
        read_up_to(settings, 60)
        stopped.send_signal(signal.SIGCONT)
        said, _ = stopped.communicate(timeout=120)
    assert (stopped.returncode, said.split()) == (0, ["0", "0", "True"]), "overtaken, and says so"
    assert numbers(settings) == list(range(60))
