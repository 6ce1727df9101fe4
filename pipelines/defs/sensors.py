"""The sensors that shorten the wait: each asks for the day's run before the schedule does.

Belongs here: what each looks at, how often, and its bound. What they decide by is `looks`; sensors that follow a run stand with
the jobs (`automation`). All of them keep to this:

- No tick changes anything. An error of the database is raised, and one of the sources where nothing answered: the tick fails, the
  cursor stays, and an outage never looks like "nothing new".
- A file that cannot be had keeps nobody from the others' news. It is named, and rests, the longer the oftener it failed, so that
  it is asked for at most six times in 24 hours; then it is owed a look.
- A source that is silent is asked for one file in a tick, and the rest stays due. Which one is asked for first differs from tick
  to tick, so that a fault of one file alone is not taken for an outage for ever.
- What is new is told by comparison with what is loaded. So a sensor that was off, or starts without a cursor, loses nothing
  and repeats nothing, and what another run has taken in is no news.
- None asks for a run while one of the day's job waits or is at work.
- For one state of what is new at most three runs are asked for, the second and third where the one before failed. An hour lies
  behind one that failed, whatever is new; and within 24 hours at most 6 (sources), 24 (inbox) and 12 (results) are asked for,
  whatever changes. Where the process of such a run dies Dagster does not start it anew. The schedule goes on beside that.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from pipelines.defs.automation import day
from pipelines.defs.job_runs import NOT_ANEW, is_under_way
from pipelines.defs.looks import Asked, Look, Memory, News, is_look_due, other_content
from pipelines.settings import Settings
from pipelines.sources import football_data_org
from pipelines.sources.http import Patience, Web
from pipelines.sources.inbox import Inbox
from pipelines.sources.protocol import Delivery, Scope, Source, SourceError, keys_to_ask
from pipelines.sources.registry import open_sources
from pipelines.store import file_versions, read_model
from pipelines.store.warehouse import Warehouse

AT_MOST_FOR_SOURCES: Final = 6
AT_MOST_FOR_INBOX: Final = 24
AT_MOST_FOR_RESULTS: Final = 12

IN_A_LOOK: Final = Patience(
    connect_seconds=3,
    read_seconds=5,
    download_seconds=10,
    attempts=2,
    first_wait_seconds=0.5,
    longest_wait_seconds=1,
    quota_seconds=0,
)
"""With a file. A run has more patience, also with a provider that allows no more requests."""

LOOK_SECONDS: Final = 40
"""With all of a look: a tick that takes longer than a minute is ended, and forgets what it found. What was not asked for by then,
as servers hang or drip, is left to the next one; of a file on its way no more than its next piece is waited for."""

_INBOX: Final = "inbox"
"""It is not looked at for results: it has a sensor of its own, and may hold a file that is still being written."""

_KEYED: Final = "football_data_org"
"""Its lists differ with every look: what is new in one are results. Each league costs a request of few."""

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
    settings, moment = Settings.read(), now()
    bronze = Warehouse(settings.ingest_url)
    memory = Memory.read(context.cursor or "")
    look = Look(moment, dict(memory.rests))
    for name, source in _sources_in_time(look, settings).items():
        look.at(source, source.coming(), file_versions.latest(bronze, name))
    look.require_an_answer()
    failed = has_failed(context.instance, day.name, "source_sensor", memory.asked)
    outcome = memory.asked.once_more(look.found, failed, moment, AT_MOST_FOR_SOURCES)
    return _result(context, "source_sensor", outcome, memory, look)


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
    moment = now()
    if unsettled := inbox.unsettled(moment):
        return dg.SkipReason(f"{unsettled[0]} has just changed; it is taken when all files have been left alone for a minute")
    memory = Memory.read(context.cursor or "")
    look = Look(moment, pauses=(timedelta(0),))  # to ask for a file of this machine costs nobody anything
    loaded = file_versions.latest(Warehouse(settings.ingest_url), inbox.name)
    look.at(inbox, keys_to_ask(inbox, Scope(None, frozenset()), loaded), loaded)
    look.require_an_answer()
    failed = has_failed(context.instance, day.name, "inbox_sensor", memory.asked)
    outcome = memory.asked.once_more(look.found, failed, moment, AT_MOST_FOR_INBOX)
    return _result(context, "inbox_sensor", outcome, memory, look)


@dg.sensor(job=day, minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.STOPPED)
def result_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Look for the results of matches that a forecast was issued of, soon after full time; the day's run settles and scores them.

    Looks come 15, 30, 60 and 120 minutes after the full time expected of each match that has no result yet, one for all
    that are due, at the files of those seasons and competitions alone. Where football-data.org's key is set, so are its lists of
    those leagues, for results that are final and not loaded; what its quota does not allow waits for the next tick. The cursor
    holds the last look that was answered: an outage, a daemon that was off, the pause behind a run that failed, or the bound
    of runs in 24 hours leaves looks due. A file that could not be had is asked for once its rest is over, as long as one of
    its matches is awaited. Stopped by default, as `source_sensor` is: it asks other people's servers.
    """
    if is_under_way(context.instance, day.name):
        return dg.SkipReason(_BUSY)
    settings, moment = Settings.read(), now()
    memory = Memory.read(context.cursor or "")
    failed = has_failed(context.instance, day.name, "result_sensor", memory.asked)
    # A look that can start no run would be the last: what is due waits until one can.
    if pause := memory.asked.pause(failed, moment) or memory.asked.bound(moment, AT_MOST_FOR_RESULTS):
        return dg.SkipReason(pause)
    awaited = read_model.awaited(Warehouse(settings.model_url), moment)
    due = [match for match in awaited if is_look_due(match.full_time_at, memory.looked_at, moment)]
    look = Look(moment, dict(memory.rests))
    is_owed = any(rest.until <= moment for rest in memory.rests.values())
    if due or is_owed:
        _look_for_results(look, settings, awaited, due)
        look.require_an_answer()
    elif not failed:
        none_due = "no look is due: no match has ended since the last one, or no forecast was issued of it"
        return dg.SkipReason("; ".join(filter(None, [none_due, look.not_had])))
    outcome = memory.asked.once_more(look.found, failed, moment, AT_MOST_FOR_RESULTS)
    return _result(context, "result_sensor", outcome, replace(memory, looked_at=moment if due else memory.looked_at), look)


def _sources_in_time(look: Look, settings: Settings) -> dict[str, Source]:
    """The sources, with no more patience than the look has time from now on."""
    until = time.monotonic() + LOOK_SECONDS
    look.is_over = lambda: time.monotonic() > until
    return open_sources(settings, replace(IN_A_LOOK, until=until))


def _look_for_results(look: Look, settings: Settings, awaited: list[read_model.Awaited], due: list[read_model.Awaited]) -> None:
    """Look at the files of the seasons and competitions of matches that are due, and at those that are owed a look, as they could
    not be had, while their matches are awaited."""
    bronze = Warehouse(settings.ingest_url)
    for name, source in _sources_in_time(look, settings).items():
        if name != _INBOX:
            loaded = file_versions.latest(bronze, name)
            keys = _files(source, settings, due, look.now, loaded)
            owed = [key for key in _files(source, settings, awaited, look.now, loaded) if f"{name}/{key}" in look.rests]
            wanted = list(dict.fromkeys([*keys, *owed]))
            news = _new_results(source, bronze, wanted) if name == _KEYED else other_content
            look.at(source, wanted, loaded, news)


def _files(
    source: Source, settings: Settings, matches: list[read_model.Awaited], moment: datetime, loaded: Iterable[str] = ()
) -> list[str]:
    """Those of the matches' seasons and competitions; with COMPETITIONS=all, of those seasons. Of the source that costs requests
    of few, which has the season under way alone, whatever year a match's bears, only those of the competitions in any case."""
    if not matches:
        return []
    wanted = Scope.read(settings.competitions, settings.seasons, moment.date())
    awaited = frozenset(match.competition_id for match in matches)
    if source.name == _KEYED:
        return source.list(Scope(frozenset(filter(wanted.covers, awaited)), wanted.seasons))
    seasons = wanted.seasons & {match.season for match in matches}
    return keys_to_ask(source, Scope(wanted.competitions and wanted.competitions & awaited, seasons), loaded)


def _new_results(source: Source, bronze: Warehouse, keys: list[str]) -> News:
    """What is new in lists of matches: results that are not loaded."""
    loaded = file_versions.standing(bronze, source.name, football_data_org.LAYOUT, keys) if keys else {}

    def news(answer: Delivery, _: file_versions.Latest | None) -> str:
        parsed = source.parse(answer.key, answer.content)
        if parsed.state == "refused":
            raise SourceError(f"Nothing in {answer.source}/{answer.key} is usable.")
        told = football_data_org.results(row.cells for row in parsed.rows)
        new = told - football_data_org.results(loaded.get(answer.key, ()))
        return json.dumps(sorted(new)) if new else ""

    return news


def has_failed(instance: dg.DagsterInstance, job: str, sensor: str, asked: Asked) -> bool:
    """Whether the last run of a job that was asked for failed, and none has gone through since. Cancelled is not failed."""
    own = instance.get_runs(dg.RunsFilter(job_name=job, tags={"dagster/run_key": f"{sensor} {asked.key}"}))
    latest = instance.get_runs(dg.RunsFilter(job_name=job), limit=1)
    return bool(own) and all(run.status is dg.DagsterRunStatus.FAILURE for run in (*own, *latest))


def _result(
    context: dg.SensorEvaluationContext, sensor: str, outcome: Asked | str, memory: Memory, look: Look
) -> dg.SensorResult:
    """Ask for the run, or say why not; either way with the files that could not be had, which the cursor keeps."""
    asked = memory.asked if isinstance(outcome, str) else outcome
    cursor = str(replace(memory, asked=asked, rests=look.kept))
    if isinstance(outcome, str):
        return dg.SensorResult(skip_reason="; ".join(filter(None, [outcome, look.not_had])), cursor=cursor)
    if look.not_had:
        context.log.warning(look.not_had)
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"{sensor} {asked.key}", tags=dict(NOT_ANEW))], cursor=cursor)
