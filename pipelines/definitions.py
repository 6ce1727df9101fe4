"""The code location: everything under `pipelines.defs`, and one default freshness policy. Nothing else."""

from datetime import timedelta
from pathlib import Path

import dagster as dg

import pipelines.defs


@dg.definitions
def defs() -> dg.Definitions:
    """Load the definitions; needs neither a database nor the network."""
    return dg.components.load_defs(pipelines.defs, project_root=Path(__file__).parents[1]).map_asset_specs(
        func=lambda spec: dg.apply_freshness_policy(spec, _A_DAY_AND_A_BIT, overwrite_existing=False)
    )


_A_DAY_AND_A_BIT = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50), warn_window=timedelta(hours=26))
