"""Great Expectations' verdicts as asset checks.

Belongs here: which suite judges which rows, and refusing what none has accepted. The suites are in `expectations`;
importing Great Expectations costs seconds and happens only when there is something to judge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg
import pandas as pd

from pipelines.defs.failures import FailureClass, failure
from pipelines.defs.ingestion import (
    FOOTBALL_DATA,
    FOOTBALL_DATA_ORG,
    INTERNATIONAL,
    MOST_REFUSED,
    OPENFOOTBALL,
    table_metadata,
    too_many_refused,
)
from pipelines.defs.streams import STREAM
from pipelines.settings import Settings
from pipelines.store import file_versions
from pipelines.store.silver import Silver
from pipelines.store.warehouse import Warehouse

N_NAMED: Final = 3
"""Files that a person is told by name; the rest are counted."""


def verdict(settings: Settings, suite: str, frame: pd.DataFrame) -> dg.AssetCheckResult:
    """The suite's verdict on a frame, what failed as a table and the failing rows as another; kept for Data Docs.

    Of the frame the suite sees its own columns; others, such as where a row comes from, are shown beside them. Where nothing
    but warnings failed the result says so and stops no run.
    """
    from expectations.suites import find
    from expectations.worker import judge

    outcome = judge(suite, frame[[name for name in find(suite).columns if name in frame]])
    outcome.save(settings.state_dir / "verdicts", datetime.now(UTC))
    failed = ", ".join(f"{failure['column']} ({failure['expectation']})" for failure in outcome.failures)
    complaint = f"{suite}: {failed}" if outcome.is_blocking else f"{suite}, warnings only: {failed}"
    return dg.AssetCheckResult(
        passed=outcome.passed,
        severity=dg.AssetCheckSeverity.ERROR if outcome.is_blocking else dg.AssetCheckSeverity.WARN,
        description=f"{len(frame)} rows meet the suite {suite}" if outcome.passed else complaint,
        metadata={
            **outcome.summary,
            "failures": table_metadata(pd.DataFrame(outcome.failures)),
            "failing rows": table_metadata(_failing_rows(outcome.failures, frame), limit=500),
        },
    )


def _failing_rows(failures: Sequence[Mapping[str, Any]], frame: pd.DataFrame) -> pd.DataFrame:
    """The first rows that fail each expectation, which of them they fail first."""
    found = [
        frame.loc[failure["rows"]].assign(fails=f"{failure['column']}: {failure['expectation']}")
        for failure in failures
        if failure["rows"]
    ]
    rows = pd.concat(found) if found else frame.iloc[:0].assign(fails="")
    return rows[["fails", *frame.columns]]


def require_accepted(warehouse: Warehouse) -> int:
    """Nobody may learn or publish what a blocking check of bronze refuses, whoever made silver and gold of it: what is loaded
    stands in bronze though its check failed. The last `bronze.source_file.file_id` that silver is made of.

    Raises:
        HalfMade: silver and gold are nothing whole.
        dg.Failure: they are made of a file that was stopped, whose lines are not accounted for, or that was not judged yet, or
            while too many files were refused; the checks of the day's run judge all of it again.
    """
    through = Silver(warehouse.url).require_whole()
    if files := file_versions.not_accepted(warehouse, through):
        more = f" and {len(files) - N_NAMED} more" if len(files) > N_NAMED else ""
        raise failure(
            FailureClass.DATA,
            f"Silver and gold are made of files that the checks of bronze have not accepted: {', '.join(files[:N_NAMED])}{more}. "
            "What was published stands. Run the day once more: it judges them, and says what is wrong if they are not accepted.",
        )
    latest = file_versions.latest_versions(warehouse, through)
    if too_many_refused(latest):
        raise failure(
            FailureClass.DATA,
            f"Silver and gold are made while {(latest['state'] == 'refused').sum()} of {len(latest)} files were refused, more "
            f"than {MOST_REFUSED:.0%}: the check latest_versions_are_intact names them. What was published stands. Run the day "
            "once more when they can be had.",
        )
    return through


@dataclass(frozen=True)
class _Judged:
    asset: dg.AssetKey
    suite: str
    layouts: tuple[str, ...]


_JUDGED = (
    _Judged(FOOTBALL_DATA, "football_data_main", ("main",)),
    _Judged(FOOTBALL_DATA, "football_data_new", ("new",)),
    _Judged(FOOTBALL_DATA, "football_data_fixtures", ("fixtures", "new_fixtures")),
    _Judged(OPENFOOTBALL, "openfootball", ("json",)),
    _Judged(INTERNATIONAL, "international", ("international",)),
    _Judged(FOOTBALL_DATA_ORG, "football_data_org", ("football_data_org",)),
    _Judged(STREAM, "stream", ("stream",)),
)


def _check(judged: _Judged) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=judged.asset,
        name=f"{judged.suite}_meets_expectations",
        blocking=True,
        description=f"Great Expectations' suite {judged.suite} on the files that changed since it was last met.",
    )
    def check(settings: dg.ResourceParam[Settings], bronze: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
        from expectations.suites import find

        # Files that were stopped once are judged again until they are accepted: no second run slips them through.
        frame, files = file_versions.unaccepted_rows(bronze, judged.layouts, find(judged.suite).columns)
        if not files:
            return dg.AssetCheckResult(passed=True, description="no file changed")
        result = verdict(settings, judged.suite, frame)
        if result.passed or result.severity == dg.AssetCheckSeverity.WARN:
            file_versions.accept(bronze, files, datetime.now(UTC))
        return result

    return check


checks = [_check(judged) for judged in _JUDGED]
