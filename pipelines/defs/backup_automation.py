"""When backups are taken: the jobs, and the sensor that looks whether one is due.

Belongs here: nothing but the timing. It is decided from what stands on the disk, not from events, so that none can be missed.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from pipelines.defs.backups import BASE, RESTORED, VERIFIED, cluster_of
from pipelines.defs.freshness import FreshnessChecks
from pipelines.defs.job_runs import is_under_way
from pipelines.settings import Settings
from pipelines.store import backups
from pipelines.store.warehouse import Warehouse

AT_LEAST_EVERY = timedelta(days=1)
AT_MOST_EVERY = timedelta(hours=2)
"""Between two that the sensor asks for, whatever came of the first: at most twelve a day, also if every one of them fails."""

backup = dg.define_asset_job(
    "backup",
    selection=dg.AssetSelection.assets(BASE, VERIFIED, RESTORED) - FreshnessChecks(),
    description="A copy of the whole server, the proof that it is whole, and that a server starts from it.",
)
restore_drill = dg.define_asset_job(
    "restore_drill",
    selection=dg.AssetSelection.assets(RESTORED) - FreshnessChecks(),
    description="Start a server from the newest verified backup, and compare what it holds.",
)


@dg.sensor(job=backup, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def backup_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for a backup behind each new publication and migration, and a day after the last.

    Never while one is under way, and never within `AT_MOST_EVERY` of when one was last asked for. The cursor is that moment.
    """
    settings = Settings.read()
    if cluster_of(settings) is None:
        return dg.SkipReason("PostgreSQL is somebody else's, and theirs to back up")
    now = datetime.now(UTC)
    reason = due(backups.last_verified(settings.backups_dir), *backups.marks(Warehouse(settings.reader_url)), now)
    if reason is None:
        return dg.SkipReason("the last backup holds the newest publication, and is not a day old")
    asked_at = datetime.fromisoformat(context.cursor) if context.cursor else None
    if asked_at is not None and now - asked_at < AT_MOST_EVERY:
        return dg.SkipReason(
            f"{reason}; one was asked for at {asked_at:%H:%M} UTC, the next is at {asked_at + AT_MOST_EVERY:%H:%M}"
        )
    if is_under_way(context.instance, backup.name):
        return dg.SkipReason(f"{reason}; one is being taken")
    request = dg.RunRequest(run_key=now.isoformat(), tags={"reason": reason})
    return dg.SensorResult(run_requests=[request], cursor=now.isoformat())


def due(last: backups.Backup | None, publication_id: int | None, revision: str, now: datetime) -> str | None:
    """Why a backup is due, None if it is not. Before the first publication there is nothing worth one."""
    if publication_id is None:
        return None
    if last is None:
        return "there is no verified backup"
    if last.state.publication_id != publication_id:
        return f"publication {publication_id} is in no backup"
    if last.state.revision != revision:
        return f"the tables were brought to revision {revision} since the last"
    return "the last is a day old" if now - last.taken_at >= AT_LEAST_EVERY else None
