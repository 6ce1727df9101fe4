"""When the stream is read, and when what the outbox holds is sent.

Belongs here: the two sensors, which run by default where KAFKA_BOOTSTRAP_SERVERS names a broker, and nowhere else. Correctness
does not depend on them: the day's run reads the stream as well, and a message in the outbox waits until it is taken.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from pipelines.defs.alerts import WHAT_IS_LOST, announce_gap, announce_no_gap
from pipelines.defs.automation import between, day
from pipelines.defs.job_runs import NOT_ANEW, is_under_way
from pipelines.defs.looks import Asked
from pipelines.defs.sensors import has_failed
from pipelines.defs.streams import was_left_unread
from pipelines.settings import Settings
from pipelines.store import outbox
from pipelines.store.warehouse import Warehouse

EVERY_SECONDS: Final = 300
AT_MOST: Final = 288
"""Runs within 24 hours: one each time that the sensor looks. It waits for `PAUSE` behind one that failed, whatever comes: where
all fail, these are 24."""

_OFF: Final = "KAFKA_BOOTSTRAP_SERVERS names no broker: there is no stream"


def by_default(settings: Settings) -> dg.DefaultSensorStatus:
    """Running where there is a stream, whose broker expects to be asked; nobody looks in vain where there is none."""
    return dg.DefaultSensorStatus.RUNNING if settings.kafka_bootstrap_servers else dg.DefaultSensorStatus.STOPPED


@dg.sensor(job=between, minimum_interval_seconds=EVERY_SECONDS, default_status=by_default(Settings.read()))
def stream_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run where messages wait, by comparing how far the topic goes with how far it was read; where one failed, or went
    through and did not get at them, again.

    What was lost waits for somebody's decision, not for a run: it is told once a day, and in the sentence of each tick.

    Raises:
        StreamUnreachable: no broker answers; the tick is shown as failed, and the next one asks again.
        StreamGap: messages of a partition were lost, and no other has any that wait.
    """
    settings = Settings.read()
    if not settings.kafka_bootstrap_servers:
        return dg.SkipReason(_OFF)
    if is_under_way(context.instance, between.name) or is_under_way(context.instance, day.name):
        return dg.SkipReason("a run that reads the stream waits or is at work; this is looked at again when it has ended")
    from pipelines.streams.connection import StreamGap, gap_at
    from pipelines.streams.intake import standings

    found, topic = standings(settings, Warehouse(settings.ingest_url)), settings.kafka_topic
    gaps = {gap_at(topic, each.partition, each.next_offset): each.gap(topic) for each in found if each.is_stuck}
    lost = " ".join([*gaps.values(), WHAT_IS_LOST])
    if gaps:
        moment = datetime.now(UTC)
        announce_gap(settings, gaps, seen_at=moment, now=moment)
    else:
        announce_no_gap(settings)
    # A run that took a part has moved the position: what it left is asked for anew, as what came is.
    waiting = {
        f"{topic}/{each.partition}": f"{each.next_offset} to {each.high}"
        for each in found
        if each.n_waiting and not each.is_stuck
    }
    asked = Asked.read(context.cursor or "")
    failed = has_failed(context.instance, between.name, "stream_sensor", asked)
    # A run that went through beside a broker in trouble took nothing of just what still waits: to ask for it once is not enough.
    unread = not failed and bool(waiting) and asked.is_for(waiting) and was_left_unread(context.instance)
    outcome = asked.once_more(waiting, failed or unread, datetime.now(UTC), AT_MOST) if waiting or failed else "no message waits"
    if isinstance(outcome, str):
        outcome = f"what waits could not be had; {outcome}" if unread else outcome
        if gaps and not waiting:
            raise StreamGap(lost, gaps)
        return dg.SkipReason(f"{outcome}. {lost}" if gaps else outcome)
    if gaps:
        context.log.warning(lost)
    request = dg.RunRequest(run_key=f"stream_sensor {outcome.key}", tags=dict(NOT_ANEW))
    return dg.SensorResult(run_requests=[request], cursor=str(outcome))


@dg.sensor(minimum_interval_seconds=30, default_status=by_default(Settings.read()))
def outbox_sensor() -> dg.SkipReason:
    """Send what waits in the outbox; what the broker does not take is sent again at the next tick.

    Raises:
        RuntimeError: the broker took not all of it; the tick is shown as failed.
    """
    settings = Settings.read()
    if not settings.kafka_bootstrap_servers:
        return dg.SkipReason(_OFF)
    from pipelines.streams.relay import send

    def to_topic(letters: Sequence[outbox.Waiting]) -> list[int]:
        return send(settings.kafka_config, settings.kafka_publication_topic, letters)

    n_taken, n_waiting = outbox.relay(Warehouse(settings.model_url), to_topic, datetime.now(UTC))
    if n_waiting and not n_taken:
        raise RuntimeError(f"{n_waiting} messages of the outbox were not taken: tried again in half a minute")
    return dg.SkipReason(f"{n_taken} messages were taken, {n_waiting} wait" if n_taken else "nothing waits in the outbox")
