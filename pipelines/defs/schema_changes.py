"""Schema changes at a source, told before they do harm.

Belongs here: the check. It blocks, so that silver waits until it is noted what people are to be told; what it finds is a warning
and stops nothing. Which headers are compared, and how, is `pipelines.sources.schema_changes`.

It says that columns are as they were where they are. What a source has kept for so long that it is no news any more is told in
other words, and how that is seen: the newest versions are compared once more, with what was usual when the first of the changes
was told.
"""

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime

import dagster as dg
import pandas as pd

from pipelines.defs.alerts import TOLD, announce_columns, columns_differ_since
from pipelines.defs.ingestion import SOURCE_FILE, table_metadata
from pipelines.settings import Settings
from pipelines.sources.schema_changes import USUAL_AFTER, Change, Header, announced
from pipelines.store import file_versions
from pipelines.store.warehouse import Warehouse


@dg.asset_check(
    asset=SOURCE_FILE,
    blocking=True,
    description="The columns of each file, of JSON the fields of its records, are those that it had a week before, and of a new "
    "season's those of the season before; the fields of a stream's messages are the contract's.",
)
def columns_are_as_they_were(settings: dg.ResourceParam[Settings], bronze: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A warning with what is new, missing, in another order or of another kind, and what a match needs and a file lacks."""
    now = datetime.now(UTC)
    changes = _changes(bronze, now, now)
    since = None if changes else columns_differ_since(settings)
    announce_columns(settings, changes, now, became_usual=_changes(bronze, since, now) if since else ())
    kinds = Counter(change.kind for change in changes)
    n_files = len({(change.source, change.key) for change in changes})
    found = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    return dg.AssetCheckResult(
        passed=not changes,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"columns of {n_files} files differ from before: {found}" if changes else "all columns are as usual",
        metadata={"n_files": n_files, "changes": table_metadata(pd.DataFrame(map(asdict, changes)), limit=500), TOLD: True},
    )


def _changes(bronze: Warehouse, then: datetime, now: datetime) -> list[Change]:
    """By what was usual at another moment, or is now."""
    found = file_versions.headers(bronze, usual_until=then - USUAL_AFTER, news_since=now - USUAL_AFTER)
    return announced(
        Header(source, key, version, tuple(names), layout, kinds, is_usual)
        for source, key, version, names, layout, kinds, is_usual in found
    )
