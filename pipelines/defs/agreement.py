"""What sources say of one another's matches, as a check: a warning with both sides as a table.

Belongs here: the check. What counts as a disagreement is `pipelines.store.agreement`. It runs behind a publication, where
nobody waits for it.
"""

import dagster as dg

from pipelines.defs.anomalies import MATCHES
from pipelines.defs.ingestion import table_metadata
from pipelines.store.agreement import disagreements
from pipelines.store.warehouse import Warehouse


@dg.asset_check(
    asset=MATCHES,
    description="Sources that both have a match say the same of its score and its day; the league's own file is believed.",
)
def sources_agree_on_results(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A warning: one of them is wrong, or a result was changed at the green table."""
    found = disagreements(warehouse)
    return dg.AssetCheckResult(
        passed=found.empty,
        severity=dg.AssetCheckSeverity.WARN,
        description="all sources agree" if found.empty else f"of {len(found)} matches two sources tell another score or day",
        metadata={"n_disagreements": len(found), "disagreements": table_metadata(found, limit=500)},
    )
