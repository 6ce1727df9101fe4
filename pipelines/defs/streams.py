"""`bronze.stream_message`: results and quotes that arrived between daily files.

Belongs here: the asset, and what is shown of the stream's state. How a topic is read is `pipelines.streams`. Without
KAFKA_BOOTSTRAP_SERVERS the asset is there, for silver reads its table, and does nothing.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

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

IS_READ = dg.AssetCheckSpec(
    "the_stream_is_read",
    asset=STREAM,
    description="The broker answers, and no message was dropped before it was read. Files are taken in whatever the stream does.",
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
    """Take in what waits in the topic, within bounds. A broker in trouble is a warning: the day goes on with what files say."""
    if not settings.kafka_bootstrap_servers:
        yield _result(0, 0, passed=True, sentence="KAFKA_BOOTSTRAP_SERVERS names no broker: there is no stream")
        return
    from pipelines.streams.connection import StreamError, StreamGap
    from pipelines.streams.intake import Taken, take_in

    gaps: Mapping[str, str] = {}
    taken, fault = Taken(), None
    try:
        take_in(settings, bronze, landing, taken)
    except StreamError as error:
        fault = str(error)
        gaps = error.gaps if isinstance(error, StreamGap) else {}
        context.log.warning(fault)
    if taken.n_inserted > ROWS_WORTH_STATISTICS:
        store.refresh_statistics(bronze)
    rest = "; another reader takes in what waits" if taken.is_cut_short else ""
    sentence = fault or f"{taken.n_inserted} messages were taken in, {taken.n_quarantined} set aside{rest}"
    yield _result(taken.n_inserted, taken.n_quarantined, passed=fault is None, sentence=sentence, gaps=gaps)


def _result(
    n_inserted: int, n_quarantined: int, *, passed: bool, sentence: str, gaps: Mapping[str, str] = MappingProxyType({})
) -> dg.MaterializeResult[None]:
    check = dg.AssetCheckResult(
        passed=passed,
        check_name=IS_READ.name,
        severity=dg.AssetCheckSeverity.WARN,
        description=sentence,
        metadata={LOST: dg.MetadataValue.json(dict(gaps))} if gaps else {},
    )
    metadata = {"n_inserted": n_inserted, "n_quarantined": n_quarantined}
    return dg.MaterializeResult(asset_key=STREAM, metadata=metadata, check_results=[check])
