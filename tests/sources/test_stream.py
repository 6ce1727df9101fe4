"""The contract of the stream: what is a message, why others are set aside, and that a batch loses none of either."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sources.protocol import ParsedFile
from pipelines.sources.stream import LEAST_PLAYING_TIME, SKEW, Message, contract_of, delivery, parse

READ_AT = datetime(2024, 2, 3, 17, tzinfo=UTC)
MATCH = {"schema": 1, "competition": "E0", "home": "Ash", "away": "Birch", "kickoff_at": "2024-02-03T15:00:00Z"}
RESULT = MATCH | {"kind": "result", "home_goals": 2, "away_goals": 1, "final_at": "2024-02-03T16:52:30+00:00"}
QUOTE = MATCH | {
    "kind": "quote",
    "bookmaker": "pinnacle",
    "market": "1x2",
    "odds": {"home": 2, "draw": 3.4, "away": 3.75},
    "quoted_at": "2024-02-03T13:30:00+02:00",
}


def batch(*values: bytes | None) -> ParsedFile:
    messages = [Message(40 + k, READ_AT, value) for k, value in enumerate(values)]
    return parse(delivery("football.events", 3, messages, READ_AT).content)


def said(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode()


def reason(value: bytes | None) -> str:
    (line,) = batch(value).quarantined
    return line.reason


def test_a_result_and_a_quote_become_rows_of_text_with_their_offsets_and_moments_in_utc() -> None:
    parsed = batch(said(RESULT), said(QUOTE))
    match = {"schema": "1", "competition": "E0", "home": "Ash", "away": "Birch", "kickoff_at": "2024-02-03T15:00:00+00:00"}
    goals = {"home_goals": "2", "away_goals": "1"}
    prices = {"odds_home": "2.0", "odds_draw": "3.4", "odds_away": "3.75"}
    assert [row.cells for row in parsed.rows] == [
        match | goals | {"kind": "result", "offset": "40", "final_at": "2024-02-03T16:52:30+00:00"},
        match
        | prices
        | {
            **{"kind": "quote", "offset": "41", "bookmaker": "pinnacle", "market": "1x2"},
            "quoted_at": "2024-02-03T11:30:00+00:00",
        },
    ]
    for row in parsed.rows:
        assert list(row.cells) == sorted(row.cells), "equal messages are recognised by equal text"


def test_nothing_is_kept_of_fields_that_are_the_contract_s_and_what_is_beside_it_is_told_with_its_kind() -> None:
    totals = QUOTE | {"market": "over_under_25", "odds": {"over": 1.9, "under": 2}}
    for sent in ([RESULT], [QUOTE], [RESULT, QUOTE, totals] * 4):
        assert (batch(*map(said, sent)).header, batch(*map(said, sent)).kinds) == (None, {})
    assert batch(b"poison", b'{"kind": ["result"]}', b"[]", None, said({"kind": "other"})).header is None
    parsed = batch(*(said(RESULT | {"stadium": {"city": "Ashton"}}) for _ in range(6)), said(QUOTE))
    assert set(parsed.header or ()) - set(contract_of(parsed.header or ())) == {"result.stadium.city"}
    assert (len(parsed.rows), parsed.kinds["result.stadium.city"], parsed.kinds["result.final_at"]) == (7, "text", "moment")
    typed = batch(*(said(RESULT | {"home_goals": str(n)}) for n in range(6)))
    assert (len(typed.rows), typed.kinds["result.home_goals"]) == (0, "number in quotation marks")


def test_the_file_of_a_batch_is_named_by_its_partition_and_first_offset_so_that_no_two_are_one() -> None:
    file = delivery("football.events", 3, [Message(41, READ_AT, b"{}"), Message(42, READ_AT, b"{}")], READ_AT)
    assert (file.source, file.key) == ("stream", "football.events/3/00000000000000000041.jsonl")


def test_what_a_later_sender_adds_to_a_message_is_no_fault() -> None:
    assert batch(said(RESULT | {"venue": "Home"})).rows


def test_the_same_message_twice_is_two_rows_for_each_has_an_offset_of_its_own() -> None:
    parsed = batch(said(RESULT), said(RESULT))
    assert len({json.dumps(row.cells) for row in parsed.rows}) == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", "unreadable_message"),
        (None, "unreadable_message"),
        (b"not json", "unreadable_message"),
        (b"\xff\xfe", "unreadable_message"),
        (b"[" * 100_000, "not_the_contract"),
        (b"null", "not_the_contract"),
        (said(RESULT | {"schema": 2}), "unknown_schema"),
        (said(RESULT | {"kind": "goal"}), "not_the_contract"),
        (said(RESULT | {"home_goals": 1.5}), "not_the_contract"),
        (said(RESULT | {"home_goals": "2"}), "not_the_contract"),
        (said(RESULT | {"home_goals": 21}), "not_the_contract"),
        (said({name: value for name, value in RESULT.items() if name != "final_at"}), "not_the_contract"),
        (said(RESULT | {"final_at": "2024-02-03T16:52:30"}), "not_the_contract"),
        (said(RESULT | {"away": "Ash"}), "team_against_itself"),
        (said(RESULT | {"away": " "}), "no_teams"),
        (said(RESULT | {"away": "Bir\0ch"}), "nul_bytes"),
        (said(RESULT | {"kickoff_at": "0001-01-01T00:00:00+14:00"}), "impossible_moment"),
        (said(RESULT | {"kickoff_at": "9999-12-31T23:59:59Z"}), "impossible_moment"),
        (said(QUOTE | {"odds": {"home": 2.0, "draw": 3.0}}), "not_the_contract"),
        (said(QUOTE | {"odds": {"home": 2.0, "draw": 3.0, "away": 1.0}}), "not_the_contract"),
        (said(QUOTE | {"market": "over_under_25"}), "not_the_contract"),
        (said(QUOTE | {"bookmaker": "No Name"}), "not_the_contract"),
    ],
)
def test_what_is_not_the_contract_is_set_aside_with_its_reason(value: bytes | None, expected: str) -> None:
    assert reason(value) == expected


def test_a_message_is_set_aside_with_its_text_so_that_a_person_sees_what_was_sent() -> None:
    (line,) = batch(said(RESULT | {"schema": 2})).quarantined
    assert line.content == said(RESULT | {"schema": 2}).decode()
    assert "Invalid enum value 2" in line.explanation


def test_no_match_is_over_before_it_can_be() -> None:
    kickoff = datetime.fromisoformat(MATCH["kickoff_at"])
    over = kickoff + LEAST_PLAYING_TIME
    assert batch(said(RESULT | {"final_at": over.isoformat()})).rows
    assert reason(said(RESULT | {"final_at": (over - timedelta(seconds=1)).isoformat()})) == "impossible_moment"


@pytest.mark.parametrize(("message", "name"), [(RESULT, "final_at"), (QUOTE, "quoted_at")])
def test_what_was_still_to_come_when_it_was_read_has_not_happened(message: Mapping[str, Any], name: str) -> None:
    """Its moment is when it counts as known: a sender's clock that is a day ahead must not reach into the past of a forecast."""
    assert batch(said({**message, name: (READ_AT + SKEW).isoformat()})).rows
    assert reason(said({**message, name: (READ_AT + SKEW + timedelta(seconds=1)).isoformat()})) == "impossible_moment"


def test_a_poison_message_stands_in_nobody_s_way() -> None:
    parsed = batch(said(RESULT), b"\xff", said(QUOTE))
    assert [row.line_number for row in parsed.rows] == [1, 3]
    assert [line.line_number for line in parsed.quarantined] == [2]


@given(st.lists(st.none() | st.binary(max_size=30) | st.text(max_size=30).map(str.encode), min_size=1, max_size=8))
def test_whatever_is_sent_every_message_is_accounted_for(values: list[bytes | None]) -> None:
    assert batch(*values).is_reconciled


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12), lambda inner: st.lists(inner, max_size=3)
)


@given(
    st.sampled_from([RESULT, QUOTE]),
    st.dictionaries(st.sampled_from(sorted({*RESULT, *QUOTE})), _JSON | st.datetimes(timezones=st.timezones()).map(str)),
)
def test_whatever_stands_in_a_message_that_is_nearly_one_nothing_is_raised(
    message: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    assert batch(said({**message, **changes})).is_reconciled
