"""One round of the stream: from the topic into the landing zone and bronze.

Belongs here: putting reading, keeping and loading together, in that order. Bytes are landed before anything names them; rows and
the position then are one transaction. Does not belong here: Dagster (`pipelines.defs.streams`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pipelines.settings import Settings
from pipelines.sources.stream import delivery, parse
from pipelines.store import stream_positions
from pipelines.store.landing import Landing
from pipelines.store.stream_positions import Overtaken, Span
from pipelines.store.warehouse import Warehouse
from pipelines.streams.connection import extents
from pipelines.streams.reading import Batch, Bounds, read

IN_A_RUN: Final = Bounds()


@dataclass
class Taken:
    """What a round brought: messages that became rows, and those that were set aside."""

    n_inserted: int = 0
    n_quarantined: int = 0
    is_cut_short: bool = False
    """Whether another reader had been there: what waits is its, or the next round's."""
    shortfall: str = ""
    """What is missing where time was up before the ends of the partitions."""


def take_in(settings: Settings, bronze: Warehouse, landing: Landing, taken: Taken, bounds: Bounds = IN_A_RUN) -> None:
    """Take in what waits in the topic, within bounds, counting in `taken`. Raises StreamError; what was written stands."""
    topic = settings.kafka_topic

    def write(batch: Batch) -> bool:
        now = datetime.now(UTC)
        span = Span(topic, batch.partition, batch.begun_at, batch.next_offset)
        try:
            if not batch.messages:
                with bronze.connect() as connection, connection.cursor() as cursor:
                    stream_positions.move(cursor, span, now)
                return True
            file = delivery(topic, batch.partition, batch.messages, now)
            landing.put(file.content)
            result = stream_positions.take_in(bronze, span, file, parse(file.content), now)
        except Overtaken:
            return False
        taken.n_inserted += result.n_inserted
        taken.n_quarantined += result.n_quarantined
        return True

    done = read(
        settings.kafka_config,
        f"football-{settings.edition}",
        topic,
        positions=lambda: stream_positions.positions(bronze, topic),
        take_in=write,
        bounds=bounds,
    )
    taken.is_cut_short, taken.shortfall = done.was_overtaken, done.shortfall


@dataclass(frozen=True)
class Standing:
    """Of one partition: `next_offset` is None before anything was read; the topic has messages from `low` to before `high`."""

    partition: int
    next_offset: int | None
    low: int
    high: int

    @property
    def n_waiting(self) -> int:
        return max(0, self.high - max(self.low, self.next_offset or 0))

    @property
    def n_lost(self) -> int:
        """Messages that were dropped before they were read."""
        return 0 if self.next_offset is None else max(0, self.low - self.next_offset)

    @property
    def is_made_anew(self) -> bool:
        """Whether the topic ends before the position: it is another one under the same name."""
        return self.next_offset is not None and self.next_offset > self.high

    @property
    def is_stuck(self) -> bool:
        """Whether nothing is read of it before somebody has decided."""
        return self.is_made_anew or self.n_lost > 0

    def gap(self, topic: str) -> str:
        """What became of one that is stuck, as a sentence."""
        if self.is_made_anew:
            return f"{topic}/{self.partition} was read up to {self.next_offset} and ends at {self.high}: the topic was made anew."
        return f"{self.n_lost} messages of {topic}/{self.partition} were lost, from {self.next_offset} to before {self.low}."


def standings(settings: Settings, bronze: Warehouse) -> list[Standing]:
    """How far each partition was read, and how far it goes. Raises StreamUnreachable."""
    known = stream_positions.positions(bronze, settings.kafka_topic)
    found = extents(settings.kafka_config, settings.kafka_topic)
    return [Standing(partition, known.get(partition), extent.low, extent.high) for partition, extent in sorted(found.items())]
