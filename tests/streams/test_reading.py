"""Reading a topic on both brokers: each message once, poison set aside, within bounds, and nothing skipped in silence."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from pipelines.settings import Settings
from pipelines.sources.stream import Message, delivery, parse
from pipelines.store import file_versions, stream_positions
from pipelines.store.stream_positions import Overtaken, Span
from pipelines.store.warehouse import Warehouse
from pipelines.streams import connection, intake, reading
from pipelines.streams.connection import StreamError, StreamGap, StreamUnreachable, gap_at
from pipelines.streams.intake import standings
from pipelines.streams.reading import Batch, Bounds, _batches, _Positions
from tests.streams.conftest import Broker, MockBroker
from tests.streams.rounds import numbers, quote, read

TOPIC = "events"
SettingsOf = Callable[[Broker], Settings]


def test_what_waits_is_read_once_and_in_its_partition_s_order(broker: Broker, settings: Settings) -> None:
    broker.send([quote(n) for n in range(0, 1300)], partition=0)
    broker.send([quote(n) for n in range(1300, 1600)], partition=1)
    assert read(settings).n_inserted == 1600
    assert numbers(settings) == list(range(1600))
    broker.send([quote(1600)], partition=1)
    assert read(settings).n_inserted == 1
    assert numbers(settings) == list(range(1601))
    assert all(each.n_waiting == 0 for each in standings(settings, Warehouse(settings.ingest_url)))


def test_a_poison_message_is_set_aside_and_the_position_moves_past_it(broker: Broker, settings: Settings) -> None:
    broker.send([quote(0), b"\xff\x00", None, quote(1) | {"schema": 9}, quote(1)])
    taken = read(settings)
    assert (taken.n_inserted, taken.n_quarantined) == (2, 3)
    bronze = Warehouse(settings.reader_url)
    aside = bronze.read("select reason, content from bronze.quarantine order by line_number")
    assert aside["reason"].tolist() == ["unreadable_message", "unreadable_message", "unknown_schema"]
    assert '"schema": 9' in aside["content"].iloc[2]
    assert file_versions.reconciliation(bronze).empty, "every message is a row or set aside"
    assert read(settings).n_inserted == 0, "and none is read again"


def test_offsets_without_messages_are_passed_where_a_partition_ends_so_that_nothing_waits_for_good(
    broker: Broker, settings: Settings
) -> None:
    """Who sends in transactions leaves a mark behind each. Dropped by age before it was passed, it would be told as a loss."""
    broker.send_in_transaction([quote(0)])
    assert read(settings).n_inserted == 1
    first, *_ = standings(settings, bronze := Warehouse(settings.ingest_url))
    assert (first.next_offset, first.high) == (2, 2)
    assert bronze.read("select key from bronze.source_file")["key"].str.endswith("0" * 20 + ".jsonl").tolist() == [True]
    with bronze.connect() as connection:
        connection.execute("update bronze.stream_position set next_offset = 1")
    assert read(settings).n_inserted == 0, "as where a round had ended before the mark"
    assert stream_positions.positions(bronze, settings.kafka_topic)[0] == 2


def test_of_two_readers_that_hold_the_same_messages_the_database_lets_one_write(
    settings_of: SettingsOf, mock_cluster: Broker
) -> None:
    """As when a reader was taken for dead, and was not: each has read the same offsets, whatever the group thinks."""
    settings = settings_of(mock_cluster)
    bronze = Warehouse(settings.ingest_url)
    now = datetime.now(UTC)
    file = delivery(TOPIC, 0, [Message(0, now, b"x"), Message(1, now, b"y")], now)
    other = delivery(TOPIC, 0, [Message(0, now, b"x")], now)
    stream_positions.take_in(bronze, Span(TOPIC, 0, None, 2), file, parse(file.content), now)
    for begun_at in (None, 0, 1):
        with pytest.raises(Overtaken):
            stream_positions.take_in(bronze, Span(TOPIC, 0, begun_at, 1), other, parse(other.content), now)
    assert stream_positions.positions(bronze, TOPIC) == {0: 2}
    assert bronze.read("select count(*) as n from bronze.source_file")["n"][0] == 1


def test_one_that_was_overtaken_writes_nothing_more_and_says_so(
    settings_of: SettingsOf, mock_cluster: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(mock_cluster)
    mock_cluster.send([quote(n) for n in range(5)])
    usual = stream_positions.take_in

    def too_late(warehouse: Warehouse, span: Span, *rest: Any) -> Any:
        with warehouse.connect() as connection:
            connection.execute("insert into bronze.stream_position values (%s, %s, 3, now())", (span.topic, span.partition))
        return usual(warehouse, span, *rest)

    monkeypatch.setattr(intake.stream_positions, "take_in", too_late)
    assert read(settings).is_cut_short
    monkeypatch.setattr(intake.stream_positions, "take_in", usual)
    read(settings)
    assert numbers(settings) == [3, 4]


class Held:
    """A message in the hands of a reader."""

    def __init__(self, partition: int, offset: int, error: KafkaError | None = None) -> None:
        self._partition, self._offset, self._error = partition, offset, error

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return b""

    def error(self) -> KafkaError | None:
        return self._error


def batches(begun: Mapping[int, int | None], *held: Held) -> list[Batch]:
    where = _Positions(dict)
    where.begun = dict(begun)
    return _batches(TOPIC, held, where)


def offsets(begun: Mapping[int, int | None], *held: tuple[int, int]) -> dict[int, list[int]]:
    found = batches(begun, *(Held(*each) for each in held))
    return {batch.partition: [message.offset for message in batch.messages] for batch in found}


def test_the_end_of_a_partition_moves_its_position_forward_alone_and_only_while_it_is_this_reader_s() -> None:
    def reached(begun: Mapping[int, int | None], *held: Held) -> list[tuple[int, int, int]]:
        return [(each.partition, len(each.messages), each.next_offset) for each in batches(begun, *held)]

    end = KafkaError(KafkaError._PARTITION_EOF)
    gap = KafkaError(KafkaError._AUTO_OFFSET_RESET)
    assert reached({0: 5}, Held(0, 5), Held(0, 8, end)) == [(0, 1, 8)]
    assert reached({0: 5}, Held(0, 8, end)) == [(0, 0, 8)]
    assert reached({0: None}, Held(0, 3, end)) == [(0, 0, 3)], "all that there ever was is gone"
    assert reached({0: None, 1: 5}, Held(0, 0, end), Held(1, 5, end)) == []
    assert reached({0: 9}, Held(0, 8, end)) == [], "it was another reader's meanwhile"
    assert reached({1: 0}, Held(0, 8, end)) == []
    assert reached({0: 5}, Held(0, 8, gap)) == []


def test_a_partition_that_was_taken_and_given_back_brings_what_was_in_hand_twice_and_it_is_kept_once() -> None:
    assert offsets({0: 10, 1: None}, (0, 10), (0, 11), (1, 0), (0, 10), (0, 11), (0, 12)) == {0: [10, 11, 12], 1: [0]}
    assert offsets({0: 12}, (0, 10), (0, 11), (0, 12)) == {0: [12]}, "another reader has written the first two"
    assert offsets({1: 0}, (0, 10)) == {}, "it is another reader's now"


def test_a_round_is_bounded_and_the_next_goes_on(settings_of: SettingsOf, mock_cluster: Broker) -> None:
    settings = settings_of(mock_cluster)
    mock_cluster.send([quote(n) for n in range(30)])
    assert read(settings, Bounds(n_messages=20, seconds=40)).n_inserted == 20
    (standing,) = [each for each in standings(settings, Warehouse(settings.ingest_url)) if each.n_waiting]
    assert standing.n_waiting == 10
    read(settings)
    assert numbers(settings) == list(range(30))


def test_a_broker_that_goes_away_in_the_middle_is_told_from_one_that_has_nothing_more(
    settings_of: SettingsOf, mock_cluster: MockBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(mock_cluster)
    # Little is fetched ahead: what the client has in hand it hands on, whether the broker is there or not.
    little = (("queued.min.messages", "1"), ("fetch.message.max.bytes", "1000"))
    settings = replace(settings, kafka_options=(*settings.kafka_options, *little))
    for k in range(0, 100, 5):
        mock_cluster.send([quote(k + each) for each in range(5)])
    usual = stream_positions.take_in

    def for_the_last_time(*arguments: Any) -> Any:
        mock_cluster.go_away()
        return usual(*arguments)

    monkeypatch.setattr(reading, "AT_ONCE", 5)
    monkeypatch.setattr(stream_positions, "take_in", for_the_last_time)
    taken = read(settings, Bounds(seconds=12))
    assert 0 < taken.n_inserted < 100
    assert re.fullmatch(r"not read to its end in 12 s: \d partitions are held, \d of them not at their ends.*", taken.shortfall)


def test_a_broker_of_which_nothing_could_be_had_is_an_outage_not_a_topic_without_news(
    settings_of: SettingsOf, mock_cluster: MockBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the topic is there, and answers nothing behind that: the group gives this reader no partition."""
    settings, usual = settings_of(mock_cluster), reading.require
    mock_cluster.send([quote(0)])

    def and_then_go_away(*arguments: Any) -> Any:
        found = usual(*arguments)
        mock_cluster.go_away()
        return found

    monkeypatch.setattr(reading, "require", and_then_go_away)
    with pytest.raises(StreamUnreachable, match=r"Nothing of .* could be had, not read to its end in 3 s: 0 partitions are held"):
        read(settings, Bounds(seconds=3))


def test_a_reader_that_is_given_no_partition_as_others_have_them_all_is_short_of_nothing() -> None:
    consumer, where = Held(0, 0), _Positions(dict)
    consumer.assign = lambda partitions: None  # type: ignore[attr-defined]
    assert where.shortfall(60).startswith("not read to its end in 60 s: 0 partitions are held")
    where.given(consumer, [])
    assert where.shortfall(60) == ""
    where.given(consumer, [TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)])
    where.ended.add(0)
    assert where.shortfall(60) == "not read to its end in 60 s: 2 partitions are held, 1 of them not at their ends"
    where.ended.add(1)
    assert where.shortfall(60) == ""


def test_messages_that_are_gone_are_told_and_never_skipped_in_silence_while_other_partitions_are_read(
    settings_of: SettingsOf, mock_cluster: Broker
) -> None:
    settings = settings_of(mock_cluster)
    mock_cluster.send([quote(0)], partition=0)
    mock_cluster.send([quote(1)], partition=1)
    with Warehouse(settings.ingest_url).connect() as connection:
        connection.execute("insert into bronze.stream_position values (%s, 0, 7, now())", (mock_cluster.topic,))
    with pytest.raises(StreamGap, match=r"partition 0 has no message") as gap:
        read(settings)
    assert list(gap.value.gaps) == [gap_at(mock_cluster.topic, 0, 7)], "as whoever looks at positions alone names it"
    assert numbers(settings) == [1]
    assert stream_positions.positions(Warehouse(settings.ingest_url), mock_cluster.topic) == {0: 7, 1: 1}


def test_without_a_broker_or_a_topic_a_sentence_says_so(
    settings_of: SettingsOf, mock_cluster: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StreamUnreachable, match="has no topic"):
        read(settings_of(mock_cluster))
    with pytest.raises(StreamError, match=r"KAFKA_OPTIONS cannot be used: No such configuration property: .*nonsense"):
        read(replace(settings_of(mock_cluster), kafka_options=(("nonsense", "1"),)))
    nowhere = Broker("127.0.0.1:1")
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(StreamUnreachable, match="No broker of KAFKA_BOOTSTRAP_SERVERS answers"):
        read(settings_of(nowhere))
