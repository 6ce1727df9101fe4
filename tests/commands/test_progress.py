"""A run whose steps are executed by other processes is followed in the terminal as one in this process is."""

import io
import re

import dagster as dg
import pytest

from pipelines import progress
from pipelines.progress import following, terminal_logger


@dg.asset(check_specs=[dg.AssetCheckSpec("adds_up", asset="good")])
def good(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    context.log.warning("a file is missing")
    failed = dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description="two of three")
    return dg.MaterializeResult(check_results=[failed])


@dg.asset(deps=[good])
def bad() -> None:
    raise ValueError("no")


def job(where: str) -> dg.JobDefinition:
    """The same job, executed in this process or in one for each step."""
    executor = dg.multiprocess_executor if where == "multiprocess" else dg.in_process_executor
    made = dg.define_asset_job("both", selection=dg.AssetSelection.all())
    return dg.Definitions([good, bad], jobs=[made], loggers={"terminal": terminal_logger}, executor=executor).resolve_job_def(
        "both"
    )


@pytest.mark.parametrize("where", ["in_process", "multiprocess"])
def test_what_is_seen_of_a_run_is_the_same_wherever_its_steps_are_executed(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = io.StringIO()
    monkeypatch.setattr(progress, "_terminal", seen)
    found = dg.build_reconstructable_job(__name__, "job", (where,), reconstructor_working_directory=".")
    with dg.DagsterInstance.local_temp() as instance:
        if where == "in_process":
            result = dg.execute_job(found, instance=instance, run_config={"loggers": {"terminal": {}}}, raise_on_error=False)
        else:
            with following(instance) as tags:
                result = dg.execute_job(found, instance=instance, tags=tags, raise_on_error=False)
    assert not result.success
    assert re.sub(r"\d+\.\d s", "1.0 s", seen.getvalue()).splitlines() == [
        "  · good …",
        "  ! a file is missing",
        "  ! check adds up: two of three",
        "  ✓ good 1.0 s",
        "  · bad …",
        "  ✗ bad failed",
    ]
