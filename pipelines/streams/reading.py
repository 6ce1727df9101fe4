"""Reading a topic in bounded batches, each message once.

Belongs here: the group, the position at which each partition is begun, the bounds, and handing on batches. Does not belong here:
where positions are kept and batches written, which is the caller's transaction (`pipelines.store.stream_positions`).

The group of readers serves for one thing: to share out partitions. Nothing is committed to the broker; whenever a partition is
given to this reader it begins where the database says. A reader that was killed, or that lost a partition while it held messages
of it, therefore leaves nothing half done, and of two who believe that a partition is theirs, the database lets one write.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pipelines.sources.stream import Message
from pipelines.streams.connection import Config, StreamGap, StreamUnreachable, consumer, gap_at, require, said

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition

AT_ONCE: Final = 500
"""Messages of a batch at most: it is held in memory, and written in one short transaction."""

LOOK_SECONDS: Final = 0.25
"""So long is waited for a batch to fill up; only between looks are partitions given and taken, and ends noticed."""

_READING: Final[Mapping[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # A position that the topic does not have is told, not mended: messages would be skipped, or read twice.
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
}

_TIMES: Final[Mapping[str, Any]] = {
    # The partitions of a reader that was killed are others' after so long. KAFKA_OPTIONS may say otherwise.
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 1_000,
    # A broker that is away is not asked a hundred times a second.
    "reconnect.backoff.ms": 1_000,
}


@dataclass(frozen=True)
class Bounds:
    """Of one round: it ends when either is reached, or when all that waited is read."""

    n_messages: int = 20_000
    seconds: float = 60.0


@dataclass(frozen=True)
class Batch:
    """Messages of one partition, which stood at `begun_at`; None: nothing was ever read of it.

    Up to `next_offset` there are no others: behind the last one, or without any, there may be offsets that hold no message, such
    as marks of transactions, or what compaction has removed.
    """

    partition: int
    begun_at: int | None
    messages: tuple[Message, ...]
    next_offset: int


@dataclass
class Round:
    """What came of a round. `was_overtaken`: another reader had written what was read here, and the round ended.

    `shortfall` says what is missing where its time was up before the ends of its partitions; empty where they were reached, where
    the number of messages ended it, and where other readers hold every partition.
    """

    n_messages: int = 0
    was_overtaken: bool = False
    shortfall: str = ""


class _Positions:
    """Where each of the partitions that are this reader's stands, which have no more messages, and where the next are gone.

    `is_member`: the group has said which are this reader's, even if none is. `trouble` is what the client said last of brokers
    that do not answer; it goes on trying.
    """

    def __init__(self, read: Callable[[], Mapping[int, int]]) -> None:
        self._read = read
        self.begun: dict[int, int | None] = {}
        self.ended: set[int] = set()
        self.gaps: dict[int, int | None] = {}
        self.is_member = False
        self.trouble = ""

    def given(self, consumer: Any, partitions: "Iterable[TopicPartition]") -> None:
        from confluent_kafka import OFFSET_BEGINNING

        self.is_member = True
        known, partitions = self._read(), list(partitions)
        for each in partitions:
            self.begun[each.partition] = known.get(each.partition)
            each.offset = known.get(each.partition, OFFSET_BEGINNING)
        consumer.assign(partitions)

    def taken(self, consumer: Any, partitions: "Iterable[TopicPartition]") -> None:
        self.is_member = False
        for each in partitions:
            self.begun.pop(each.partition, None)
            self.ended.discard(each.partition)

    @property
    def are_at_their_ends(self) -> bool:
        return bool(self.begun) and self.ended >= self.begun.keys()

    def shortfall(self, seconds: float) -> str:
        """What is missing when time is up, as half a sentence; empty where nothing is, or where it is other readers' to read."""
        if self.are_at_their_ends or (self.is_member and not self.begun):
            return ""
        held = f"{len(self.begun)} partitions are held, {len(self.begun.keys() - self.ended)} of them not at their ends"
        return f"not read to its end in {seconds:g} s: {held}{self.trouble and f' ({self.trouble})'}"


def read(
    config: Config,
    group: str,
    topic: str,
    positions: Callable[[], Mapping[int, int]],
    take_in: Callable[[Batch], bool],
    bounds: Bounds,
) -> Round:
    """Read what waits in a topic, within bounds, and hand it on in batches.

    Args:
        positions: partition to the offset at which it is to be gone on with; one that is missing is read from its beginning.
        take_in: writes a batch and moves its position, in one transaction; False: the position had been moved by somebody else.

    Raises:
        StreamUnreachable: no broker answers, there is no such topic, or time was up before anything could be had.
        StreamError: the broker's settings are none.
        StreamGap: a partition does not have the messages that follow its position any more; the others were read.
    """
    reader = consumer({**_TIMES, **config, **_READING, "group.id": group})
    done, where = Round(), _Positions(positions)
    deadline = time.monotonic() + bounds.seconds
    try:
        require(reader, topic)
        reader.subscribe([topic], on_assign=where.given, on_revoke=where.taken, on_lost=where.taken)
        while done.n_messages < bounds.n_messages and (left := deadline - time.monotonic()) > 0 and not where.are_at_their_ends:
            found = reader.consume(min(AT_ONCE, bounds.n_messages - done.n_messages), timeout=min(left, LOOK_SECONDS))
            for batch in _batches(topic, found, where):
                if not take_in(batch):
                    done.was_overtaken = True
                    return done
                where.begun[batch.partition] = batch.next_offset
                if batch.partition in where.gaps:  # what came before its gap, in one look
                    where.gaps[batch.partition] = batch.next_offset
                done.n_messages += len(batch.messages)
        if done.n_messages < bounds.n_messages:
            done.shortfall = where.shortfall(bounds.seconds)
    finally:
        reader.close()
    if where.gaps:
        raise StreamGap(
            f"Of {topic}, partition {', '.join(map(str, sorted(where.gaps)))} has no message where it was read to: "
            "messages were dropped before they were read, or the topic was made anew. Nothing is read of it before somebody has "
            "decided (deploy/runbooks/streams.md#messages-that-are-gone).",
            {
                gap_at(topic, partition, position): f"{topic}/{partition} has no message at {position}, where it was read to."
                for partition, position in sorted(where.gaps.items())
            },
            shortfall=done.shortfall,
        )
    if done.shortfall and not done.n_messages and not where.ended:
        # Seen from here an outage looks like a topic that has nothing new: time passes, and nothing comes.
        raise StreamUnreachable(f"Nothing of {topic} could be had, {done.shortfall}.")
    return done


def _batches(topic: str, found: Iterable[Any], where: _Positions) -> list[Batch]:
    """What was read of each partition that is still this reader's, without what is in the database already."""
    messages: dict[int, list[Message]] = {}
    reached = {partition: begun_at or 0 for partition, begun_at in where.begun.items()}
    for each in found:
        partition, offset = each.partition(), each.offset()
        if each.error() is not None:
            is_end = _judge(topic, each, where)
            if is_end and partition in reached:
                reached[partition] = max(reached[partition], offset)
        elif partition in reached:
            where.ended.discard(partition)
            # Taken and given back meanwhile, a partition is begun anew where the database says: what was in hand comes twice.
            if offset >= reached[partition]:
                messages.setdefault(partition, []).append(Message(offset, datetime.now(UTC), each.value()))
                reached[partition] = offset + 1
    return [
        Batch(partition, where.begun[partition], tuple(messages.get(partition, ())), next_offset)
        for partition, next_offset in reached.items()
        if next_offset > (where.begun[partition] or 0)
    ]


def _judge(topic: str, event: Any, where: _Positions) -> bool:
    """What comes in a message's place: whether it is the end of a partition, at its offset, or an error. Raises StreamError."""
    from confluent_kafka import KafkaError

    error, partition = event.error(), event.partition()
    if error.code() == KafkaError._PARTITION_EOF:
        where.ended.add(partition)
        return True
    if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
        # librdkafka fetches nothing more of it; the others are read to their ends.
        where.ended.add(partition)
        if partition in where.begun:  # else it is another reader's by now, who finds the same
            where.gaps[partition] = where.begun[partition]
    elif error.fatal() or (not error.retriable() and error.code() not in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT)):
        raise StreamUnreachable(f"Reading {topic} failed: {said(error)}.")
    else:
        where.trouble = said(error)
    return False
