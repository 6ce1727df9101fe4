"""What the instance knows of a job's runs.

Belongs here: questions that several sensors ask before they ask for a run.
"""

from typing import Final

import dagster as dg

UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def is_under_way(instance: dg.DagsterInstance, job_name: str) -> bool:
    """Whether a run of the job waits or is at work."""
    return instance.get_runs_count(dg.RunsFilter(job_name=job_name, statuses=UNDER_WAY)) > 0
