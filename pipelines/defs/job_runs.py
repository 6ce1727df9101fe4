"""What the instance knows of runs.

Belongs here: questions that several sensors ask, of a job's runs before they ask for another, of one run before they tell of it;
and from when on what the instance's database says of a moment is all there is.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

import dagster as dg

UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


NOT_ANEW: Final[Mapping[str, str]] = MappingProxyType({"dagster/max_retries": "0"})
"""Tags of a run that whoever asked for it asks for again, within a bound: were it started anew by Dagster as well where its
process dies, it would be attempted thrice as often as that bound says."""


SETTLED_AFTER: Final = timedelta(seconds=5)
"""What is this old is in the database with all that came before it. What has a lower number may be committed later: whoever went
past it with a cursor would never see it."""


def is_under_way(instance: dg.DagsterInstance, job_name: str) -> bool:
    """Whether a run of the job waits or is at work."""
    return instance.get_runs_count(dg.RunsFilter(job_name=job_name, statuses=UNDER_WAY)) > 0


N_NAMED: Final = 3
"""Assets that a person is told by name; the rest are counted."""


@dataclass(frozen=True)
class Task:
    """What a run was to do: `topic` tells it from every other task, `words` name it to a person."""

    topic: str
    words: str


def task_of(run: dg.DagsterRun) -> Task:
    """A job's run is named by the job. For runs of chosen assets, or of checks alone, Dagster has one name, be they a condition's
    or a person's: they are told apart by what they were to make, or to check."""
    if not run.job_name.startswith("__"):
        return Task(run.job_name, run.job_name)
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    checks = sorted(f"{key.name} of {key.asset_key.to_user_string()}" for key in run.asset_check_selection or ())
    chosen = assets or checks
    if not chosen:
        return Task(run.job_name, "all assets")
    if len(chosen) <= N_NAMED:
        return Task(", ".join(chosen), ", ".join(chosen))
    words = f"{', '.join(chosen[:N_NAMED])} and {len(chosen) - N_NAMED} more"
    # All their names together could be longer than an index of PostgreSQL takes.
    return Task(f"{words} {hashlib.sha256(' '.join(chosen).encode()).hexdigest()[:16]}", words)
