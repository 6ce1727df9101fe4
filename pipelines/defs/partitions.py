"""Partitions: one for each file of a source, and what Dagster is told about them.

Belongs here: their keys, registering them, and the events that say what is loaded of a file and what failed. Does not belong
here: asking for files (`ingestion`), or the asset that has these partitions (`backfill`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import Final

import dagster as dg

# Dagster's own way of storing many events in one statement; nothing public reaches it. One by one, 700 files take seconds.
from dagster._core.events import AssetMaterializationPlannedData, DagsterEventBatchMetadata

from pipelines.sources.protocol import Scope, Source, SourceError

FILES: Final = dg.DynamicPartitionsDefinition(name="source_file")
FILE: Final = dg.AssetKey(["landing", "file"])


def partition_of(source: str, key: str) -> str:
    """The partition of a source's file: `football_data/mmz4281/2324/E0.csv`."""
    return f"{source}/{key}"


@dataclass(frozen=True)
class Standing:
    """What bronze holds of a file: its latest version, that version's state, and the lines loaded and set aside of it."""

    version: int
    state: str
    n_loaded: int
    n_quarantined: int


@dataclass(frozen=True)
class FileOutcome:
    """What came of asking for a file.

    `standing` is None where nothing was ever loaded of it: without a `fault` the source has no such file, or not yet.
    `fault` is why nothing new could be had, or why nothing in it is usable; what was loaded before stands.
    """

    source: str
    key: str
    standing: Standing | None = None
    is_new: bool = False
    fault: SourceError | None = None

    @property
    def partition(self) -> str:
        return partition_of(self.source, self.key)

    @property
    def is_loaded(self) -> bool:
        """Whether all that the source has of the file now is loaded."""
        return self.standing is not None and self.fault is None


def offered(sources: Mapping[str, Source], today: date) -> dict[str, tuple[str, str]]:
    """Partition to source and key of every file that the sources could have, whatever the scope of the day's run.

    Ordered by source, competition and season, so that a competition's seasons are a range where they are registered together.
    Dagster keeps partitions in the order in which they came, and takes none in between: each later season stands at the end of
    the list, in no range with those before it. Raises SourceUnreachable.
    """
    everything = Scope.read("all", "all", today)
    found = {}
    for name, source in sources.items():
        for key in sorted(source.list(everything), key=lambda key: PurePosixPath(key).name):  # which leaves seasons in order
            found[partition_of(name, key)] = (name, key)
    return found


def register(instance: dg.DagsterInstance, partitions: Iterable[str]) -> None:
    """Make those known that are not yet. Dagster refuses names with three dots, as an inbox may hold: such a file has none."""
    known = set(instance.get_dynamic_partitions(FILES.name or ""))
    new = [partition for partition in partitions if partition not in known and "..." not in partition]
    if new:
        instance.add_dynamic_partitions(FILES.name or "", new)


def announce(context: dg.AssetExecutionContext, partitions: Sequence[str]) -> None:
    """Say that a run means to load these, as Dagster does by itself for a range: those that it does not get to have failed."""
    for partition in partitions:
        planned = AssetMaterializationPlannedData(FILE, partition=partition)
        step_key = context.op_execution_context.get_step_execution_context().step.key
        event = dg.DagsterEvent.build_asset_materialization_planned_event(context.job_name, step_key, planned)
        context.instance.report_dagster_event(event, run_id=context.run_id)


def tell(context: dg.AssetExecutionContext, outcomes: Iterable[FileOutcome]) -> None:
    """Note each file that is loaded as its partition's materialization, each fault as an observation beside it."""
    known = set(context.instance.get_dynamic_partitions(FILES.name or ""))
    outcomes = [each for each in outcomes if each.partition in known]
    loaded = [_materialization(each.partition, each.standing) for each in outcomes if each.is_loaded and each.standing]
    step = context.op_execution_context.get_step_execution_context()
    for number, each in enumerate(loaded, start=1):
        batch = DagsterEventBatchMetadata(f"files of {context.run_id}", is_end=number == len(loaded))
        dg.DagsterEvent.asset_materialization(step, each, batch)
    for outcome in outcomes:
        if outcome.fault is not None:
            context.log_event(dg.AssetObservation(FILE, partition=outcome.partition, metadata={"fault": str(outcome.fault)}))


def _materialization(partition: str, standing: Standing) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        FILE,
        partition=partition,
        metadata={
            "version": standing.version,
            "state": standing.state,
            "n_quarantined": standing.n_quarantined,
            "dagster/partition_row_count": standing.n_loaded,
        },
    )
