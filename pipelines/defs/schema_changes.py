"""Schema changes at a source, told before they do harm.

Belongs here: the check. It blocks, so that silver waits until it is noted what people are to be told; what it finds is a warning
and stops nothing. Which headers are compared, and how, is `pipelines.sources.schema_changes`.
"""

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime

import dagster as dg
import pandas as pd

from pipelines.defs.alerts import TOLD, announce_columns
from pipelines.defs.ingestion import SOURCE_FILE, table_metadata
from pipelines.settings import Settings
from pipelines.sources.schema_changes import Header, announced
from pipelines.store import file_versions
from pipelines.store.warehouse import Warehouse


@dg.asset_check(
    asset=SOURCE_FILE,
    blocking=True,
    description="The columns of each file, of JSON the fields of its records, are those of its version before, and of a new "
    "season's those of the season before; the fields of a stream's messages are the contract's.",
)
def columns_are_as_they_were(settings: dg.ResourceParam[Settings], bronze: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A warning with what is new, missing, in another order or of another kind, and what a match needs and a file lacks."""
    known = [
        Header(source, key, version, tuple(names), layout, kinds)
        for source, key, version, names, layout, kinds in file_versions.headers(bronze)
    ]
    changes = announced(known)
    kinds = Counter(change.kind for change in changes)
    n_files = len({(change.source, change.key) for change in changes})
    found = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    announce_columns(settings, changes, datetime.now(UTC))
    return dg.AssetCheckResult(
        passed=not changes,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"columns of {n_files} files differ from before: {found}" if changes else "all columns are as they were",
        metadata={"n_files": n_files, "changes": table_metadata(pd.DataFrame(map(asdict, changes)), limit=500), TOLD: True},
    )
