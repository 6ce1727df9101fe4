"""Backfills: files chosen one by one or by range, fetched and loaded in one run.

Belongs here: the asset whose partitions are the files, and its job. The day's job has no partitioned asset in it, which would ask
for partitions whenever somebody starts it in the UI: it makes the same round through the files of its scope, and notes here what
came of each. How a file is fetched and loaded is `ingestion`.
"""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from pipelines.defs.failures import FailureClass, classify, failure, under_policy
from pipelines.defs.ingestion import Ingestion
from pipelines.defs.partitions import FILE, FILES, announce, offered, register, tell
from pipelines.settings import Settings
from pipelines.store.landing import Landing
from pipelines.store.warehouse import Warehouse

N_NAMED = 5
"""Faults that the run's failure spells out; each stands at its partition."""


class Chosen(dg.Config):
    """The files of a run that was not started for partitions: `football backfill` chooses any set of them for one run."""

    partitions: list[str] = Field(default=[], description="Such as football_data/mmz4281/2324/E0.csv.")


@dg.asset(
    key=FILE,
    partitions_def=FILES,
    backfill_policy=dg.BackfillPolicy.single_run(),
    output_required=False,  # each file is noted by itself: those that failed are not
    group_name="landing",
    kinds={"python", "postgres"},
    owners=["team:data"],
    pool="bronze",
    description="Every file of every source, a partition each: what is loaded of it, and what failed. Materialize some to fetch"
    " them and load them into bronze; the day's job carries that on to silver and gold.",
)
@under_policy
def file(
    context: dg.AssetExecutionContext,
    config: Chosen,
    settings: dg.ResourceParam[Settings],
    bronze: dg.ResourceParam[Warehouse],
    landing: dg.ResourceParam[Landing],
    turn: dg.ResourceParam[None],
) -> Iterator[dg.MaterializeResult[None]]:
    """Ask for the chosen files, keep new bytes, load new versions. Those that cannot be had fail, the others are loaded."""
    is_for_partitions = context.has_partition_key or context.has_partition_key_range
    chosen = list(context.partition_keys) if is_for_partitions else config.partitions
    if not chosen:
        raise failure(FailureClass.CODE, "No file is chosen: pick partitions, or use `football backfill`.")
    outcome = Ingestion(settings, bronze, landing)
    register(context.instance, offered(outcome.sources, settings.now().date()))
    if not is_for_partitions:
        announce(context, chosen)
    try:
        outcome.take(chosen)
    finally:
        tell(context, outcome.outcomes)
        if outcome.n_new:
            for key, metadata in outcome.written().items():
                context.log_event(dg.AssetMaterialization(key, metadata=metadata))
    missing = [each.partition for each in outcome.outcomes if each.standing is None and each.fault is None]
    if missing:
        context.log.warning(f"{len(missing)} files are not there (yet, or never were): {', '.join(missing[:N_NAMED])}")
    context.log.info(f"{outcome.n_new} files are new or changed, with {outcome.n_inserted.total()} new lines")
    if faults := [each.fault for each in outcome.faults if each.fault]:
        said = " ".join(map(str, faults[:N_NAMED]))
        sentence = f"{len(faults)} of {len(chosen)} files failed, the others are loaded. {said}"
        # Not final by itself: the table says how often it is attempted. What is loaded is asked for by conditional requests then.
        raise dg.Failure(sentence, metadata={"class": classify(faults[0]).value})
    yield from ()


backfill = dg.define_asset_job(
    "backfill",
    selection=dg.AssetSelection.assets(FILE),
    description="Chosen files, fetched and loaded in one run. The day's job carries that on.",
)
