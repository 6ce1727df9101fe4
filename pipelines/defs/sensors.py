"""The sensors that shorten the wait: each asks for the day's run before the schedule does.

Belongs here: what each looks at, how often, and its bound. What they decide by is `looks`; sensors that follow a run stand with
the jobs (`automation`). All of them keep to this:

- No tick changes anything. An error of a source or of the database is raised: the tick fails, the cursor stays, and an outage
  never looks like "nothing new".
- What is new is told by comparison with what is loaded. So a sensor that was off, or starts without a cursor, loses nothing
  and repeats nothing, and what another run has taken in is no news.
- None asks for a run while one of the day's job waits or is at work.
- For one state of what is new at most three runs are asked for, an hour apart, the second and third where the one before failed;
  and within 24 hours at most 6 (sources), 24 (inbox) and 12 (results), whatever changes. The schedule goes on beside that.
"""

import json
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from pipelines.defs.automation import day
from pipelines.defs.job_runs import is_under_way
from pipelines.defs.looks import Asked, is_look_due, news
from pipelines.settings import Settings
from pipelines.sources.http import Web
from pipelines.sources.inbox import Inbox
from pipelines.sources.protocol import Scope
from pipelines.sources.registry import open_sources
from pipelines.store import file_versions, read_model
from pipelines.store.warehouse import Warehouse

AT_MOST_FOR_SOURCES: Final = 6
AT_MOST_FOR_INBOX: Final = 24
AT_MOST_FOR_RESULTS: Final = 12

_NOT_LOOKED_AT: Final = frozenset({"inbox", "football_data_org"})
"""Sources that are not looked at for results: one has a sensor of its own, and may hold a file that is still being written; the
lists of the other differ with every look, so that each would find news, and a tick would wait for its quota."""

_BUSY: Final = "a run of the day's job waits or is at work; this is looked at again when it has ended"


def now() -> datetime:
    """The wall clock, in a rehearsal, too: the bounds are about real runs."""
    return datetime.now(UTC)


@dg.sensor(job=day, minimum_interval_seconds=1800, default_status=dg.DefaultSensorStatus.STOPPED)
def source_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask each source, by conditional request, whether its coming matches changed; run the day if so.

    Stopped by default: it asks other people's servers 48 times a day, and the schedule moves the day without it.
    """
    if is_under_way(context.instance, day.name):
        return dg.SkipReason(_BUSY)
    settings = Settings.read()
    bronze = Warehouse(settings.ingest_url)
    found: dict[str, str] = {}
    for name, source in open_sources(settings).items():
        found |= news(source, source.coming(), file_versions.latest(bronze, name))
    asked = Asked.read(context.cursor or "")
    outcome = asked.once_more(found, has_failed(context.instance, day.name, "source_sensor", asked), now(), AT_MOST_FOR_SOURCES)
    return dg.SkipReason(outcome) if isinstance(outcome, str) else _result("source_sensor", outcome, str(outcome))


@dg.sensor(job=day, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def inbox_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Run the day once for what was dropped into the inbox, when all of it has been left alone for a minute.

    Running by default: it reads a folder of this machine, and who drops a file there waits for it.
    """
    settings = Settings.read()
    if "inbox" not in settings.sources:
        return dg.SkipReason("inbox is not among SOURCES")
    if is_under_way(context.instance, day.name):
        return dg.SkipReason(_BUSY)
    inbox = Inbox(settings.inbox_dir, Web())
    if unsettled := inbox.unsettled(now()):
        return dg.SkipReason(f"{unsettled[0]} has just changed; it is taken when all files have been left alone for a minute")
    keys = inbox.list(Scope(None, frozenset()))
    found = news(inbox, keys, file_versions.latest(Warehouse(settings.ingest_url), inbox.name)) if keys else {}
    asked = Asked.read(context.cursor or "")
    outcome = asked.once_more(found, has_failed(context.instance, day.name, "inbox_sensor", asked), now(), AT_MOST_FOR_INBOX)
    return dg.SkipReason(outcome) if isinstance(outcome, str) else _result("inbox_sensor", outcome, str(outcome))


@dg.sensor(job=day, minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.STOPPED)
def result_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Look for the results of matches that a forecast was issued of, soon after full time; the day's run settles and scores them.

    Looks come 15, 30, 60 and 120 minutes after the full time expected of each match that has no result yet, one for all
    that are due, at the files of those seasons and competitions alone. The cursor holds the last look that was answered:
    an outage, or a daemon that was off, leaves looks due. Stopped by default, as `source_sensor` is: it asks other people's
    servers.
    """
    if is_under_way(context.instance, day.name):
        return dg.SkipReason(_BUSY)
    settings, moment = Settings.read(), now()
    cursor = json.loads(context.cursor or "{}")
    looked_at = datetime.fromisoformat(cursor["looked_at"]) if cursor else None
    asked = Asked.read(cursor.get("asked", ""))
    failed = has_failed(context.instance, day.name, "result_sensor", asked)
    awaited = read_model.awaited(Warehouse(settings.model_url), moment)
    due = [match for match in awaited if is_look_due(match.full_time_at, looked_at, moment)]
    if not due and not failed:
        return dg.SkipReason("no look is due: no match has ended since the last one, or no forecast was issued of it")
    found = _results(settings, due, moment) if due else {}
    outcome = asked.once_more(found, failed, moment, AT_MOST_FOR_RESULTS)
    looked_at = moment if due else looked_at
    after = asked if isinstance(outcome, str) else outcome
    text = json.dumps({"looked_at": looked_at.isoformat() if looked_at else None, "asked": str(after)})
    if isinstance(outcome, str):
        return dg.SensorResult(skip_reason=outcome, cursor=text)
    return _result("result_sensor", outcome, text)


def _results(settings: Settings, matches: list[read_model.Awaited], moment: datetime) -> dict[str, str]:
    """What is new in the files of the matches' seasons and competitions; with COMPETITIONS=all, of those seasons."""
    wanted = Scope.read(settings.competitions, settings.seasons, moment.date())
    competitions = wanted.competitions and wanted.competitions & {match.competition_id for match in matches}
    scope = Scope(competitions, wanted.seasons & {match.season for match in matches})
    bronze = Warehouse(settings.ingest_url)
    found: dict[str, str] = {}
    for name, source in open_sources(settings).items():
        if name not in _NOT_LOOKED_AT:
            found |= news(source, source.list(scope), file_versions.latest(bronze, name))
    return found


def has_failed(instance: dg.DagsterInstance, job: str, sensor: str, asked: Asked) -> bool:
    """Whether the last run of a job that was asked for failed, and none has gone through since. Cancelled is not failed."""
    own = instance.get_runs(dg.RunsFilter(job_name=job, tags={"dagster/run_key": f"{sensor} {asked.key}"}))
    latest = instance.get_runs(dg.RunsFilter(job_name=job), limit=1)
    return bool(own) and all(run.status is dg.DagsterRunStatus.FAILURE for run in (*own, *latest))


def _result(sensor: str, asked: Asked, cursor: str) -> dg.SensorResult:
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"{sensor} {asked.key}")], cursor=cursor)
