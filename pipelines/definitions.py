"""The code location: everything under `pipelines.defs`. Nothing else."""

from pathlib import Path

import dagster as dg
from dagster.components import load_defs

import pipelines.defs


@dg.definitions
def defs() -> dg.Definitions:
    """Load the definitions; needs neither a database nor the network."""
    return load_defs(pipelines.defs, project_root=Path(__file__).parents[1])
