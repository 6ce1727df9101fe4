"""What is announced: in the transaction of the publication, sent until a broker has taken it, in order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import dagster as dg
import pandas as pd
import pytest

from deploy.database import Urls
from pipelines.defs import stream_sensors
from pipelines.settings import Settings
from pipelines.store import outbox, publication
from pipelines.store.outbox import Waiting
from pipelines.store.publication import Content, publish
from pipelines.store.tables import published_competition, published_prediction
from pipelines.store.warehouse import Warehouse
from pipelines.streams import relay
from pipelines.streams.relay import send
from tests.streams.conftest import Broker

NOW = datetime(2024, 2, 3, 17, tzinfo=UTC)
EDITION = "live"


def content(note: str, manifest: Mapping[str, str] = MappingProxyType({})) -> Content:
    tables = (published_prediction, published_competition)
    predictions, competitions = (
        pd.DataFrame(columns=[c.name for c in table.columns if c.name != "publication_id"]) for table in tables
    )
    return Content(predictions, competitions, is_simulated=False, note=note, manifest=manifest, git_revision=None)


def say(warehouse: Warehouse, note: str, told_of: str | None = EDITION) -> int:
    return publish(warehouse, content(note), now=NOW, data_cutoff=NOW, told_of=told_of).publication_id


def waiting(warehouse: Warehouse) -> list[int]:
    found = warehouse.read(
        "select (message ->> 'publication_id')::int as id from operations.outbox where delivered_at is null order by outbox_id"
    )
    return found["id"].tolist()


@pytest.fixture
def warehouse(database: Urls) -> Warehouse:
    return Warehouse(database.model)


def test_a_new_publication_is_announced_once_and_one_that_is_confirmed_not_again(warehouse: Warehouse) -> None:
    first = say(warehouse, "a")
    assert say(warehouse, "a") == first
    second = say(warehouse, "b")
    assert waiting(warehouse) == [first, second]


def test_how_far_a_stream_was_read_is_no_news_by_itself_and_a_file_is(warehouse: Warehouse) -> None:
    """Else every few minutes would bring a publication of the same forecasts."""

    def publish_with(**manifest: str) -> bool:
        said = content("a", {name.replace("__", "/"): sha256 for name, sha256 in manifest.items()})
        return publish(warehouse, said, now=NOW, data_cutoff=NOW, told_of=EDITION).is_new

    assert publish_with(football_data__E0="1", stream__events__0="1")
    assert not publish_with(football_data__E0="1", stream__events__0="2")
    assert publish_with(football_data__E0="2", stream__events__0="2")


def test_without_a_broker_nothing_is_written_for_one(warehouse: Warehouse) -> None:
    say(warehouse, "a", told_of=None)
    assert waiting(warehouse) == []


def test_a_publication_that_fails_is_not_announced_and_one_that_cannot_be_announced_is_not_made(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are one transaction: killed anywhere in it, PostgreSQL keeps neither."""
    usual = outbox.write

    def written_then_broken(*arguments: object) -> None:
        usual(*arguments)  # type: ignore[arg-type]
        raise RuntimeError("killed")

    monkeypatch.setattr(publication.outbox, "write", written_then_broken)
    with pytest.raises(RuntimeError, match="killed"):
        say(warehouse, "a")
    assert waiting(warehouse) == []
    assert warehouse.read("select count(*) as n from published.publication")["n"][0] == 0


def test_what_a_broker_has_taken_is_noted_and_the_rest_waits_in_its_order(warehouse: Warehouse) -> None:
    ids = [say(warehouse, note) for note in "abc"]
    seen: list[list[int]] = []

    def takes_the_first(letters: Sequence[Waiting]) -> list[int]:
        seen.append([letter.message["publication_id"] for letter in letters])
        return [letters[0].outbox_id]

    assert outbox.relay(warehouse, takes_the_first, NOW) == (1, 2)
    assert outbox.relay(warehouse, takes_the_first, NOW) == (1, 1)
    assert seen == [ids, ids[1:]]
    assert waiting(warehouse) == ids[2:]


def test_a_relay_that_dies_behind_the_broker_s_word_tells_it_twice_and_loses_nothing(warehouse: Warehouse) -> None:
    (only,) = [say(warehouse, "a")]

    def taken_then_dead(letters: Sequence[Waiting]) -> list[int]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outbox.relay(warehouse, taken_then_dead, NOW)
    assert waiting(warehouse) == [only]


def test_what_was_taken_is_removed_after_a_month_and_what_waits_never(warehouse: Warehouse) -> None:
    taken, waits = (say(warehouse, note) for note in "ab")

    def left(now: datetime) -> list[int]:
        outbox.relay(
            warehouse, lambda letters: [each.outbox_id for each in letters if each.message["publication_id"] == taken], now
        )
        return warehouse.read("select (message ->> 'publication_id')::int as id from operations.outbox order by 1")["id"].tolist()

    assert left(NOW) == [taken, waits]
    assert left(NOW + outbox.KEPT_FOR) == [taken, waits]
    assert left(NOW + outbox.KEPT_FOR + timedelta(seconds=1)) == [waits]


def test_what_waits_goes_to_the_topic_that_is_named_now(
    database: Urls, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bound to one that was named wrong, the oldest messages would hold up all others for good."""
    ids = [say(warehouse, note) for note in "ab"]
    settings = Settings.read({"MODEL_DATABASE_URL": database.model, "KAFKA_BOOTSTRAP_SERVERS": "a:1"})

    def takes_what_is_for_the_right_one(config: object, topic: str, letters: Sequence[Waiting]) -> list[int]:
        return [letter.outbox_id for letter in letters] if topic == "right" else []

    def tick(topic: str) -> dg.SkipReason:
        monkeypatch.setattr(Settings, "read", lambda: replace(settings, kafka_publication_topic=topic))
        return stream_sensors.outbox_sensor()  # type: ignore[no-any-return]

    monkeypatch.setattr(relay, "send", takes_what_is_for_the_right_one)
    with pytest.raises(RuntimeError, match="2 messages of the outbox were not taken"):
        tick("wrong")
    assert waiting(warehouse) == ids
    assert tick("right").skip_message == "2 messages were taken, 0 wait"


def test_a_message_that_is_not_taken_is_overtaken_by_none_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    class TimesOutOnce:
        """A broker that is silent until the second message was given up, and takes what is sent after that."""

        def __init__(self, *_: object, **__: object) -> None:
            self.answers: list[Callable[[], None]] = []

        def produce(self, topic: str, *, key: str, value: str, on_delivery: Callable[[str | None, None], None]) -> None:
            sent.append(value)
            error = "timed out" if len(sent) == 2 else None
            self.answers.append(lambda: on_delivery(error, None))

        def poll(self, _: float) -> None:
            pass

        def flush(self, _: float) -> None:
            for answer in self.answers:
                answer()
            self.answers.clear()

    monkeypatch.setattr("confluent_kafka.Producer", TimesOutOnce)
    assert send({}, "football.publications", [Waiting(n, EDITION, {"n": n}) for n in (1, 2, 3)]) == [1]
    assert sent == ['{"n": 1}', '{"n": 2}']


def test_publications_arrive_in_their_order_with_what_a_reader_needs(
    broker: Broker, settings_of: Callable[[Broker], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(broker)
    warehouse = Warehouse(settings.model_url)
    monkeypatch.setattr(Settings, "read", lambda: settings)
    ids = [say(warehouse, note) for note in "ab"]
    assert stream_sensors.outbox_sensor().skip_message == "2 messages were taken, 0 wait"
    assert stream_sensors.outbox_sensor().skip_message == "nothing waits in the outbox"
    told = broker.announced(2)
    assert [(key, message["publication_id"]) for key, message in told] == [("live", each) for each in ids]
    assert told[0][1] == {
        **{"schema": 1, "kind": "publication", "edition": "live", "publication_id": ids[0]},
        **{"published_at": NOW.isoformat(), "data_cutoff": NOW.isoformat(), "n_predictions": 0, "is_simulated": False},
        "digest": content("a").digest(),
    }


def test_without_an_answer_the_tick_fails_and_everything_waits(
    settings_of: Callable[[Broker], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(Broker("127.0.0.1:1"))
    warehouse = Warehouse(settings.model_url)
    monkeypatch.setattr(Settings, "read", lambda: settings)
    monkeypatch.setattr("pipelines.streams.relay._SENDING", {"enable.idempotence": True, "message.timeout.ms": 500})
    (only,) = [say(warehouse, "a")]
    with pytest.raises(RuntimeError, match="1 messages of the outbox were not taken"):
        stream_sensors.outbox_sensor()
    assert waiting(warehouse) == [only]
    assert send(settings.kafka_config, settings.kafka_publication_topic, []) == []
