"""Schema changes at a source, said before they do harm.

Belongs here: the check. Which headers are compared, and how, is `pipelines.sources.schema_changes`.
"""

from collections import Counter
from dataclasses import asdict

import dagster as dg
import pandas as pd

from pipelines.defs.ingestion import SOURCE_FILE, table_metadata
from pipelines.sources.schema_changes import Header, announced
from pipelines.store import file_versions
from pipelines.store.warehouse import Warehouse


@dg.asset_check(
    asset=SOURCE_FILE,
    description="The columns of each file, of JSON the fields of its records, are those of its version before, and of a new "
    "season's those of the season before; the fields of a stream's messages are the contract's.",
)
def columns_are_as_they_were(bronze: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A warning with what is new, missing, in another order or of another kind, and what a match needs and a file lacks."""
    known = [
        Header(source, key, version, tuple(names), layout, kinds)
        for source, key, version, names, layout, kinds in file_versions.headers(bronze)
    ]
    changes = announced(known)
    kinds = Counter(change.kind for change in changes)
    n_files = len({(change.source, change.key) for change in changes})
    found = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    return dg.AssetCheckResult(
        passed=not changes,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"columns of {n_files} files differ from before: {found}" if changes else "all columns are as they were",
        metadata={"n_files": n_files, "changes": table_metadata(pd.DataFrame(map(asdict, changes)), limit=500)},
    )
