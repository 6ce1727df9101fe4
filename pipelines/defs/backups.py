"""Backups: a copy of the whole server, the proof that it is whole, and the proof that a server starts from it.

Belongs here: the assets and their checks. How PostgreSQL's programs are run is in `store.cluster_copy`, which copies count in
`store.backups`, when they are taken in `backup_automation`. A server that is somebody else's is theirs to back up: then the
check says so, and nothing is made.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pandas as pd

from pipelines.defs.failures import FailureClass, failure, under_policy
from pipelines.defs.freshness import FRESHNESS
from pipelines.defs.ingestion import table_metadata
from pipelines.settings import Settings
from pipelines.store import backups, ledger, read_model
from pipelines.store.cluster_copy import Cluster, CopyDamaged, copy, restored, verify
from pipelines.store.warehouse import Warehouse

BASE = dg.AssetKey(["backup", "base"])
VERIFIED = dg.AssetKey(["backup", "verified"])
RESTORED = dg.AssetKey(["backup", "restored"])

NOT_OURS = (
    "DATABASE_URL names a server that was not started here, so it is not ours to back up: whoever runs it copies it by their "
    "own means."
)
Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]


def cluster_of(settings: Settings) -> Cluster | None:
    """The server of ours; None where it is somebody else's."""
    if not settings.replication_url:
        return None
    return Cluster(settings.postgres_binaries, settings.postgres_data, settings.replication_url)


@dg.asset(
    key=BASE,
    group_name="operations",
    kinds={"postgres"},
    owners=["team:platform"],
    freshness_policy=FRESHNESS,
    output_required=False,
    check_specs=[
        dg.AssetCheckSpec("server_is_ours_to_back_up", asset=BASE, description="That PostgreSQL is one that was started here.")
    ],
    description="A compressed copy of the whole server with its manifest and the WAL it needs (pg_basebackup), and beside it "
    "the rows of each table and the ledger's end at that moment.",
)
@under_policy
def backup_base(settings: dg.ResourceParam[Settings], turn: dg.ResourceParam[None]) -> Results:
    """Copy the server while no other run writes to this edition, so that what is counted is what was copied."""
    cluster = cluster_of(settings)
    yield dg.AssetCheckResult(
        check_name="server_is_ours_to_back_up",
        asset_key=BASE,
        passed=cluster is not None,
        severity=dg.AssetCheckSeverity.WARN,
        description="started here" if cluster is not None else NOT_OURS,
    )
    if cluster is None:
        return
    with backups.only_one(settings.backups_dir) as lock:
        # Where a run ended between its copy and its verdict, nobody else has made room.
        backups.remove_old(settings.backups_dir, settings.n_backups_kept)
        begin, taken_at = time.monotonic(), datetime.now(UTC)
        draft = copy(cluster, settings.backups_dir, lock)
        seconds = time.monotonic() - begin
        found = backups.state(Warehouse(settings.reader_url))
        backup = backups.keep(draft, taken_at, found, cluster.n_bytes(), seconds)
    yield dg.MaterializeResult(
        asset_key=BASE,
        metadata={
            "backup": backup.name,
            "bytes": backup.n_bytes,
            "bytes copied": backup.n_cluster_bytes,
            "seconds": round(seconds, 2),
            "rows": table_metadata(pd.DataFrame(found.n_rows.items(), columns=["table", "rows"])),
            "predictions in the ledger": found.head.n_predictions if found.head else 0,
        },
    )


@dg.asset(
    key=VERIFIED,
    deps=[BASE],
    group_name="operations",
    kinds={"postgres"},
    owners=["team:platform"],
    freshness_policy=FRESHNESS,
    output_required=False,
    check_specs=[
        dg.AssetCheckSpec(
            "every_byte_is_what_it_was",
            asset=VERIFIED,
            blocking=True,
            description="Each file by its SHA-256, and all WAL from the copy's beginning to its end.",
        )
    ],
    description="That the newest backup is whole (pg_verifybackup, pg_waldump). Only such a one counts; the oldest beyond "
    "BACKUPS_KEPT go, and of those that are not whole all but the newest.",
)
@under_policy
def backup_verified(settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse]) -> Results:
    """Read all of the newest backup; say so where the service can read it."""
    cluster = cluster_of(settings)
    newest = next(iter(backups.standing(settings.backups_dir)), None)
    if cluster is None or newest is None:
        return
    begin = time.monotonic()
    fault = ""
    with backups.only_one(settings.backups_dir):
        try:
            verify(cluster, newest.copy, newest.sha256)
            newest = newest.note_verified(datetime.now(UTC))
        except CopyDamaged as error:
            fault = str(error)
        removed = backups.remove_old(settings.backups_dir, settings.n_backups_kept)  # whatever came of it
    yield dg.AssetCheckResult(
        check_name="every_byte_is_what_it_was", asset_key=VERIFIED, passed=not fault, description=fault or newest.name
    )
    if fault:
        raise failure(FailureClass.DATA, fault)
    read_model.add_backup(warehouse, newest)
    yield dg.MaterializeResult(
        asset_key=VERIFIED,
        metadata={
            "backup": newest.name,
            "bytes": newest.n_bytes,
            "seconds": round(time.monotonic() - begin, 2),
            "removed": ", ".join(removed) or "none",
        },
    )


@dg.asset(
    key=RESTORED,
    deps=[VERIFIED],
    group_name="operations",
    kinds={"postgres"},
    owners=["team:platform"],
    freshness_policy=FRESHNESS,
    output_required=False,
    check_specs=[
        dg.AssetCheckSpec(
            "every_table_has_its_rows", asset=RESTORED, blocking=True, description="As many as when the backup was taken."
        ),
        dg.AssetCheckSpec(
            "ledger_ends_where_it_did", asset=RESTORED, blocking=True, description="At the same prediction, with the same link."
        ),
    ],
    description="That a server starts from the newest verified backup and holds what was there when it was taken. It is a second "
    "server on a socket of its own, and gone afterwards.",
)
@under_policy
def backup_restored(settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse]) -> Results:
    """Start a server from the newest verified backup, and compare what it holds with what was noted."""
    cluster, newest = cluster_of(settings), backups.last_verified(settings.backups_dir)
    if cluster is None or newest is None:
        return
    begin = time.monotonic()
    with (
        backups.only_one(settings.backups_dir),
        restored(cluster, newest.copy, newest.n_cluster_bytes, settings.reader_url) as url,
    ):
        seconds = time.monotonic() - begin
        there = backups.state(Warehouse(url))
    expected = newest.state
    names = sorted({*expected.n_rows, *there.n_rows})
    rows = pd.DataFrame(
        [(name, expected.n_rows.get(name, "no table"), there.n_rows.get(name, "no table")) for name in names],
        columns=["table", "noted", "restored"],
    )
    differing = rows[rows["noted"].astype(str) != rows["restored"].astype(str)]
    is_same_ledger = there.head == expected.head
    yield dg.AssetCheckResult(
        check_name="every_table_has_its_rows",
        asset_key=RESTORED,
        passed=differing.empty,
        metadata={"differing": table_metadata(differing)},
    )
    yield dg.AssetCheckResult(
        check_name="ledger_ends_where_it_did",
        asset_key=RESTORED,
        passed=is_same_ledger,
        metadata={"noted": _told(expected.head), "restored": _told(there.head)},
    )
    if not differing.empty or not is_same_ledger:
        raise failure(FailureClass.DATA, f"The backup {newest.name} does not hold what was there when it was taken.")
    read_model.add_backup(warehouse, newest.note_restored(datetime.now(UTC)))
    yield dg.MaterializeResult(
        asset_key=RESTORED,
        metadata={
            "backup": newest.name,
            "seconds until it answered": round(seconds, 2),
            "seconds": round(time.monotonic() - begin, 2),
            "rows": table_metadata(rows),
        },
    )


def _told(head: ledger.Head | None) -> str:
    return f"number {head.sequence}, {head.link}" if head else "empty"
