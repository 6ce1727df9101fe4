"""What sources say of one another's matches, as a check: a warning with both sides as a table.

Belongs here: the check. What a disagreement is, and who is believed, `gold.fct_disagreement` says, which a day makes. The check
runs behind a publication, where nobody waits for it.
"""

from typing import Final

import dagster as dg

from pipelines.defs.ingestion import table_metadata
from pipelines.store.warehouse import Warehouse

DISAGREEMENTS: Final = dg.AssetKey(["gold", "fct_disagreement"])


@dg.asset_check(
    asset=DISAGREEMENTS,
    description="Sources that have a match say the same of its score, its day and its kick-off.",
)
def sources_agree_on_results(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A warning: one of them is wrong, or a result was changed at the green table."""
    found = warehouse.table("gold.fct_disagreement").sort_values(["match_id", "source", "other_source", "what"])
    n_matches = found["match_id"].nunique()
    told = ", ".join(f"{n} {what}" for what, n in found.groupby("what")["match_id"].nunique().items())
    return dg.AssetCheckResult(
        passed=found.empty,
        severity=dg.AssetCheckSeverity.WARN,
        description="all sources agree" if found.empty else f"of {n_matches} matches two sources tell another thing: {told}",
        metadata={"n_matches": n_matches, "n_disagreements": len(found), "disagreements": table_metadata(found, limit=500)},
    )
