"""Verification: that the ledger is what it was, said where readers of the record can see it.

Belongs here: the asset. It is made behind the day's work, with the outlook: computing every link anew takes the longer the
more was ever said. What a link is made of, and what breaks one, is `pipelines.store.ledger`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from pipelines.defs.failures import FailureClass, failure, under_policy
from pipelines.defs.freshness import FRESHNESS
from pipelines.defs.ingestion import table_metadata
from pipelines.settings import Settings
from pipelines.store import ledger, read_model
from pipelines.store.warehouse import Warehouse

VERIFICATION = dg.AssetKey(["published", "ledger_verification"])
_INTACT: Final = "every_prediction_stands_as_it_was_issued"


@dg.asset(
    key=VERIFICATION,
    deps=[["forecast", "prediction"]],
    group_name="published",
    kinds={"python", "postgres"},
    owners=["team:api"],
    freshness_policy=FRESHNESS,
    check_specs=[
        dg.AssetCheckSpec(
            _INTACT,
            asset=VERIFICATION,
            description="Each link follows from the one before it, and the end that was noted outside the database is there.",
        )
    ],
    description="Whether every link of the ledger still follows from the one before it, and up to which prediction.",
)
@under_policy
def ledger_verification(
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    turn: dg.ResourceParam[None],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Compute every link anew, and compare with the head that is kept outside the database.

    What was found is stored for readers first, whatever it is. Then a ledger that does not stand fails the run, so that
    people are told.
    """
    import pandas as pd

    found = ledger.verify(warehouse, ledger.Head.read(settings.ledger_head))
    read_model.add_verification(warehouse, found, datetime.now(UTC))
    n = found.head.n_predictions if found.head else 0
    n_faults = f"{len(found.faults)} fault{'s' if len(found.faults) > 1 else ''}"
    faults = table_metadata(pd.DataFrame({"fault": list(found.faults)}))
    yield dg.AssetCheckResult(
        check_name=_INTACT,
        asset_key=VERIFICATION,
        passed=not found.faults,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{n_faults}, the first: {found.faults[0]}" if found.faults else f"{n} predictions stand",
        metadata={"faults": faults},
    )
    if found.faults:
        raise failure(
            FailureClass.DATA,
            f"The ledger is not what it was ({n_faults}). {found.faults[0]} Readers of the "
            "record are told so. `football ledger verify` lists all; find out who wrote to the database, and restore it from a "
            "backup that was taken before (`football backups`).",
        )
    yield dg.MaterializeResult(asset_key=VERIFICATION, metadata={"dagster/row_count": 1, "n_predictions": n, "faults": faults})
