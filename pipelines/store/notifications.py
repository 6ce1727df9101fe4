"""What people are told: written down first, delivered then, recorded once a channel has taken it.

Belongs here: what counts as news, what a channel has still to hear, how much it hears within an hour and of one message. Does not
belong here: the words (`pipelines.defs.alerts`), or how a channel is reached (`pipelines.channels`).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

import psycopg
from psycopg.rows import class_row

from pipelines.store.warehouse import Warehouse

Severity = Literal["failure", "warning", "success", "info"]

NO_NEWS_WITHIN: Final = timedelta(hours=1)
"""The same of the same topic is counted, not told again."""

FORGOTTEN_AFTER: Final = timedelta(days=1)
"""What a channel could not be told within this time is told no more."""

MESSAGES_AN_HOUR: Final = 12
"""For each channel; what goes beyond is told in one message."""

N_CHARACTERS: Final = 4000
"""Of a body. DingTalk takes no message of more than 20,000 bytes, of which a character may have four."""

N_CHARACTERS_AT_END: Final = 1000
"""Of these: what a message means, what to do and where to look stand at its end."""

PLAINLY_AFTER: Final = timedelta(minutes=10)
"""What is still refused then is told by its title alone, lest everything behind it wait for a day: perhaps it is what it says."""


@dataclass(frozen=True)
class Message:
    """What a channel is handed."""

    severity: Severity
    title: str
    body: str


@dataclass(frozen=True)
class Notification(Message):
    """One that was written down."""

    notification_id: int
    noticed_at: datetime
    last_noticed_at: datetime
    n_noticed: int
    n_delivered: int = 0


_WORST_FIRST: Final[tuple[Severity, ...]] = ("failure", "warning", "info", "success")

Send = Callable[[Message], bool]
"""Hands a message to a channel; False where it was not taken."""

_COLUMNS: Final = "notification_id, severity, title, body, noticed_at, last_noticed_at, n_noticed"


def note(warehouse: Warehouse, topic: str, subject: str, message: Message, now: datetime) -> bool:
    """Write down what people are to be told; False if it is no news.

    It is none where the last word on its topic had the same subject less than `NO_NEWS_WITHIN` ago: that is counted.
    """
    with warehouse.connect() as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('football.notification'))")
        last = connection.execute(
            """
            select notification_id, subject, noticed_at from operations.notification
            where topic = %s order by notification_id desc limit 1
            """,
            [topic],
        ).fetchone()
        if last is not None and last[1] == subject and now - last[2] < NO_NEWS_WITHIN:
            connection.execute(
                "update operations.notification set n_noticed = n_noticed + 1, last_noticed_at = %s where notification_id = %s",
                [now, last[0]],
            )
            return False
        connection.execute(
            """
            insert into operations.notification (topic, subject, severity, title, body, noticed_at, last_noticed_at)
            values (%s, %s, %s, %s, %s, %s, %s)
            """,
            [topic, subject, message.severity, message.title, message.body, now, now],
        )
    return True


def last_severity(warehouse: Warehouse, topic: str) -> Severity | None:
    """Of the last word on a topic; None where there was none."""
    return next((word.severity for word in last_words(warehouse, topic, 1)), None)


class Word(NamedTuple):
    """What was said of a topic, and when it was noted first."""

    severity: Severity
    subject: str
    noticed_at: datetime


def last_words(warehouse: Warehouse, topic: str, limit: int) -> list[Word]:
    """The last so many on a topic, the latest first."""
    with warehouse.connect() as connection, connection.cursor(row_factory=class_row(Word)) as cursor:
        return cursor.execute(
            "select severity, subject, noticed_at from operations.notification where topic = %s"
            " order by notification_id desc limit %s",
            [topic, limit],
        ).fetchall()


def recent(warehouse: Warehouse, limit: int) -> list[Notification]:
    """The last so many, the latest first, with how many channels have taken each."""
    with warehouse.connect() as connection, connection.cursor(row_factory=class_row(Notification)) as cursor:
        return cursor.execute(
            f"""
            select {_COLUMNS}, count(delivery.channel)::integer as n_delivered
            from operations.notification left join operations.delivery using (notification_id)
            group by notification_id order by notification_id desc limit %s
            """,  # noqa: S608 - columns of this module
            [limit],
        ).fetchall()


def deliver(warehouse: Warehouse, channel: str, send: Send, now: datetime) -> bool:
    """Tell a channel what it has not heard, oldest first, at most `MESSAGES_AN_HOUR`; False where it took something not.

    Each message is recorded when it was taken: one whose recording is prevented is told twice, never not at all. None is told
    before one that is older. One that is refused for what it says, and one that nobody answers, look alike from here: after
    `PLAINLY_AFTER` it is told plainly. What does not take even that takes nothing: the rest is left to the next call.
    """
    with warehouse.connect() as connection:
        connection.autocommit = True
        messages = _in_messages(_unheard(connection, channel, now), _allowance(connection, channel, now))
        for n, together in enumerate(messages):  # the moment tells messages apart
            message = _message_of(together)
            may_be_plain = now - together[0].noticed_at > PLAINLY_AFTER
            if not send(message) and not (may_be_plain and send(_plainly(message))):
                return False
            connection.execute(
                """
                insert into operations.delivery (notification_id, channel, delivered_at)
                select notification_id, %s, %s from unnest(%s::bigint[]) as told (notification_id)
                """,
                [channel, now + timedelta(microseconds=n), [each.notification_id for each in together]],
            )
    return True


def n_held_back(warehouse: Warehouse, channel: str, now: datetime) -> int:
    """How many a channel has still to hear, since it has heard as many as it may within the hour."""
    with warehouse.connect() as connection:
        return 0 if _allowance(connection, channel, now) else len(_unheard(connection, channel, now))


def _unheard(connection: psycopg.Connection, channel: str, now: datetime) -> list[Notification]:
    with connection.cursor(row_factory=class_row(Notification)) as cursor:
        return cursor.execute(
            f"""
            select {_COLUMNS} from operations.notification
            where noticed_at > %s and not exists (
                select from operations.delivery
                where delivery.notification_id = notification.notification_id and delivery.channel = %s
            )
            order by notification_id
            """,  # noqa: S608 - columns of this module
            [now - FORGOTTEN_AFTER, channel],
        ).fetchall()


def _allowance(connection: psycopg.Connection, channel: str, now: datetime) -> int:
    row = connection.execute(
        "select count(distinct delivered_at) from operations.delivery where channel = %s and delivered_at > %s",
        [channel, now - timedelta(hours=1)],
    ).fetchone()
    return max(0, MESSAGES_AN_HOUR - (row[0] if row else 0))


def _in_messages(unheard: Sequence[Notification], allowance: int) -> Iterable[Sequence[Notification]]:
    """One each; where there are more than allowed, all that remain in the last."""
    if allowance == 0:
        return []
    n_alone = len(unheard) if len(unheard) <= allowance else allowance - 1
    return [[each] for each in unheard[:n_alone]] + ([unheard[n_alone:]] if n_alone < len(unheard) else [])


def _message_of(together: Sequence[Notification]) -> Message:
    if len(together) == 1:
        (only,) = together
        again = f"\nNoticed {only.n_noticed} times until {only.last_noticed_at:%H:%M} UTC." if only.n_noticed > 1 else ""
        return Message(only.severity, only.title, _cut(only.body + again))
    worst = min((each.severity for each in together), key=_WORST_FIRST.index)
    titles = "\n".join(f"{each.noticed_at:%H:%M} UTC: {each.title}" for each in together)
    return Message(worst, f"{len(together)} further messages", _cut(f"{titles}\n`football alerts list` shows them all."))


def _cut(body: str) -> str:
    """Of a long one its beginning, and whole lines of its end, if there are some."""
    if len(body) <= N_CHARACTERS:
        return body
    end = body[-N_CHARACTERS_AT_END:].split("\n", 1)[-1]
    cut = "…\n(This was cut: `football alerts list` shows all of it.)\n"
    return body[: N_CHARACTERS - len(cut) - len(end)] + cut + end


def _plainly(message: Message) -> Message:
    """Its title, short and without what a channel could take for markup."""
    title = re.sub(r"[^A-Za-z0-9.,:()/-]+", " ", message.title)[:150]
    return Message(message.severity, title, "What else it says was not taken here: football alerts list shows it.")
