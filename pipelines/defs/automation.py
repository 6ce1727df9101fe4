"""When things run: the jobs, their schedules and the sensors that follow a run.

Belongs here: those; the sensors that ask for a run before the schedule does are `sensors`. Correctness never depends on a
tick: the daily schedule alone moves the day, and every run may be repeated.
"""

from collections.abc import Iterator

import dagster as dg

from pipelines.defs import quality
from pipelines.defs.agreement import sources_agree_on_results
from pipelines.defs.anomalies import season_checks
from pipelines.defs.backfill import backfill
from pipelines.defs.backtest import BACKTEST
from pipelines.defs.backup_automation import backup, restore_drill
from pipelines.defs.conditions import TO_PUBLICATION, TO_RATINGS
from pipelines.defs.freshness import FreshnessChecks
from pipelines.defs.ingestion import every_line_is_accounted_for, latest_versions_are_intact
from pipelines.defs.partitions import FILE
from pipelines.defs.schema_changes import columns_are_as_they_were
from pipelines.defs.streams import BETWEEN, STREAM
from pipelines.defs.training import MODELS_OF

_BY_THE_CLOCK = FreshnessChecks()
_COMPARED = dg.AssetSelection.checks(season_checks, sources_agree_on_results)
_BESIDE = _COMPARED | _BY_THE_CLOCK
# A job with a partitioned asset in it would ask whoever starts it in the UI for partitions.
_EVERYTHING = dg.AssetSelection.all() - dg.AssetSelection.groups("operations", "landing") - _BESIDE
_LEARNING = dg.AssetSelection.assets(*MODELS_OF.values())
_LATER = dg.AssetSelection.assets(MODELS_OF["history"], MODELS_OF["market"])
_DOCS = dg.AssetSelection.groups("docs")
_BEHIND = dg.AssetSelection.assets(["forecast", "season_outlook"], ["published", "ledger_verification"]) - _BY_THE_CLOCK
_BACKTEST = dg.AssetSelection.assets(BACKTEST)
# What is loaded and was not accepted yet, of a backfill or of a day that was stopped, must stop whoever would publish it; and of
# other columns people are to hear before anything is made of them.
_JUDGING = dg.AssetSelection.checks(
    *quality.checks, every_line_is_accounted_for, latest_versions_are_intact, columns_are_as_they_were
)
_RATINGS = dg.AssetSelection.assets(["forecast", "match_rating"]) - _BY_THE_CLOCK
_DATA = (dg.AssetSelection.groups("bronze", "silver", "gold") - _BESIDE) | _RATINGS

build = dg.define_asset_job(
    "build",
    tags=TO_PUBLICATION,
    selection=_EVERYTHING - _DOCS - _BEHIND - _BACKTEST - _LATER,
    description="From raw files to publication, a training of the set `results` included: the first run.",
)
anew = dg.define_asset_job(
    "anew",
    tags=TO_PUBLICATION,
    selection=_EVERYTHING - _DOCS - _BEHIND - _BACKTEST,
    description="From raw files to publication, a training of each set included: where an updated code cannot read a model.",
)
day = dg.define_asset_job(
    "day",
    tags=TO_PUBLICATION,
    selection=_EVERYTHING - _LEARNING - _DOCS - _BEHIND - _BACKTEST,
    description="The day's work: fetch what changed, rebuild silver and gold, forecast, publish. No training.",
)
between = dg.define_asset_job(
    BETWEEN,
    tags=TO_PUBLICATION,
    selection=(_EVERYTHING - dg.AssetSelection.groups("bronze") - _LEARNING - _DOCS - _BEHIND - _BACKTEST)
    | (dg.AssetSelection.assets(STREAM) - _BY_THE_CLOCK)
    | _JUDGING,
    description="What arrived between daily files: read the stream, then the day's work without asking a source for a file.",
)
docs = dg.define_asset_job("docs", selection=_DOCS, description="The documentation site alone.")
outlook = dg.define_asset_job(
    "outlook",
    selection=_BEHIND | _COMPARED,
    description="How the seasons under way may end; that they are like those before, that sources agree, that the ledger "
    "is what it was.",
)
# Without `_JUDGING`, unlike `between`: what was issued is made again of exactly the file versions that it was made of, whatever
# today's expectations say of them. Nothing is published of them where it runs elsewhere than in a scratch edition, either: what
# learns, forecasts or publishes refuses files that no check has accepted (`quality.require_accepted`). Their list and their
# bytes are held to the digests that were noted, and what comes out to the last bit of what was issued (`pipelines.reproduction`),
# which is more than any check asks.
rebuild = dg.define_asset_job(
    "rebuild",
    tags=TO_RATINGS,
    selection=(dg.AssetSelection.groups("silver", "gold") - _BESIDE) | _RATINGS,
    description="Silver, gold and ratings of the files that are loaded: what `football reproduce` runs in a scratch edition.",
)
week = dg.define_asset_job(
    "week",
    tags=TO_PUBLICATION,
    selection=(_LEARNING | dg.AssetSelection.groups("forecast", "published")) - _BEHIND - _BACKTEST - _BY_THE_CLOCK,
    description="The week's work: train each set's model, compare it with its champion, promote if better, forecast, publish.",
)

data = dg.define_asset_job(
    "data",
    tags=TO_RATINGS,
    selection=_DATA,
    description="What is learnt from: fetch what changed, rebuild silver and gold, rate. No forecast.",
)
backtest = dg.define_asset_job(
    "backtest", selection=_BACKTEST, description="Past seasons beside the market, a step for each. Publishes nothing."
)

day_schedule = dg.ScheduleDefinition(
    name="every_morning",
    job=day,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
week_schedule = dg.ScheduleDefinition(
    name="every_monday",
    job=week,
    cron_schedule="0 8 * * 1",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    # A run started at the command line belongs to no code location: looking at all of them finds it.
    monitor_all_code_locations=True,
    request_jobs=[outlook, docs],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
)
def follow_up_sensor(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Simulate the seasons, verify the ledger and build the pages behind every run that publishes: nobody waits for them."""
    run = context.dagster_run
    # What arrives between daily files is published every few minutes: the day's run is followed up.
    others = (between.name, docs.name, outlook.name, data.name, backtest.name, backfill.name, backup.name, restore_drill.name)
    # A backfill that was started from the asset's page belongs to none of our jobs.
    if run.job_name in others or run.asset_selection == {FILE}:
        yield dg.SkipReason("that published nothing, or was one of the jobs that follow")
        return
    for job in (outlook, docs):
        yield dg.RunRequest(run_key=f"{job.name} {run.run_id}", job_name=job.name)
