"""Verification: that the ledger is what it was, said where readers of the record can see it.

Belongs here: the asset. It is made behind the day's work, with the outlook: computing every link anew takes the longer the
more was ever said. What a link is made of, and what breaks one, is `pipelines.store.ledger`.
"""

from datetime import UTC, datetime

import dagster as dg

from pipelines.defs.failures import under_policy
from pipelines.defs.ingestion import table_metadata
from pipelines.defs.resources import FRESHNESS
from pipelines.settings import Settings
from pipelines.store import ledger, read_model
from pipelines.store.warehouse import Warehouse


@dg.asset(
    key=["published", "ledger_verification"],
    deps=[["forecast", "prediction"]],
    group_name="published",
    kinds={"python", "postgres"},
    owners=["team:api"],
    freshness_policy=FRESHNESS,
    description="Whether every link of the ledger still follows from the one before it, and up to which prediction.",
)
@under_policy
def ledger_verification(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    turn: dg.ResourceParam[None],
) -> dg.MaterializeResult[None]:
    """Compute every link anew, and compare with the head that is kept outside the database."""
    import pandas as pd

    found = ledger.verify(warehouse, ledger.Head.read(settings.ledger_head))
    read_model.add_verification(warehouse, found, datetime.now(UTC))
    for fault in found.faults:
        context.log.error(fault)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": 1,
            "n_predictions": found.head.n_predictions if found.head else 0,
            "faults": table_metadata(pd.DataFrame({"fault": list(found.faults)})),
        }
    )
