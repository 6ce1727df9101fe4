"""Telling a lineage server what runs read and wrote.

Belongs here: when it is told, and what is told again. What is said is `pipelines.lineage`.

A sensor reads the instance's log, where the runs of schedules, of the UI and of the command line stand alike; no run sends
anything, so none waits for the server or fails by it. The cursor holds how many events of each unfinished run the server took.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import dagster as dg

from pipelines.defs.job_runs import SETTLED_AFTER
from pipelines.defs.streams import STREAM
from pipelines.settings import Settings
from pipelines.sources.registry import SOURCES, address_of
from pipelines.store import catalog, file_versions
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    from pipelines.lineage.events import Story
    from pipelines.lineage.server import Server

FIRST_LOOK: Final = timedelta(days=1)
"""Without a cursor, runs of the last day are told: the first may have begun before the sensor did."""

KEPT_FOR: Final = timedelta(days=7)
"""What a server has not taken for as long is not sent any more."""

TICK_SECONDS: Final = 20.0
"""For how long a tick goes on sending; what is left is the next one's."""

_log = logging.getLogger(__name__)


@dataclass
class Told:
    """Up to when runs were noticed, and for each that is not told to its end how many of its events were."""

    until: datetime
    n_events: dict[str, int]

    @classmethod
    def read(cls, cursor: str | None, now: datetime) -> Self:
        """From a cursor; None is the first look."""
        if not cursor:
            return cls(now - FIRST_LOOK, {})
        kept = json.loads(cursor)
        return cls(datetime.fromisoformat(kept["until"]), kept["n_events"])

    def __str__(self) -> str:
        return json.dumps({"until": self.until.isoformat(), "n_events": self.n_events})


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def lineage_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Send what runs did since the last tick to OPENLINEAGE_URL.

    What the server took is noted event by event. One that it does not take waits, and all behind it: there the next tick begins.

    Raises:
        NotTaken: the server took nothing; the tick is shown as failed, and the next one tries again.
    """
    settings = Settings.read()
    if not settings.openlineage_url:
        return dg.SkipReason("OPENLINEAGE_URL names no server: nobody is told what runs read and wrote")
    from pipelines.lineage.server import Server

    told = Told.read(context.cursor, datetime.now(UTC))
    server = Server(settings.openlineage_url, settings.openlineage_api_key)
    try:
        said = tell(context.instance, lambda: _story(settings, context.repository_def), server, told, datetime.now(UTC))
    finally:
        server.close()
    return dg.SensorResult(skip_reason=said, cursor=str(told))


def tell(instance: dg.DagsterInstance, make_story: Callable[[], "Story"], server: "Server", told: Told, now: datetime) -> str:
    """Send what is new, and note it in `told`; says how it went.

    Raises:
        NotTaken: the server did not even take the first.
    """
    _notice(instance, told, now)
    if not told.n_events:
        return "no run is unfinished or new"
    from pipelines.lineage.server import NotTaken, Refused

    story, n_sent, deadline = make_story(), 0, time.monotonic() + TICK_SECONDS
    for run_id, event in _events(instance, story, told, now):
        try:
            server.send(event)
        except Refused as error:
            _log.error("%s to %s of %s: it is left out", error, event.eventType.value, event.job.name)
        except NotTaken as error:
            if n_sent == 0:
                raise
            return f"{error}; {n_sent} events were taken before, the rest is sent again"
        told.n_events[run_id] += 1
        n_sent += 1
        if time.monotonic() > deadline:
            return f"{n_sent} events were sent; the rest follows"
    return f"{n_sent} events were sent"


def _notice(instance: dg.DagsterInstance, told: Told, now: datetime) -> None:
    """Add the runs that were created since the last look, and are settled."""
    settled = now - SETTLED_AFTER
    since = dg.RunsFilter(created_after=told.until, created_before=settled)
    for record in instance.get_run_records(since, ascending=True):
        told.n_events.setdefault(record.dagster_run.run_id, 0)
        told.until = max(told.until, record.create_timestamp)


def _events(instance: dg.DagsterInstance, story: "Story", told: Told, now: datetime) -> Iterator[tuple[str, Any]]:
    """What is to be sent of each run in turn, the oldest first; a run that was told to its end is forgotten."""
    from pipelines.lineage.events import READ, RUN_ENDS

    records = instance.get_run_records(dg.RunsFilter(run_ids=list(told.n_events)), ascending=True)
    for gone in told.n_events.keys() - {record.dagster_run.run_id for record in records}:
        del told.n_events[gone]
    for record in records:
        run = record.dagster_run
        if now - record.create_timestamp > KEPT_FOR:
            _log.error("run %s of %s is %s old: the rest of its lineage is not sent", run.run_id, run.job_name, KEPT_FOR)
            del told.n_events[run.run_id]
            continue
        log = [each.event_log_entry for each in instance.get_records_for_run(run.run_id, of_type=set(READ)).records]
        for event in islice(story.tell(run, log), told.n_events[run.run_id], None):
            yield run.run_id, event
        if any(entry.dagster_event is not None and entry.dagster_event.event_type in RUN_ENDS for entry in log):
            del told.n_events[run.run_id]


def _story(settings: Settings, repository: dg.RepositoryDefinition | None) -> "Story":
    """What events are told with: the code location, dbt's project, and the tables as they are now."""
    from pipelines.defs.transformation import MANIFEST
    from pipelines.lineage.datasets import Datasets
    from pipelines.lineage.events import Story

    if repository is None:
        raise RuntimeError("the sensor was not evaluated by a code location")
    warehouse = Warehouse(settings.ingest_url)
    nodes = {
        ("test" if node["resource_type"] == "test" else node["schema"], node.get("alias") or node["name"]): node
        for node in MANIFEST["nodes"].values()
    }
    return Story(
        datasets=Datasets(
            namespace=f"football-{settings.edition}",
            database_url=settings.ingest_url,
            tables=catalog.tables(warehouse),
            nodes=nodes,
            addresses={source: address_of(settings, source) for source in SOURCES},
            topics=topics_of(settings),
        ),
        graph=repository.asset_graph,
        jobs=lambda name: repository.get_job(name) if repository.has_job(name) else None,
        delivered=lambda file_ids: file_versions.delivered(warehouse, file_ids),
    )


def topics_of(settings: Settings) -> dict[dg.AssetKey, tuple[str, str]]:
    """What the stream is read from, as OpenLineage names it: by the first of the brokers that are named."""
    from openlineage.client.naming.dataset import Kafka

    if not settings.kafka_bootstrap_servers:
        return {}
    first = settings.kafka_bootstrap_servers.split(",")[0].strip()
    broker = urlsplit(first if "://" in first else f"//{first}")
    topic = Kafka(broker.hostname or "", str(broker.port or 9092), settings.kafka_topic)
    return {STREAM: (topic.get_namespace(), topic.get_name())}
