"""Great Expectations' verdicts as asset checks.

Belongs here: which suite judges which rows. The suites are in `expectations`; importing Great Expectations costs
seconds and happens only when a verdict is asked for.
"""

from collections.abc import Iterator, Sequence

import dagster as dg
import pandas as pd

from pipelines.defs.ingestion import FOOTBALL_DATA, OPENFOOTBALL, table_metadata
from pipelines.store import bronze as store
from pipelines.store.warehouse import Warehouse


def verdict(suite: str, frame: pd.DataFrame) -> dg.AssetCheckResult:
    """The suite's verdict on a frame, the failing rows as a table. An empty frame passes: nothing new arrived."""
    if frame.empty:
        return dg.AssetCheckResult(passed=True, description="no new rows to judge", metadata={"n_rows": 0})
    from expectations.run import validate

    outcome = validate(suite, frame)
    return dg.AssetCheckResult(
        passed=outcome.passed,
        description=f"{len(frame)} rows against the suite {suite}",
        metadata={"n_rows": len(frame), "summary": dg.MetadataValue.json(outcome.summary), "failures": table_metadata(pd.DataFrame(outcome.failures))},
    )
