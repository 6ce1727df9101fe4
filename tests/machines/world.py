"""The code location of the workers in these tests: the backtest and the backfill as they are, the backtest on a small world.

Belongs here: what every process of the test builds for itself, as all machines load the same definitions.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
from upath import UPath

from pipelines.defs.backfill import backfill, file
from pipelines.defs.backtest import BACKTEST, Frames, Walk, backtest
from pipelines.defs.resources import resources
from pipelines.machines import executor
from pipelines.settings import Settings
from tests.defs.test_backtest import NO_CLOSING, small_world

ROOT = Path(__file__).resolve().parents[2]
FIRST, LAST = 2016, 2018
HOLD = "hold"
"""While a file of this name is in the edition's folder, a season's forecasts wait before they are handed on."""


class SmallWalk(Walk):
    """What a database would hold is made up, the same in each process."""

    known: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
    closing = NO_CLOSING


class HeldFrames(Frames):
    """Frames that wait, so that a worker can be killed in the middle of a season."""

    def dump_to_path(self, context: dg.OutputContext, obj: pd.DataFrame, path: UPath) -> None:
        deadline = time.monotonic() + 120
        while (Settings.read().state_dir / HOLD).exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        super().dump_to_path(context, obj, path)


def walk(_: dg.InitResourceContext) -> Walk:
    folder = Settings.read().state_dir
    return type("Given", (SmallWalk,), {"known": small_world()})(
        Settings.read(), "results-logit", FIRST, LAST, str(folder / "out.csv")
    )


def job_named(name: str, where: str) -> dg.JobDefinition:
    """For a worker to find again what it is sent. Where it is executed is an argument, for Dagster keeps what it found."""
    usual = resources()
    given: dict[str, Any] = {
        **(usual.resources or {}),
        "walk": dg.ResourceDefinition(walk),
        "frames": dg.IOManagerDefinition(lambda _: HeldFrames(UPath(Settings.read().state_dir / "frames"))),
    }
    definitions = dg.Definitions(
        assets=[file, backtest, *(dg.AssetSpec(key) for key in (["gold", "feat_match"], ["forecast", "match_rating"]))],
        jobs=[backfill, dg.define_asset_job("backtest", selection=[BACKTEST])],
        resources=given,
        loggers=usual.loggers,
        executor=executor(replace(Settings.read(), executor=where)),
    )
    return definitions.resolve_job_def(name)


def reconstructable(name: str, where: str) -> Any:
    """A job as another process can find it."""
    return dg.build_reconstructable_job(
        "tests.machines.world", "job_named", (name, where), reconstructor_working_directory=str(ROOT)
    )
