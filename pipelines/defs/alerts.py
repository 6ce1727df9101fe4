"""Telling people that something failed, works again, or needs looking at.

Belongs here: the words, and the sensors that note and deliver them. A message is written down first; `delivery_sensor` hands it
to every address of `ALERT_URLS` and tries again where that fails. Without an address it stands in the database alone, where
`football alerts` shows it.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

import dagster as dg

# What was said last of every check in one query. Dagster 1.13.27 has no public call for it: the instance's own asks for one check
# at a time, and is not marked as public either.
from dagster._core.execution.stats import StepEventStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord, AssetCheckExecutionRecordStatus

from pipelines.defs.backups import BASE
from pipelines.defs.failures import POLICIES, RUNBOOK, FailureClass, classify_event, runbook_line, sentence_of
from pipelines.defs.freshness import IS_FRESH, Verdict, news, verdicts
from pipelines.defs.ingestion import competitions_nobody_knows
from pipelines.defs.job_runs import SETTLED_AFTER, Task, task_of
from pipelines.settings import Settings
from pipelines.sources.football_data import what_to_add
from pipelines.sources.registry import open_sources
from pipelines.sources.schema_changes import USUAL_AFTER, Change
from pipelines.store import notifications, pin
from pipelines.store.notifications import Message, Send
from pipelines.store.pin import Pin
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    from pipelines.channels import Channel

_LEVEL_OF: Final = {"failure": logging.ERROR, "warning": logging.WARNING, "success": logging.INFO, "info": logging.INFO}

STALE_RUNBOOK: Final = f"{RUNBOOK}#older-than-allowed"

N_STALE_NAMED: Final = 5
"""Of each layer."""

CHECKS_RUNBOOK: Final = f"{RUNBOOK}#a-check-that-does-not-pass"

DRIFT_RUNBOOK: Final = f"{RUNBOOK}#forecasts-have-drifted"

PIN_RUNBOOK: Final = f"{RUNBOOK}#a-publication-is-pinned"

N_CHECKS_SAID: Final = 20
"""With their sentences; the rest are counted."""

N_CHARACTERS_SAID: Final = 300
"""Of each."""

_OLD_DATA: Final = (
    "What is published stands; its forecasts become older, not wrong.",
    "Do the daemon and the schedule `every_morning` run, and how did the last runs of `day` and `outlook` end? "
    "`football refresh` does the day's work now.",
)
_OLD_BACKUPS: Final = (
    "Forecasts are not concerned. If this server were lost now, what it took in since its last backup would be lost with it.",
    "Do the daemon and `backup_sensor` run, is there room on the disk, and how did the last runs of `backup` end? "
    "`football backups` lists what there is, `football backup` makes one now.",
)
"""What it means that these are too old, and what to do."""

WHAT_IS_LOST: Final = (
    "Nothing is read of it before somebody has decided: have sent again what is missing, then `football streams accept-loss`; "
    "of a topic that was made anew KAFKA_TOPIC has to name another (deploy/runbooks/streams.md#messages-that-are-gone)."
)
"""What it means that messages of a partition are gone, and what to do."""

_UNPASSED: Final = (
    "Nothing that failed a blocking check is published; of what a warning names, the rest is in use. Each check's page in "
    "Dagster shows what it complains of."
)

_OTHER_COLUMNS: Final = (
    "Noted before silver is made of it. A file without what a match needs is refused, and what stood before stands; what is new "
    "is not used; what is missing, or says nothing its column could mean, counts as empty."
)
"""What it means for readers."""

_NEW_USUAL: Final = (
    f"So it has been for {USUAL_AFTER.days} days: nobody is told of it any more, and what comes is compared with it. What is "
    "missing, or says nothing its column could mean, still counts as empty."
)
"""What it means that nothing is as it was, and no change is news."""

SITE: Final = "football_data"
"""The source whose own list of files is looked at."""

GAP: Final = "stream gap"
"""The topic of lost messages."""

COLUMNS: Final = "columns"
"""The topic of a source's columns."""

TOLD: Final = "told"
"""What a check's metadata say where it tells people itself, for this cannot wait for the end of its run."""

LOST: Final = "lost"
"""What the losses that a check complains of stand under in its metadata: `announce_gap` tells of them, not the check."""

REMINDED_AFTER: Final = timedelta(hours=24)
"""Of a loss that stands."""

N_WORDS_ON_GAPS: Final = 100
"""So many are looked at: each tells of a loss that is new, or of one a day later."""

N_WORDS_ON_COLUMNS: Final = 400
"""So many are looked at: a year, if some column differs on each of its days."""

N_ENDS_A_TICK: Final = 20
"""Of runs; those behind them are the next tick's."""

_End = Literal[dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS]
_ENDS: Final[tuple[_End, ...]] = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS)

_log = logging.getLogger(__name__)


def announce_failure(settings: Settings, *, task: Task, run_id: str, error: str, kind: FailureClass) -> None:
    """Note that a run failed, with what its class means for readers, what to look at, and where the run is."""
    title = f"Run of {task.words} failed: {kind} ({settings.edition})"
    body = "\n".join([error, POLICIES[kind].meaning, runbook_line(kind), f"{settings.dagster_url}/runs/{run_id}"])
    _note(settings, task.topic, title, Message("failure", title, body))


def announce_recovery(settings: Settings, *, task: Task, run_id: str) -> bool:
    """Note that the same is done again, if the last that was said of it is that it failed."""
    warehouse = Warehouse(settings.model_url)
    if notifications.last_severity(warehouse, task.topic) != "failure":
        return False
    title = f"Run of {task.words} succeeded again ({settings.edition})"
    body = f"What it makes is up to date.\n{settings.dagster_url}/runs/{run_id}"
    _note(settings, task.topic, title, Message("success", title, body))
    return True


def announce_drift(settings: Settings, found: Sequence[str]) -> None:
    """Note that forecasts have become worse than they were promised to be."""
    title = f"Forecasts have drifted ({settings.edition})"
    meaning = "A training was asked for. What is published stands until a better model is promoted."
    body = "\n".join([*found, meaning, DRIFT_RUNBOOK])
    _note(settings, "drift", "; ".join(found), Message("warning", title, body))


def announce_pin(settings: Settings, pinned: Pin, day: date) -> None:
    """Note that a publication is pinned; of one pin it is news once a day."""
    title = f"Publication {pinned.publication_id} is pinned ({settings.edition})"
    since = f"Since {pinned.pinned_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, by account {pinned.pinned_by}: {pinned.reason}"
    meaning = "It is served whatever is published after it, until it is released: DELETE /v1/publications/pin."
    body = "\n".join([since, meaning, PIN_RUNBOOK])
    _note(settings, "pin", f"{pinned.publication_id} {pinned.pinned_at.isoformat()} {day}", Message("warning", title, body))


def announce_release(settings: Settings) -> bool:
    """Note that the latest publication is served again, if the last that was said is that it was not."""
    if notifications.last_severity(Warehouse(settings.model_url), "pin") != "warning":
        return False
    title = f"The latest publication is served again ({settings.edition})"
    _note(settings, "pin", "released", Message("success", title, "The pin was released."))
    return True


def announce_gap(settings: Settings, gaps: Mapping[str, str], *, seen_at: datetime, now: datetime) -> bool:
    """Note that messages were lost, by the names of the losses, with a sentence of each; one is news once in 24 hours.

    By what was noted, not by a cursor: a tick that finds nothing else fails, and keeps none, and two sensors see the same loss,
    one in the topic and one by the check of a run. What was seen before the last word on it is no news: that says how it stands.
    """
    words = notifications.last_words(Warehouse(settings.model_url), GAP, N_WORDS_ON_GAPS)
    if words and words[0].noticed_at > seen_at:
        return False
    since_it_was_whole = takewhile(lambda word: word.severity == "failure" and now - word.noticed_at < REMINDED_AFTER, words)
    told = {name for word in since_it_was_whole for name in word.subject.split(", ")}
    new = {name: sentence for name, sentence in gaps.items() if name not in told}
    if not new:
        return False
    title = f"Messages of the stream were lost ({settings.edition})"
    _note(settings, GAP, ", ".join(new), Message("failure", title, "\n".join([*new.values(), WHAT_IS_LOST])), now)
    return True


def announce_no_gap(settings: Settings) -> bool:
    """Note that every partition of the stream is read again, if the last that was said is that one was not."""
    if notifications.last_severity(Warehouse(settings.model_url), GAP) != "failure":
        return False
    title = f"Every partition of the stream is read again ({settings.edition})"
    _note(settings, GAP, "none", Message("success", title, "Somebody decided what becomes of what was lost."))
    return True


def announce_staleness(settings: Settings, stale: Mapping[str, Mapping[str, datetime]]) -> None:
    """Note that assets are older than their policy allows: per layer their names, and when each was made last."""
    n = sum(map(len, stale.values()))
    title = f"{n} asset{'s are' if n > 1 else ' is'} older than allowed: {', '.join(stale)} ({settings.edition})"
    named = [_some_of(layer, made_at) for layer, made_at in stale.items()]
    backups = BASE.path[0]
    said = [*_OLD_DATA] * bool(stale.keys() - {backups}) + [*_OLD_BACKUPS] * (backups in stale)
    body = "\n".join([*named, *said, STALE_RUNBOOK, f"{settings.dagster_url}/assets"])
    _note(settings, "freshness", ", ".join(stale), Message("failure", title, body))


def announce_freshness(settings: Settings) -> bool:
    """Note that everything is as fresh as it must be, if the last that was said is that something was not."""
    if notifications.last_severity(Warehouse(settings.model_url), "freshness") != "failure":
        return False
    title = f"Everything is as fresh as it must be again ({settings.edition})"
    _note(settings, "freshness", "fresh", Message("success", title, "Each asset was made within its policy."))
    return True


@dataclass(frozen=True)
class Unpassed:
    """What is said of a check that does not pass; whether it is an error, or a warning."""

    sentence: str
    is_error: bool


def announce_checks(settings: Settings, unpassed: Mapping[str, Unpassed], new: Set[str]) -> None:
    """Note that checks do not pass, by their names, with what each says; first those that did when people were told last."""
    n = len(unpassed)
    names = sorted(unpassed, key=lambda name: (name not in new, not unpassed[name].is_error, name))
    said = [f"{name}: {unpassed[name].sentence[:N_CHARACTERS_SAID]}" for name in names[:N_CHECKS_SAID]]
    rest = [f"and {n - N_CHECKS_SAID} more"] * (n > N_CHECKS_SAID)
    title = f"{n} check{'s do' if n > 1 else ' does'} not pass: {_first(names)} ({settings.edition})"
    body = "\n".join([*said, *rest, _UNPASSED, CHECKS_RUNBOOK, f"{settings.dagster_url}/assets"])
    is_error = any(each.is_error for each in unpassed.values())
    _note(settings, "checks", ", ".join(sorted(unpassed)), Message("failure" if is_error else "warning", title, body))


def announce_passing(settings: Settings, names: Sequence[str]) -> None:
    """Note that checks pass again of which was told that they did not."""
    title = f"{len(names)} check{'s pass' if len(names) > 1 else ' passes'} again: {_first(names)} ({settings.edition})"
    _note(settings, "checks", f"passing: {', '.join(names)}", Message("success", title, "\n".join(names[:N_CHECKS_SAID])))


def announce_competition(settings: Settings, code: str, keys: Sequence[str]) -> bool:
    """Note that the source has a competition that nobody knows; once, for ever."""
    topic = f"competition {code}"
    if notifications.last_severity(Warehouse(settings.model_url), topic) is not None:
        return False
    title = f"football-data.co.uk has a competition that nobody knows: {code} ({settings.edition})"
    _note(settings, topic, code, Message("warning", title, what_to_add(code, keys)))
    return True


def columns_differ_since(settings: Settings) -> datetime | None:
    """When the first was told of those columns that the last word, and each before it, says to differ; None where it says not."""
    words = notifications.last_words(Warehouse(settings.model_url), COLUMNS, N_WORDS_ON_COLUMNS)
    return min((word.noticed_at for word in takewhile(lambda word: word.severity == "warning", words)), default=None)


def announce_columns(
    settings: Settings, changes: Sequence[Change], now: datetime, *, became_usual: Sequence[Change] = ()
) -> None:
    """Note that columns of a source are not what they were: at once where one joins those that were told of, once a day while any
    stands so; and the end of it, if the last that was said is that some were not: that all are as they were, or else which are
    not, and are no news any more."""
    last = next(iter(notifications.last_words(Warehouse(settings.model_url), COLUMNS, 1)), None)
    if not changes:
        if last is not None and last.severity == "warning":
            _note(settings, COLUMNS, "none", _end_of_columns(settings, became_usual), now)
        return
    today, told = str(now.date()), set(last.subject.split()) if last is not None else set()
    # Without what it is compared with: from one day to the next that may be another version, and is no news.
    each_told = [hashlib.sha256(_of_column(each).encode()).hexdigest()[:12] for each in changes]
    if today in told and told.issuperset(each_told):
        return
    title = f"Columns of {_files(changes)} differ from before ({settings.edition})"
    body = "\n".join([*_of_columns(changes), _OTHER_COLUMNS, CHECKS_RUNBOOK, f"{settings.dagster_url}/assets"])
    _note(settings, COLUMNS, " ".join([today, *each_told]), Message("warning", title, body), now)


def _end_of_columns(settings: Settings, became_usual: Sequence[Change]) -> Message:
    if not became_usual:
        title = f"All columns are as they were again ({settings.edition})"
        return Message("success", title, "Each file has the columns that it had before the first of these changes was told.")
    title = f"Columns of {_files(became_usual)} stay different, and are the usual from now on ({settings.edition})"
    return Message("info", title, "\n".join([*_of_columns(became_usual), _NEW_USUAL, CHECKS_RUNBOOK]))


def _of_column(change: Change) -> str:
    return f"{change.source}/{change.key}: {change.kind} {change.column}"


def _of_columns(changes: Sequence[Change]) -> list[str]:
    rest = [f"and {len(changes) - N_CHECKS_SAID} more"] * (len(changes) > N_CHECKS_SAID)
    return [f"{_of_column(each)} (compared with {each.compared_with})" for each in changes[:N_CHECKS_SAID]] + rest


def _files(changes: Sequence[Change]) -> str:
    n = len({(each.source, each.key) for each in changes})
    return f"{n} file{'s' * (n > 1)}"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _some_of(layer: str, made_at: Mapping[str, datetime]) -> str:
    rest = len(made_at) - N_STALE_NAMED
    named = ", ".join(sorted(made_at)[:N_STALE_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    return f"{layer}: {named}; {'the oldest was ' if len(made_at) > 1 else ''}made at {min(made_at.values()):%Y-%m-%d %H:%M} UTC"


def _note(settings: Settings, topic: str, subject: str, message: Message, now: datetime | None = None) -> None:
    _log.log(_LEVEL_OF[message.severity], "%s\n%s", message.title, message.body)
    notifications.note(Warehouse(settings.model_url), topic, subject, message, now or datetime.now(UTC))


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def ended_run_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Say that a run failed, of which class the first failure was, what that means for readers, and where to look; and that a run
    does what the last one that was to do the same failed to do.

    It is none of Dagster's sensors of a run's status: those go past a run also where they could not say so. The cursor is the
    last end of a run that was told, in the order in which runs ended, so that no recovery comes before its failure. What ended
    just now waits for the next tick (`SETTLED_AFTER`), and all behind it. The first look tells nothing.

    Raises:
        Exception: the first could not be told, as while the database is away; the tick is shown as failed, and the next one tries
            again.
    """
    if not context.cursor:
        last = max((end.storage_id for kind in _ENDS for end in _ends(context.instance, kind, 1)), default=0)
        return dg.SensorResult(skip_reason="what ends from now on is told", cursor=str(last))
    after = int(context.cursor)
    both = [end for kind in _ENDS for end in _ends(context.instance, kind, N_ENDS_A_TICK, after)]
    settled = datetime.now(UTC) - SETTLED_AFTER
    in_order = sorted(both, key=lambda end: end.storage_id)[:N_ENDS_A_TICK]
    ends = list(takewhile(lambda end: datetime.fromtimestamp(end.timestamp, UTC) < settled, in_order))
    if not ends:
        return dg.SensorResult(skip_reason="no run has ended", cursor=context.cursor)
    settings = Settings.read()
    runs = {run.run_id: run for run in context.instance.get_runs(dg.RunsFilter(run_ids=[end.run_id for end in ends]))}
    for n, end in enumerate(ends):
        try:
            if end.run_id in runs:  # else somebody deleted it
                _tell_of(settings, context.instance, runs[end.run_id], end)
        except Exception:
            if n == 0:
                raise
            _log.exception("run %s is told of by the next tick", end.run_id)
            break
        after = end.storage_id
    return dg.SensorResult(skip_reason=f"looked at runs up to event {after}", cursor=str(after))


def _ends(instance: dg.DagsterInstance, kind: _End, limit: int, after: int | None = None) -> list[dg.EventLogRecord]:
    """So many ends of this kind: those that follow an event, in their order, or the last ones."""
    only = dg.RunStatusChangeRecordsFilter(kind, after_storage_id=after)
    return [*instance.fetch_run_status_changes(only, limit=limit, ascending=after is not None).records]


def _tell_of(settings: Settings, instance: dg.DagsterInstance, run: dg.DagsterRun, end: dg.EventLogRecord) -> None:
    task, event = task_of(run), end.event_log_entry.dagster_event
    if event is None or event.event_type is dg.DagsterEventType.RUN_SUCCESS:
        announce_recovery(settings, task=task, run_id=run.run_id)
    elif run.tags.get("dagster/will_retry") != "true":
        # A run fails because a step did, unless it failed around its steps.
        steps = instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1, ascending=True
        ).records
        event = next((step.event_log_entry.dagster_event for step in steps), None) or event
        announce_failure(settings, task=task, run_id=run.run_id, error=sentence_of(event), kind=_class_of(event))


def _class_of(event: dg.DagsterEvent) -> FailureClass:
    try:
        return classify_event(event)
    except ValueError:  # a class that another version had: no end of a run may keep those behind it from being told
        return FailureClass.CODE


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def pin_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Say that an earlier publication is pinned: at once, and every day while the pin stands; and that it was released."""
    settings, today = Settings.read(), datetime.now(UTC).date()
    pinned = pin.standing(Warehouse(settings.model_url))
    if pinned is None:
        announce_release(settings)
        return dg.SensorResult(skip_reason="the latest publication is served", cursor="")
    said = f"{pinned.publication_id} pinned at {pinned.pinned_at.isoformat()}, told on {today}"
    if context.cursor != said:
        announce_pin(settings, pinned, today)
    return dg.SensorResult(skip_reason=said, cursor=said)


@dg.sensor(minimum_interval_seconds=1800, default_status=dg.DefaultSensorStatus.RUNNING)
def competition_sensor() -> dg.SkipReason:
    """Say that the source has a competition that nobody knows, and what to add where; of each once. Runs ask the source."""
    settings = Settings.read()
    if SITE not in settings.sources:
        return dg.SkipReason(f"{SITE} is none of the sources")
    # No other: to open the simulator writes its site, under the eyes of a run that reads it.
    source = open_sources(replace(settings, sources=(SITE,)))
    found = competitions_nobody_knows(source, settings.now().date())
    told = [code for code, keys in found.items() if announce_competition(settings, code, keys)]
    return dg.SkipReason(f"told of {', '.join(told)}" if told else "every competition is known, or was told of")


@dg.sensor(minimum_interval_seconds=600, default_status=dg.DefaultSensorStatus.RUNNING)
def freshness_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Note how fresh assets are at their checks, as Dagster's own daemon judges it; say that some are older than their policy
    allows, and that none is any more.

    Said at once where a layer joins those that were told of, and once a day while any stands so: what one run did not make is one
    message, however many assets that are. A warning (a morning is late) is shown in the UI alone. A verdict is noted where it
    changes, and once a day: nobody else asks the checks, and `check_sensor` leaves them to this one.
    """
    settings, now = Settings.read(), datetime.now(UTC)
    found = _fresh_or_not(context)
    noted = news(context.instance, found, now)
    stale: dict[str, dict[str, datetime]] = {}
    for each in found:
        if each.is_too_old:
            stale.setdefault(each.key.path[0], {})[each.key.path[-1]] = each.made_at
    if not stale:
        announce_freshness(settings)
        return dg.SensorResult(skip_reason="every asset is as fresh as it must be", cursor="", asset_events=noted)
    told = json.loads(context.cursor or '{"on": "", "layers": []}')
    if told["on"] != str(now.date()) or set(stale) - set(told["layers"]):
        announce_staleness(settings, stale)
        told = {"on": str(now.date()), "layers": sorted(stale)}
    return dg.SensorResult(skip_reason=f"older than allowed: {', '.join(stale)}", cursor=json.dumps(told), asset_events=noted)


def _fresh_or_not(context: dg.SensorEvaluationContext) -> list[Verdict]:
    """What the daemon says of this code location's assets that have a policy and were made, in order of their keys."""
    if context.repository_def is None:
        raise dg.DagsterInvariantViolationError("freshness_sensor wants the definitions whose assets it looks at")
    policies = {
        key: policy
        for key, asset in context.repository_def.assets_defs_by_key.items()
        if (policy := asset.get_asset_spec(key).freshness_policy) is not None
    }
    return list(verdicts(context.instance, policies).values())


@dg.sensor(minimum_interval_seconds=600, default_status=dg.DefaultSensorStatus.RUNNING)
def check_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Say that checks do not pass, be it a warning or an error, and that one passes again.

    At once where one joins those that were told of, once a day while any stands so, all in one message. What made its own step
    fail is not told once more: the run's failure was. Nor is what is too old, which `freshness_sensor` tells, nor are messages
    of the stream that were lost, of which `stream_sensor` tells: they are told here, in the same way, where it did not. Nor is
    what a check told itself (`TOLD`). Of a check that is asked just now, the last word stands until the run ends.
    """
    settings, now = Settings.read(), datetime.now(UTC)
    today = now.date()
    told = json.loads(context.cursor or '{"on": "", "checks": []}')
    before = set(told["checks"])
    unpassed, passing, others, losses = _judged(context)
    for seen_at, gaps in losses:
        announce_gap(settings, gaps, seen_at=seen_at, now=now)
    again, new = sorted(before & passing), set(unpassed) - before
    if again:
        announce_passing(settings, again)
    if new or (unpassed and told["on"] != str(today)):
        announce_checks(settings, unpassed, new)
        told["on"] = str(today)
    told["checks"] = sorted(set(unpassed) | (before & others))
    reason = f"{len(unpassed)} do not pass" if unpassed else "every check passes, or was told of otherwise"
    return dg.SensorResult(skip_reason=reason, cursor=json.dumps(told))


class _Judged(NamedTuple):
    """Of this code location's checks, by name: those that do not pass, those that do, and those that are told of otherwise, by
    their run, by themselves, or as `losses`, which are what was seen when to be lost of the stream."""

    unpassed: dict[str, Unpassed]
    passing: set[str]
    others: set[str]
    losses: list[tuple[datetime, dict[str, str]]]


def _judged(context: dg.SensorEvaluationContext) -> _Judged:
    if context.repository_def is None:
        raise dg.DagsterInvariantViolationError("check_sensor wants the definitions whose checks it looks at")
    graph = context.repository_def.asset_graph
    keys = sorted(key for key in graph.asset_check_keys if key.name != IS_FRESH)
    latest = context.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    failed = {key: record for key, record in latest.items() if record.status is AssetCheckExecutionRecordStatus.FAILED}
    unpassed: dict[str, Unpassed] = {}
    losses = []
    for key in _not_told_by_their_run(context.instance, failed):
        said, event = failed[key].evaluation, failed[key].event
        if said is not None and event is not None and LOST in said.metadata:
            gaps = cast("dict[str, str]", said.metadata[LOST].value)
            losses.append((datetime.fromtimestamp(event.timestamp, UTC), gaps))
            continue
        if said is not None and TOLD in said.metadata:
            continue
        is_error = said is not None and said.severity is dg.AssetCheckSeverity.ERROR
        sentence = (said and said.description) or graph.get_check_spec(key).description or "it says no more"
        unpassed[_name_of(key)] = Unpassed(" ".join(sentence.split()), is_error)
    passing = {_name_of(key) for key, record in latest.items() if record.status is AssetCheckExecutionRecordStatus.SUCCEEDED}
    return _Judged(unpassed, passing, {_name_of(key) for key in latest} - passing - set(unpassed), losses)


def _not_told_by_their_run(
    instance: dg.DagsterInstance, failed: Mapping[dg.AssetCheckKey, AssetCheckExecutionRecord]
) -> list[dg.AssetCheckKey]:
    """Those whose run has ended, if they had one, and that did not make their own step fail, of which the run's failure told."""
    run_ids = sorted({record.run_id for record in failed.values()})
    runs = {run.run_id: run for run in instance.get_runs(dg.RunsFilter(run_ids=run_ids))} if run_ids else {}
    failing_steps: dict[str, set[str]] = {}
    found = []
    for key, record in failed.items():
        run, said, event = runs.get(record.run_id), record.evaluation, record.event
        if run is not None and not run.is_finished:
            continue
        if run is not None and not run.is_success and said is not None and said.severity is dg.AssetCheckSeverity.ERROR:
            if run.run_id not in failing_steps:
                steps = instance.get_run_step_stats(run.run_id)
                failing_steps[run.run_id] = {step.step_key for step in steps if step.status is StepEventStatus.FAILURE}
            if event is not None and event.step_key in failing_steps[run.run_id]:
                continue
        found.append(key)
    return sorted(found)


def _name_of(key: dg.AssetCheckKey) -> str:
    return f"{key.asset_key.to_user_string()} {key.name}"


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def delivery_sensor() -> dg.SkipReason:
    """Hand each channel what it has not heard. One that does not answer is asked again at the next tick, and delays no other.

    Raises:
        RuntimeError: some channel took a message not; the tick is shown as failed, and the next one tries again.
    """
    settings = Settings.read()
    if not settings.alert_urls:
        return dg.SkipReason("ALERT_URLS names no address: `football alerts` shows what would be told")
    from pipelines.channels import channels

    warehouse, now = Warehouse(settings.model_url), datetime.now(UTC)
    found = channels(settings.alert_urls)
    deaf = [each.name for each in found if not notifications.deliver(warehouse, each.name, _careful(each), now)]
    if deaf:
        raise RuntimeError(f"not taken by {', '.join(deaf)}: tried again in half a minute, for a day at most")
    n_waiting = max(notifications.n_held_back(warehouse, each.name, now) for each in found)
    if n_waiting:
        most = notifications.MESSAGES_AN_HOUR
        return dg.SkipReason(
            f"{n_waiting} messages wait, for a channel is told at most {most} an hour; `football alerts list` has them"
        )
    return dg.SkipReason("everybody was told everything")


def _careful(channel: "Channel") -> Send:
    """Its `send`, where nothing that it raises keeps the channels behind it from being told."""

    def send(message: Message) -> bool:
        try:
            return channel.send(message)
        except Exception as error:  # Apprise has a hundred kinds of address
            # No more than its type: an error may show the address, which holds secrets.
            _log.error("%s raised %s", channel.name, type(error).__name__)
            return False

    return send
