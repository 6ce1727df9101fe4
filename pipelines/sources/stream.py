"""What arrives between daily files: the contract of its messages, and the batches in which they are kept.

Belongs here: what a message has to say, and how a batch of messages is written as a file and taken apart again. Messages that
were read together from one partition of a topic are one file, a message a line, with its offset and the moment at which it was
read: so they are landed, loaded, set aside, counted and loaded again (`football reproduce`, `football quarantine replay`) as the
lines of any other file are. Does not belong here: Kafka (`pipelines.streams`).
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec

from pipelines.sources.fields import fields
from pipelines.sources.protocol import MAX_GOALS, Delivery, ParsedFile, QuarantinedLine, Row, Unfit, bounded, set_aside

SOURCE: Final = "stream"
"""As it stands in `bronze.source_file.source`."""

SCHEMA: Final = 1
"""The version of the contract. A message says which one it follows; a change that older readers would misread is a new one."""

LEAST_PLAYING_TIME: Final = timedelta(minutes=90)
"""No match has its final result earlier after kick-off."""

YEARS: Final = range(1900, 2200)
"""In which a moment can lie; at the ends of the calendar there is no reckoning."""

SKEW: Final = timedelta(minutes=5)
"""A sender's clock may be ahead of ours by as much; what says that it happened later than that has not happened."""

Goals = Annotated[int, msgspec.Meta(ge=0, le=MAX_GOALS)]
Price = Annotated[float, msgspec.Meta(gt=1.0, le=1000.0)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]

OUTCOMES_OF: Final[Mapping[str, tuple[str, ...]]] = {"1x2": ("home", "draw", "away"), "over_under_25": ("over", "under")}
"""Market to what has a price in it."""


class Event(msgspec.Struct, frozen=True, tag_field="kind"):
    """What every message says: of which match. `competition` is a `competition_id`, clubs are named as any source names them."""

    schema: Literal[1]
    competition: Name
    home: Name
    away: Name
    kickoff_at: Moment


class Result(Event, frozen=True, tag="result"):
    """The final score of a match, and since when it was final. A later `final_at` of the same match corrects an earlier one."""

    home_goals: Goals
    away_goals: Goals
    final_at: Moment


class Quote(Event, frozen=True, tag="quote"):
    """What a bookmaker offered on a match at one moment: a decimal price for each outcome of one market."""

    bookmaker: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,40}$")]
    market: Literal["1x2", "over_under_25"]
    odds: dict[str, Price]
    quoted_at: Moment


_decode: Final = msgspec.json.Decoder(Result | Quote).decode

_EVENTS: Final[Mapping[str, type[Event]]] = {"result": Result, "quote": Quote}

_ODDS: Final = "quote.odds."


def _fields_of(kind: str, event: type[Event]) -> Iterator[tuple[str, str]]:
    yield f"{kind}.kind", "text"
    for field in msgspec.structs.fields(event):
        if field.name == "odds":
            yield from ((f"{_ODDS}{outcome}", "number") for outcomes in OUTCOMES_OF.values() for outcome in outcomes)
        elif field.type == Moment:
            yield f"{kind}.{field.name}", "moment"
        else:
            yield f"{kind}.{field.name}", "number" if field.type == Goals or field.name == "schema" else "text"


_FIELDS: Final = {path: of_kind for kind, event in _EVENTS.items() for path, of_kind in _fields_of(kind, event)}
"""Each field that a message can have, behind the message's kind, and the kind of its values."""


def contract_of(names: Iterable[str]) -> dict[str, str]:
    """The fields that the contract has of such messages as have these fields, and of what kind their values are.

    A quote has the prices of one market: of the prices those that are there.
    """
    there = set(names)
    kinds = {name.partition(".")[0] for name in there}
    return {
        path: kind
        for path, kind in sorted(_FIELDS.items())
        if path.partition(".")[0] in kinds and (not path.startswith(_ODDS) or path in there)
    }


@dataclass(frozen=True)
class Message:
    """A message as it was read. `value` is None of one that only says that its key is gone."""

    offset: int
    received_at: datetime
    value: bytes | None


def delivery(topic: str, partition: int, messages: Iterable[Message], fetched_at: datetime) -> Delivery:
    """A batch of one partition as a file; its key names the first offset, at which no other batch begins."""
    read = list(messages)
    content = b"".join(msgspec.json.encode(_line(message)) + b"\n" for message in read)
    return Delivery(SOURCE, f"{topic}/{partition}/{read[0].offset:020}.jsonl", content, None, None, fetched_at)


def _line(message: Message) -> dict[str, Any]:
    kept = {"offset": message.offset, "received_at": message.received_at}
    try:
        return {**kept, "value": None if message.value is None else message.value.decode()}
    except UnicodeDecodeError:
        return {**kept, "base64": base64.b64encode(message.value or b"").decode()}


def parse(content: bytes) -> ParsedFile:
    """Take a batch apart. Whatever the messages are, each is a row or set aside with its reason, and nothing is raised."""
    rows: list[Row] = []
    quarantined: list[QuarantinedLine] = []
    lines = content.splitlines()
    messages = [msgspec.json.decode(line) for line in lines]
    for number, kept in enumerate(messages, start=1):
        try:
            rows.append(Row(number, dict(sorted(_cells(kept)))))
        except Unfit as fault:
            quarantined.append(set_aside(number, fault, content=kept.get("value", kept.get("base64"))))
    names, kinds = _beside_the_contract(messages)
    return ParsedFile(
        layout="stream",
        state="intact",
        encoding="utf-8",
        header=names,
        rows=rows,
        quarantined=bounded(quarantined),
        n_lines=len(lines),
        n_header=0,
        n_blank=0,
        kinds=kinds,
    )


def _beside_the_contract(messages: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    """The fields of a batch and the kinds of their values; None and nothing where they are the contract's, as nearly always.

    A batch is not compared with the one before it, which may be of other kinds of messages: nothing need be kept of it.
    """
    of_kind: dict[str, list[Any]] = {kind: [] for kind in _EVENTS}
    for message in messages:
        try:
            said = msgspec.json.decode(message.get("value") or "")
        except (msgspec.DecodeError, RecursionError):
            continue
        kind = said.get("kind") if isinstance(said, dict) else None
        if isinstance(kind, str) and kind in of_kind:
            of_kind[kind].append(said)
    found = {kind: fields(said) for kind, said in of_kind.items()}
    names = tuple(sorted(f"{kind}.{name}" for kind, (paths, _) in found.items() for name in paths))
    told = {f"{kind}.{name}": values for kind, (_, kinds) in found.items() for name, values in kinds.items()}
    expected = contract_of(names)
    is_expected = list(names) == list(expected) and all(told.get(name, kind) == kind for name, kind in expected.items())
    return (None, {}) if is_expected else (names, told)


def _cells(kept: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A message as flat text. Raises Unfit for one that is not what the contract asks for."""
    event = _read(kept)
    yield "offset", str(kept["offset"])
    for name, value in msgspec.structs.asdict(event).items():
        if name == "odds":
            yield from ((f"odds_{outcome}", repr(price)) for outcome, price in value.items())
        elif isinstance(value, datetime):
            yield name, value.astimezone(UTC).isoformat()
        else:
            yield name, value.strip() if isinstance(value, str) else str(value)
    yield "kind", "result" if isinstance(event, Result) else "quote"


def _read(kept: Mapping[str, Any]) -> Result | Quote:
    if "base64" in kept:
        raise Unfit("unreadable_message", "it is not UTF-8")
    if kept["value"] is None:
        raise Unfit("unreadable_message", "it has no content")
    try:
        event: Result | Quote = _decode(kept["value"])
    except msgspec.ValidationError as error:  # of a message that is JSON
        raise Unfit("unknown_schema" if str(error).endswith("`$.schema`") else "not_the_contract", str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unfit("unreadable_message", str(error)) from error
    _judge(event, datetime.fromisoformat(kept["received_at"]))
    return event


def _judge(event: Result | Quote, received_at: datetime) -> None:
    """What types cannot say. Raises Unfit."""
    names = (event.competition, event.home, event.away)
    if any("\0" in name for name in names):
        raise Unfit("nul_bytes")
    if not all(name.strip() for name in names):
        raise Unfit("no_teams")
    if event.home.strip() == event.away.strip():
        raise Unfit("team_against_itself", event.home)
    said_at = event.quoted_at if isinstance(event, Quote) else event.final_at
    if any(moment.year not in YEARS for moment in (event.kickoff_at, said_at)):
        raise Unfit("impossible_moment", f"{event.kickoff_at}, {said_at}")
    if isinstance(event, Quote):
        if set(event.odds) != set(OUTCOMES_OF[event.market]):
            raise Unfit("not_the_contract", f"{event.market} has prices of {', '.join(OUTCOMES_OF[event.market])}")
    elif said_at < event.kickoff_at + LEAST_PLAYING_TIME:
        raise Unfit("impossible_moment", f"no match that begins at {event.kickoff_at} is over at {said_at}")
    if said_at > received_at + SKEW:
        raise Unfit("impossible_moment", f"{said_at} was still to come when this was read, at {received_at}")
