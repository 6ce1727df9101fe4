"""A code location of a few assets, with the policy of ours and without, for whoever judges freshness."""

import dagster as dg

from pipelines.defs.freshness import FRESHNESS


@dg.definitions
def definitions() -> dg.Definitions:
    """Seven models, a seed that has no policy, a publication, a backup."""
    names = [*(f"gold/model_{k}" for k in range(7)), "gold/seed", "published/publication", "backup/base"]
    return dg.Definitions(
        assets=[dg.AssetSpec(name.split("/"), freshness_policy=None if name.endswith("seed") else FRESHNESS) for name in names]
    )
