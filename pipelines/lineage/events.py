"""A run of Dagster's as OpenLineage's events.

Belongs here: which of Dagster's events become which of OpenLineage's, and what is told of a run, a step and a model of dbt's.
Does not belong here: what was read and written (`datasets`).

A run of Dagster's is told as a run, each of its steps as one with that as its parent, each of dbt's models as one with the step
as its parent. A step's job has the name of its function, whichever job of Dagster's it is part of. How many events there are of a
run, and in which order, depends on nothing but its log, and they become more as the log grows: whoever counts what was sent can
go on from there.
"""

import inspect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

import dagster as dg
from dagster import DagsterEventType
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    JobFacet,
    RunFacet,
    documentation_job,
    error_message_run,
    job_type_job,
    nominal_time_run,
    parent_run,
    processing_engine_run,
    set_producer,
    source_code_job,
    source_code_location_job,
)

from pipelines.defs.failures import sentence_of
from pipelines.defs.partitions import FILE
from pipelines.lineage.datasets import Datasets
from pipelines.settings import PROJECT_DIR
from pipelines.store.file_versions import Delivered
from pipelines.store.revision import git_revision, repository_url

_ENDS: Final = {
    DagsterEventType.RUN_SUCCESS: RunState.COMPLETE,
    DagsterEventType.RUN_FAILURE: RunState.FAIL,
    DagsterEventType.RUN_CANCELED: RunState.ABORT,
    DagsterEventType.STEP_SUCCESS: RunState.COMPLETE,
    DagsterEventType.STEP_FAILURE: RunState.FAIL,
}
RUN_ENDS: Final = frozenset({DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED})
READ: Final = RUN_ENDS | {
    DagsterEventType.RUN_START,
    DagsterEventType.STEP_START,
    DagsterEventType.STEP_UP_FOR_RETRY,
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
}
"""The events of Dagster's that are asked for."""

_FILES: Final = "file_ids"
"""Under this name a materialization lists the versions of files that were taken in."""


@dataclass(frozen=True)
class Story:
    """What events are told with.

    `graph` and `jobs` are the code location's; `delivered` finds versions of files by their ids.
    """

    datasets: Datasets
    graph: Any
    jobs: Callable[[str], dg.JobDefinition | None]
    delivered: Callable[[Sequence[int]], Sequence[Delivered]]

    def __post_init__(self) -> None:
        address, revision = repository_url(), git_revision()
        set_producer(f"{address}/tree/{revision}" if address else f"urn:football:{revision or 'unknown'}")

    def tell(self, run: dg.DagsterRun, log: Iterable[dg.EventLogEntry]) -> Iterator[RunEvent]:
        """The events of a run, in their order, as far as its log goes; `log` holds the kinds of READ alone."""
        return _Telling(self, run).tell(log)


class _Telling:
    """One run being told."""

    def __init__(self, story: Story, run: dg.DagsterRun) -> None:
        self.story = story
        self.run = run
        self.run_id = str(UUID(run.run_id))  # Dagster takes a UUID in every spelling
        self.job = story.jobs(run.job_name)
        self.namespace = story.datasets.namespace
        self.planned: defaultdict[str, set[dg.AssetKey]] = defaultdict(set)
        self.written: defaultdict[str, list[dg.AssetMaterialization]] = defaultdict(list)
        self.judged: defaultdict[str, list[dg.AssetCheckEvaluation]] = defaultdict(list)
        self.times_made: Counter[str] = Counter()
        self.open: dict[str, None] = {}
        self.has_begun = False

    def tell(self, log: Iterable[dg.EventLogEntry]) -> Iterator[RunEvent]:
        for entry in log:
            event = entry.dagster_event
            if event is not None:
                yield from self._told(event, datetime.fromtimestamp(entry.timestamp, UTC))

    def _told(self, event: dg.DagsterEvent, at: datetime) -> Iterator[RunEvent]:
        kind, step = event.event_type, event.step_key or ""
        if kind is DagsterEventType.RUN_START:
            yield self._run(RunState.START, at)
        elif kind in RUN_ENDS:
            if not self.has_begun:  # it failed, or was taken back, before it did
                yield self._run(RunState.START, at)
            for left in list(self.open):  # a process that died says no more of its steps
                yield self._step(left, RunState.ABORT, at)
            yield self._run(_ENDS[kind], at, event)
        elif kind is DagsterEventType.STEP_START and step not in self.open:
            yield self._step(step, RunState.START, at)
        elif kind is DagsterEventType.STEP_UP_FOR_RETRY:
            yield self._step(step, RunState.RUNNING, at, event)
        elif kind in _ENDS:
            yield self._step(step, _ENDS[kind], at, event)
        else:
            yield from self._noted(event, step, at)

    def _noted(self, event: dg.DagsterEvent, step: str, at: datetime) -> Iterator[RunEvent]:
        """Keep what the step's own events will tell of its assets; dbt's are told at once."""
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION_PLANNED and event.asset_key is not None:
            self.planned[step].add(event.asset_key)
        elif event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
            self.judged[step].append(event.asset_check_evaluation_data)
        elif event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            node = self.story.datasets.node(materialization.asset_key)
            if materialization.asset_key == FILE:  # a note on a file: those that were taken in are datasets of their own
                return
            if node is None:
                self.written[step].append(materialization)
            else:
                yield from self._model(step, materialization, node, at)

    def _run(self, state: RunState, at: datetime, event: dg.DagsterEvent | None = None) -> RunEvent:
        self.has_begun = True
        facets: dict[str, RunFacet] = {
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(version=dg.__version__, name="Dagster")
        }
        if scheduled := _moment(self.run.tags.get(".dagster/scheduled_execution_time", "")):
            facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(nominalStartTime=scheduled.isoformat())
        description = self.job.description if self.job is not None else None
        job = Job(self.namespace, self.run.job_name, _job("DAGSTER", "JOB", description))
        return self._event(state, at, Run(self.run_id, facets | _failure(event)), job)

    def _step(self, step: str, state: RunState, at: datetime, event: dg.DagsterEvent | None = None) -> RunEvent:
        if state in (RunState.START, RunState.RUNNING):
            self.open[step] = None
        else:
            self.open.pop(step, None)
        definition = self._definition(step)
        facets = _job("DAGSTER", "STEP", definition.description if definition is not None else None)
        if isinstance(definition, dg.OpDefinition):
            facets |= _location(definition)
        run, job = Run(self._id(step), self._parent() | _failure(event)), Job(self.namespace, _name(step), facets)
        return self._event(state, at, run, job, self._read(step), [self._output(each) for each in self.written[step]])

    def _model(
        self, step: str, materialization: dg.AssetMaterialization, node: Mapping[str, Any], at: datetime
    ) -> Iterator[RunEvent]:
        """One of dbt's models or seeds: Dagster notes it when it is done, with how long that took."""
        key = materialization.asset_key
        name = f"{step}.{'.'.join(key.path)}"
        took = materialization.metadata.get("Execution Duration")
        seconds = took.value if isinstance(took, dg.FloatMetadataValue) and took.value else 0.0
        facets = _job("DBT", node["resource_type"].upper(), node["description"])
        facets |= _source(f"dbt_project/{node['original_file_path']}")
        if node.get("raw_code"):
            facets["sourceCode"] = source_code_job.SourceCodeJobFacet(language="SQL and Jinja", sourceCode=node["raw_code"])
        self.times_made[name] += 1  # a step that is tried again makes its models again, each of which is another run
        run = Run(self._id(f"{name} {self.times_made[name]}"), self._parent(step))
        inputs = [self.story.datasets.read(parent) for parent in self._parents(key)]
        yield self._event(RunState.START, at - timedelta(seconds=seconds), run, Job(self.namespace, name, facets), inputs)
        output = self._output(materialization)
        yield self._event(RunState.COMPLETE, at, run, Job(self.namespace, name, facets), inputs, [output])

    def _event(
        self,
        state: RunState,
        at: datetime,
        run: Run,
        job: Job,
        inputs: Sequence[InputDataset] = (),
        outputs: Sequence[OutputDataset] = (),
    ) -> RunEvent:
        return RunEvent(eventTime=at.isoformat(), run=run, job=job, eventType=state, inputs=[*inputs], outputs=[*outputs])

    def _read(self, step: str) -> list[InputDataset]:
        """What the step's assets are made of, the files that it took in, and what it judged. dbt's models say it themselves."""
        datasets = self.story.datasets
        planned = {key for key in self.planned[step] if datasets.node(key) is None}
        judged: defaultdict[dg.AssetKey, list[dg.AssetCheckEvaluation]] = defaultdict(list)
        for evaluation in self.judged[step]:
            judged[evaluation.asset_key].append(evaluation)
        parents = {parent for key in planned for parent in self._parents(key)} - planned - {FILE}
        listed = [each.metadata[_FILES].value for each in self.written[step] if _FILES in each.metadata]
        file_ids = [int(n) for ids in listed if isinstance(ids, list) for n in ids]
        files = datasets.files(self.story.delivered(file_ids)) if file_ids else []
        topics = [topic for key in sorted(planned) for topic in datasets.topic(key)]
        return [*(datasets.read(key, judged[key]) for key in sorted(parents | judged.keys())), *topics, *files]

    def _output(self, materialization: dg.AssetMaterialization) -> OutputDataset:
        graph = self.story.graph
        asset = graph.get(materialization.asset_key).to_asset_spec() if graph.has(materialization.asset_key) else None
        return self.story.datasets.written(materialization, asset)

    def _parents(self, key: dg.AssetKey) -> list[dg.AssetKey]:
        return sorted(self.story.graph.get(key).parent_keys) if self.story.graph.has(key) else []

    def _definition(self, step: str) -> Any:
        """What the step executes; None where the code has no such step any more."""
        found: Any = self.job.graph if self.job is not None else None
        for name in _name(step).split("."):
            nodes = {node.name: node for node in getattr(found, "nodes", [])}
            found = nodes[name].definition if name in nodes else None
        return found

    def _id(self, name: str) -> str:
        """Of what is told within the run: the same whenever it is told."""
        return str(uuid5(UUID(self.run_id), name))

    def _parent(self, step: str | None = None) -> dict[str, RunFacet]:
        run, name = (self.run_id, self.run.job_name) if step is None else (self._id(step), _name(step))
        root = parent_run.Root(parent_run.RootRun(self.run_id), parent_run.RootJob(self.namespace, self.run.job_name))
        return {"parent": parent_run.ParentRunFacet(parent_run.Run(run), parent_run.Job(self.namespace, name), root)}


def _moment(tag: str) -> datetime | None:
    """What a tag says, which anybody may set, in UTC and taken for that unless it says otherwise; None if it is no moment."""
    try:
        moment = datetime.fromisoformat(tag)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _name(step: str) -> str:
    """Without what tells a dynamic step from its siblings."""
    return step.partition("[")[0]


def _job(integration: str, kind: str, description: str | None) -> dict[str, JobFacet]:
    facets: dict[str, JobFacet] = {"jobType": job_type_job.JobTypeJobFacet("BATCH", integration, kind)}
    if description:
        facets["documentation"] = documentation_job.DocumentationJobFacet(description)
    return facets


def _location(definition: dg.OpDefinition) -> dict[str, JobFacet]:
    """Where an op's function stands, if that is in the project."""
    compute: Any = definition.compute_fn
    function = inspect.unwrap(getattr(compute, "decorated_fn", compute))
    file = inspect.getsourcefile(function) or ""
    return _source(file.removeprefix(f"{PROJECT_DIR}/")) if file.startswith(f"{PROJECT_DIR}/") else {}


def _source(path: str) -> dict[str, JobFacet]:
    address, revision = repository_url(), git_revision()
    facet = source_code_location_job.SourceCodeLocationJobFacet(
        type="git",
        # Where nobody knows the repository's address, the file is where this machine has it.
        url=f"{address}/blob/{revision.rstrip('+')}/{path}" if address and revision else (PROJECT_DIR / path).as_uri(),
        repoUrl=address,
        path=path,
        version=revision,
    )
    return {"sourceCodeLocation": facet}


def _failure(event: dg.DagsterEvent | None) -> dict[str, RunFacet]:
    """Why a run or a step failed, or has to be tried again."""
    if event is None:
        return {}
    if event.is_step_failure:
        error, sentence = event.step_failure_data.error, sentence_of(event)
    elif event.is_step_up_for_retry:
        error, sentence = event.step_retry_data.error, event.message or "tried again"
    elif event.is_job_failure:
        error, sentence = event.job_failure_data.error, event.message or "failed"
    else:
        return {}
    trace = error.to_string() if error is not None else None
    return {"errorMessage": error_message_run.ErrorMessageRunFacet(sentence, "PYTHON", trace)}
