"""`bronze.stream_message`: results and quotes that arrived between daily files.

Belongs here: the asset, and what is shown of the stream's state. How a topic is read is `pipelines.streams`. Without
KAFKA_BOOTSTRAP_SERVERS the asset is there, for silver reads its table, and does nothing.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import dagster as dg

from pipelines.defs.alerts import LOST
from pipelines.defs.failures import under_policy
from pipelines.defs.freshness import FRESHNESS
from pipelines.defs.ingestion import ROWS_WORTH_STATISTICS
from pipelines.settings import Settings
from pipelines.store import bronze as store
from pipelines.store.landing import Landing
from pipelines.store.warehouse import Warehouse

STREAM = dg.AssetKey(["bronze", "stream_message"])

BETWEEN: Final = "between"
"""The job that is asked for because messages wait, and has nothing else to do."""

UNREAD: Final = "unread"
"""What the check's metadata say where a round left messages that it could not get at: they are to be asked for again."""

IS_READ = dg.AssetCheckSpec(
    "the_stream_is_read",
    asset=STREAM,
    description="The broker answers, each partition was read to its end or to the bound of a run, and no message was dropped"
    " before it was read. Files are taken in whatever the stream does.",
)


@dg.asset(
    key=STREAM,
    check_specs=[IS_READ],
    group_name="bronze",
    pool="bronze",
    kinds={"python", "postgres", "kafka"},
    owners=["team:data"],
    freshness_policy=FRESHNESS,
    description="Results and quotes that arrived between daily files, a message a row, as they were sent.",
)
@under_policy
def stream_message(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    bronze: dg.ResourceParam[Warehouse],
    landing: dg.ResourceParam[Landing],
    turn: dg.ResourceParam[None],
) -> Iterator[dg.MaterializeResult[None]]:
    """Take in what waits in the topic, within bounds. A broker in trouble is a warning: the day goes on with what files say.

    Raises:
        StreamUnreachable: nothing could be had, in a run that was asked for because messages wait.
    """
    if not settings.kafka_bootstrap_servers:
        yield _result(0, 0, passed=True, sentence="KAFKA_BOOTSTRAP_SERVERS names no broker: there is no stream")
        return
    from pipelines.streams.connection import StreamError, StreamGap, StreamUnreachable
    from pipelines.streams.intake import Taken, take_in

    gaps: Mapping[str, str] = {}
    taken, fault, is_unread = Taken(), None, False
    try:
        take_in(settings, bronze, landing, taken)
        fault = f"{taken.n_inserted} messages were taken in; the stream was {taken.shortfall}" if taken.shortfall else None
        is_unread = bool(taken.shortfall)
    except StreamError as error:
        is_outage = isinstance(error, StreamUnreachable) and not taken.n_inserted + taken.n_quarantined
        if is_outage and context.job_name == BETWEEN:
            raise
        fault = str(error)
        gaps = error.gaps if isinstance(error, StreamGap) else {}
        is_unread = bool(error.shortfall) if isinstance(error, StreamGap) else True
    if fault:
        context.log.warning(fault)
    if taken.n_inserted > ROWS_WORTH_STATISTICS:
        store.refresh_statistics(bronze)
    rest = "; another reader takes in what waits" if taken.is_cut_short else ""
    sentence = fault or f"{taken.n_inserted} messages were taken in, {taken.n_quarantined} set aside{rest}"
    yield _result(taken.n_inserted, taken.n_quarantined, passed=fault is None, sentence=sentence, gaps=gaps, is_unread=is_unread)


def was_left_unread(instance: dg.DagsterInstance) -> bool:
    """Whether the last round left messages that it could not get at."""
    key = dg.AssetCheckKey(STREAM, IS_READ.name)
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).get(key)
    said = record.evaluation if record else None
    return said is not None and UNREAD in said.metadata


def _result(
    n_inserted: int,
    n_quarantined: int,
    *,
    passed: bool,
    sentence: str,
    gaps: Mapping[str, str] = MappingProxyType({}),
    is_unread: bool = False,
) -> dg.MaterializeResult[None]:
    check = dg.AssetCheckResult(
        passed=passed,
        check_name=IS_READ.name,
        severity=dg.AssetCheckSeverity.WARN,
        description=sentence,
        metadata=({LOST: dg.MetadataValue.json(dict(gaps))} if gaps else {}) | ({UNREAD: True} if is_unread else {}),
    )
    metadata = {"n_inserted": n_inserted, "n_quarantined": n_quarantined}
    return dg.MaterializeResult(asset_key=STREAM, metadata=metadata, check_results=[check])
