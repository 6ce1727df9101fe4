"""Sending what the outbox holds.

Belongs here: one producer for a handful of messages, and which of them the broker has taken. Does not belong here: what they say,
or noting that they were taken (`pipelines.store.outbox`).
"""

import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from pipelines.streams.connection import Config, log

_SENDING: Final[Mapping[str, Any]] = {
    # Taken by all replicas, and within one connection neither twice nor in another order, however often it has to be sent.
    "enable.idempotence": True,
    "message.timeout.ms": 10_000,
    "reconnect.backoff.ms": 1_000,
}

FLUSH_SECONDS: Final = 15.0
"""Longer than a message is tried: whatever has not been answered by then was given up."""

SENDING_SECONDS: Final = 15.0
"""For how long further messages are sent; what is left is the next tick's."""


class Letter(Protocol):
    """A message of the outbox."""

    @property
    def outbox_id(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def message(self) -> Mapping[str, Any]: ...


def send(config: Config, topic: str, letters: Sequence[Letter]) -> list[int]:
    """Send messages to a topic in their order, each once the broker has taken the one before; the ids of those that it has taken.

    Idempotence keeps the order of what is tried again, not that of what was given up: sent together, a message that timed out
    would come behind those that did not. So the first that is not taken ends it.
    """
    from confluent_kafka import Producer

    taken: list[int] = []

    def told(outbox_id: int, error: Any, _: Any) -> None:
        if error is None:
            taken.append(outbox_id)
        else:
            log.warning("message %s of the outbox was not taken: %s", outbox_id, error)

    producer = Producer({**config, **_SENDING}, logger=log)
    deadline = time.monotonic() + SENDING_SECONDS
    for letter in letters:
        producer.produce(
            topic,
            key=letter.key,
            value=json.dumps(letter.message, sort_keys=True),
            on_delivery=partial(told, letter.outbox_id),
        )
        producer.flush(FLUSH_SECONDS)
        if letter.outbox_id not in taken or time.monotonic() > deadline:
            break
    return taken
