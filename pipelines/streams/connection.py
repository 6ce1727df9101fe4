"""What readers and senders have in common: which broker, and what can be wrong with it.

Belongs here: the errors, asking a topic how far it goes, and nothing of what messages say (`pipelines.sources.stream`). This
package imports confluent-kafka, librdkafka's client, where it is used: nobody pays for it without KAFKA_BOOTSTRAP_SERVERS.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from confluent_kafka import Consumer

PATIENCE_SECONDS: Final = 10.0
"""For an answer of the broker."""

Config = Mapping[str, str]
"""librdkafka's settings: `bootstrap.servers`, and how to get in."""

log: Final = logging.getLogger("pipelines.streams")


class StreamError(Exception):
    """Something is wrong with the stream; the message is a sentence for a person."""


class StreamUnreachable(StreamError):
    """No broker answers, or it knows no such topic. What was read stands."""


class StreamGap(StreamError):
    """The messages behind a position are not in the topic any more, or it was made anew: nothing is skipped in silence.

    `gaps` names each such loss by where it begins, with a sentence; `shortfall` says what of the other partitions was not read.
    """

    def __init__(self, message: str, gaps: Mapping[str, str], *, shortfall: str = "") -> None:
        super().__init__(f"{message} The rest was {shortfall}." if shortfall else message)
        self.gaps = gaps
        self.shortfall = shortfall


def gap_at(topic: str, partition: int, position: int | None) -> str:
    """The name of a loss: it stays the same, however much more is lost, until the partition is read on."""
    return f"{topic}/{partition} from {position}"


@dataclass(frozen=True)
class Extent:
    """The offsets of a partition: the first message that is still there, and the one that comes next."""

    low: int
    high: int


def consumer(settings: Mapping[str, Any]) -> "Consumer":
    """A consumer with librdkafka's `settings`. Raises StreamError where they are none."""
    from confluent_kafka import Consumer, KafkaException

    try:
        return Consumer(dict(settings), logger=log)
    except KafkaException as error:
        raise StreamError(f"KAFKA_OPTIONS cannot be used: {said(error)}.") from error


def extents(config: Config, topic: str) -> dict[int, Extent]:
    """Partition to its extent. Raises StreamError."""
    from confluent_kafka import KafkaException, TopicPartition

    # A group is named for the library's sake: this joins none.
    settings = {"reconnect.backoff.ms": 1_000, **config, "group.id": "football-extents", "enable.auto.commit": False}
    asking = consumer(settings)
    try:
        found = {}
        for partition in require(asking, topic):
            low, high = asking.get_watermark_offsets(TopicPartition(topic, partition), timeout=PATIENCE_SECONDS)
            found[partition] = Extent(low, high)
        return found
    except KafkaException as error:
        raise StreamUnreachable(f"The broker does not say how far {topic} goes: {said(error)}.") from error
    finally:
        asking.close()


def require(asking: "Consumer", topic: str) -> list[int]:
    """The partitions of a topic. Raises StreamUnreachable."""
    from confluent_kafka import KafkaException

    try:
        known = asking.list_topics(topic, timeout=PATIENCE_SECONDS).topics[topic]
    except KafkaException as error:
        raise StreamUnreachable(f"No broker of KAFKA_BOOTSTRAP_SERVERS answers: {said(error)}.") from error
    if known.error is not None or not known.partitions:
        raise StreamUnreachable(f"The broker has no topic {topic}: {known.error}. KAFKA_TOPIC names it; who sends makes it.")
    return sorted(known.partitions)


def said(error: BaseException) -> str:
    """What librdkafka says of an error, without its full stop."""
    first = error.args[0] if error.args else error
    return str(first.str() if hasattr(first, "str") else first).rstrip(".")
