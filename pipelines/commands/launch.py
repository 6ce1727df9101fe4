"""Launching a job of the code location from the command line.

Belongs here: executing it in this process, following it, and saying why it failed. Which command launches which job is said
where the commands are.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import dagster as dg


class RunFailed(click.ClickException):
    """A run ended without reaching its end; what was there before still stands."""


NOTHING_TO_JUDGE = ("docs", "outlook", "backtest", "rebuild", "backfill", "backup", "restore_drill")
"""Jobs without a suite of Great Expectations, whose process need not be started."""


def run_job(name: str, config: Mapping[str, Any] | None = None, *, is_scratch: bool = False, is_quiet: bool = False) -> None:
    """Execute a job in this process, on the instance, with its progress on standard output.

    Args:
        config: of the job's ops and resources, by Dagster's rules.
        is_scratch: leave no trace at the instance, which a scratch edition does not have.
        is_quiet: print no progress.

    Raises:
        RunFailed: a step failed; the message names the first one and its cause.
    """
    import logging
    from contextlib import AbstractContextManager, nullcontext

    from expectations.worker import prepare
    from pipelines.progress import chatter_in, following
    from pipelines.settings import Settings

    settings = Settings.read()
    is_elsewhere = settings.executor != "in_process"  # where a step's logger does not reach this terminal
    with chatter_in(settings.state_dir / "logs" / "run.log"):
        if name not in NOTHING_TO_JUDGE:
            prepare()
        import dagster as dg

        from pipelines.defs.manifest import ensure_manifest

        ensure_manifest()
        for talkative in ("alembic", "mlflow"):
            logging.getLogger(talkative).setLevel(logging.WARNING)
        with dg.DagsterInstance.ephemeral() if is_scratch else dg.DagsterInstance.get() as instance:
            if not is_scratch:
                # One pooled connection for the run's events: by default Dagster opens several anew for each of the hundreds.
                instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=10)
            seen: AbstractContextManager[dict[str, str]] = (
                nullcontext({}) if is_quiet or not is_elsewhere else following(instance)
            )
            with seen as tags:
                result = dg.execute_job(
                    dg.build_reconstructable_job("pipelines.commands.launch", "job_named", (name,)),
                    instance=instance,
                    tags=tags,
                    run_config={"loggers": {"console" if is_quiet or is_elsewhere else "terminal": {}}, **(config or {})},
                    raise_on_error=False,
                )
    if not result.success:
        raise RunFailed(_why(result))


@cache
def job_named(name: str) -> "dg.JobDefinition":
    """A job of the code location, for Dagster to find again: it asks twice in a run."""
    from pipelines.definitions import defs

    return defs().resolve_job_def(name)


def _why(result: "dg.JobExecutionResult") -> str:
    """The first failure as a sentence: the step, and the innermost cause."""
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            error = failure.error
            while error is not None and error.cause is not None:
                error = error.cause
            # What an asset says of its own failure is meant for people; else the innermost cause is the most telling.
            said = (
                failure.user_failure_data.description if failure.user_failure_data else error.message.strip() if error else None
            )
            said = said or "no message"
            return f"{(event.step_key or '').replace('__', '.')} failed: {said}\nWhat was published before still stands."
    return "the run ended early; see the Dagster UI for its log"
