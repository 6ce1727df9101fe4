"""The code location: everything under `pipelines.defs`, and a check of each asset there that has to be fresh. Nothing else."""

from pathlib import Path

import dagster as dg
from dagster.components import load_defs

import pipelines.defs
from pipelines.defs.freshness import freshness_checks


@dg.definitions
def defs() -> dg.Definitions:
    """Load the definitions; needs neither a database nor the network."""
    found = load_defs(pipelines.defs, project_root=Path(__file__).parents[1])
    specs = [spec for each in found.assets or () if isinstance(each, dg.AssetsDefinition) for spec in each.specs]
    return dg.Definitions.merge(found, dg.Definitions(asset_checks=[freshness_checks(specs)]))
