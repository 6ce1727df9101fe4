"""The backtest: a season is a step, and what they show together an asset.

Belongs here: which steps there are, what each of them reads, and how the evidence is kept and shown. How past seasons are
forecast, and what the figures are, is `pipelines.forecast`.

The steps share no memory: an executor may run each where it likes. What they do share, where they can reach the same folder, are
the trees that one of them has grown. In one process they read the matches once.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd
from dagster import DynamicOut, DynamicOutput, Nothing, UPathIOManager

from pipelines.defs.failures import FailureClass, failure, under_policy
from pipelines.forecast.contract import OUTCOMES
from pipelines.settings import Settings
from pipelines.store.silver import Silver
from pipelines.store.trees import TreesOnDisk
from pipelines.store.turn import alone
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    from upath import UPath

    from pipelines.forecast.learners import Grown
    from pipelines.forecast.models import Recipe

BACKTEST = dg.AssetKey(["forecast", "backtest"])

DISTANCE_COLUMNS = [
    *("log_loss", "market_log_loss", "difference", "difference_low", "difference_high"),
    *("rps", "market_rps", "brier", "market_brier", "accuracy", "skill_share"),
]


@dataclass(frozen=True)
class Walk:
    """What is to be forecast, and from what. Its matches are read once, by the first step that asks."""

    settings: Settings
    recipe_name: str
    first: int
    last: int
    out: str

    @property
    def recipe(self) -> "Recipe":
        from pipelines.forecast.models import MODELS

        return MODELS[self.recipe_name]

    @cached_property
    def known(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """What `training.matrix` returns: matches, features, quotes. Nobody writes meanwhile."""
        from pipelines.defs.training import matrix

        def say() -> None:
            dg.get_dagster_logger().warning("another run is at work; this one reads when that has ended")

        with alone(self.settings.model_url, timedelta(minutes=60), say):
            Silver(self.settings.model_url).require_whole()
            return matrix(Warehouse(self.settings.model_url), [self.recipe], self.first)

    @cached_property
    def grown(self) -> "Grown":
        """Trees on disk, for every step; what they said is remembered by the steps of one process."""
        from pipelines.forecast.learners import Grown

        return Grown(TreesOnDisk(self.settings.trees_dir))

    @cached_property
    def closing(self) -> pd.DataFrame:
        """`gold.closing_odds`: what every market closed at."""
        from pipelines.store.gold import closing_odds

        return closing_odds(Warehouse(self.settings.model_url))


class WalkResource(dg.ConfigurableResource[Walk]):
    """Which recipe is to forecast which seasons, and where else the forecasts shall be written."""

    recipe: str = "results"
    first: int = 2019
    last: int = 2023
    out: str = ""

    def create_resource(self, context: dg.InitResourceContext) -> Walk:
        """Say what is asked; nothing is read before a step needs it."""
        return Walk(Settings.read(), self.recipe, self.first, self.last, self.out)


class Frames(UPathIOManager):
    """Keeps the frame that one step hands to another, as Parquet."""

    extension = ".parquet"

    def dump_to_path(self, context: dg.OutputContext, obj: pd.DataFrame, path: "UPath") -> None:
        """Write it."""
        obj.to_parquet(str(path))

    def load_from_path(self, context: dg.InputContext, path: "UPath") -> pd.DataFrame:
        """Read it."""
        return pd.read_parquet(str(path))


@dg.io_manager
def frames(_: dg.InitResourceContext) -> Frames:
    """Frames in the edition's folder."""
    from upath import UPath

    return Frames(UPath(Settings.read().state_dir / "frames"))


def forget_ended(instance: dg.DagsterInstance, folder: Path) -> None:
    """Remove what ended runs handed from step to step; one that failed can be taken up again until the next begins."""
    for each in folder.iterdir() if folder.is_dir() else ():
        run = instance.get_run_by_id(each.name)
        if run is None or run.is_finished:
            shutil.rmtree(each, ignore_errors=True)


@dg.op(ins={"matches": dg.In(Nothing), "ratings": dg.In(Nothing)}, out=DynamicOut(Nothing))
@under_policy
def seasons(context: dg.OpExecutionContext, walk: dg.ResourceParam[Walk]) -> Iterator[DynamicOutput[None]]:
    """Name the seasons that can be forecast: each becomes a step."""
    from pipelines.forecast.splits import is_played

    forget_ended(context.instance, walk.settings.state_dir / "frames")
    matches = walk.known[0]
    there = sorted(set(matches.loc[is_played(matches), "season"]))
    wanted = [year for year in there[1:] if walk.first <= year <= walk.last]
    if not wanted:
        held = f"those from {there[0]} to {there[-1]}" if there else "none"
        raise failure(
            FailureClass.DATA,
            f"No season from {walk.first} to {walk.last} has played matches and earlier ones to learn from; the data hold {held}",
        )
    if lacking := sorted(set(range(walk.first, walk.last + 1)).difference(wanted)):
        context.log.warning(f"left out, for there are no matches or none before: {', '.join(map(str, lacking))}")
    for year in wanted:
        yield DynamicOutput(None, mapping_key=str(year))


@dg.op(ins={"start": dg.In(Nothing)}, out=dg.Out(io_manager_key="frames"))
@under_policy
def season(context: dg.OpExecutionContext, walk: dg.ResourceParam[Walk]) -> pd.DataFrame:
    """Forecast the season that the step is named after by models that have seen only earlier ones."""
    from pipelines.forecast.backtest import backtest, with_pooled_goals

    year = int(context.get_mapping_key() or "")
    forecasts = with_pooled_goals(backtest(*walk.known, walk.recipe, [year], walk.grown), walk.known[0])
    context.log.info(f"{len(forecasts):,} matches of {year}")
    return forecasts


@dg.op(out=dg.Out(Nothing))
@under_policy
def evidence(context: dg.OpExecutionContext, walk: dg.ResourceParam[Walk], forecasts: list[pd.DataFrame]) -> None:
    """Judge the seasons together, keep the figures, write the file if one is asked for."""
    from pipelines.evidence import write_evidence
    from pipelines.forecast.backtest import as_file, summarise
    from pipelines.forecast.book import grids
    from pipelines.forecast.market_scores import market_scores
    from pipelines.forecast.plots import distance_by_league, distance_to_market, reliability_diagram
    from pipelines.forecast.splits import is_played

    matches, whole = walk.known[0], pd.concat(forecasts)
    scores = summarise(whole)
    markets = market_scores(grids(whole), whole.index, matches, walk.closing)
    used = matches[is_played(matches)]
    figures = {
        "recipe": walk.recipe.name,
        "information_set": walk.recipe.information_set,
        "seasons": sorted(int(year) for year in whole["season"].unique()),
        "used": {
            "edition": walk.settings.edition,
            "is_simulated": walk.settings.is_simulated,
            "n_matches": len(used),
            "n_competitions": int(used["competition_id"].nunique()),
            "seasons": [int(used["season"].min()), int(used["season"].max())],
            "latest_known_at": used["known_at"].max().isoformat(),
        },
        "n_forecasts": len(whole),
        "scores": json.loads(scores.reset_index().to_json(orient="records")),
        "markets": json.loads(markets.rename_axis("market").reset_index().to_json(orient="records")),
    }
    path = write_evidence(walk.settings.evidence_dir, f"backtest-{walk.recipe.name}", figures)
    if walk.out:
        partial = Path(f"{walk.out}.{os.getpid()}")
        as_file(whole, matches, walk.recipe.information_set, walk.recipe.name).to_csv(partial, index=False)
        partial.replace(walk.out)
    plots = {
        "reliability": reliability_diagram(whole),
        "distance_by_season": distance_to_market(whole),
        "distance_by_league": distance_by_league(whole),
    }
    for name, png in plots.items():
        path.with_name(f"{path.stem}-{name}.png").write_bytes(png)
    context.add_output_metadata(_metadata(walk, scores, markets, plots, path))


@dg.graph_asset(
    key=BACKTEST,
    ins={
        "matches": dg.AssetIn(["gold", "feat_match"], dagster_type=Nothing),
        "ratings": dg.AssetIn(["forecast", "match_rating"], dagster_type=Nothing),
    },
    group_name="forecast",
    kinds={"python", "lightgbm"},
    owners=["team:forecasting"],
    description="Past seasons, each forecast by models that have seen only earlier ones: how far from closing, how calibrated.",
)
def backtest(matches: None, ratings: None) -> None:
    """A step for each season, and one that judges them together."""
    each = seasons(matches=matches, ratings=ratings).map(lambda begun: season(start=begun))
    return evidence(each.collect())  # type: ignore[no-any-return]


def _metadata(
    walk: Walk, scores: pd.DataFrame, markets: pd.DataFrame, plots: dict[str, bytes], path: Path
) -> dict[str, dg.MetadataValue]:
    from pipelines.defs.ingestion import table_metadata
    from pipelines.defs.training import picture

    overall = scores.iloc[0]  # over everything
    shown = scores.astype({"n": int}).round(4).reset_index()
    key = ["group", "name", "n"]
    lines = [f"{figure}_{outcome}" for outcome in OUTCOMES for figure in ("slope", "intercept")]
    return {
        "recipe": dg.MetadataValue.text(walk.recipe.name),
        "seasons": dg.MetadataValue.text(f"{walk.first} to {walk.last}"),
        **{name: dg.MetadataValue.float(float(overall[name])) for name in ("log_loss", "difference", "rps", "ece")},
        **{name: picture(name, png) for name, png in plots.items()},
        "scores": table_metadata(shown[[*key, *DISTANCE_COLUMNS]], limit=200),
        "calibration": table_metadata(shown[[*key, "ece", *lines, "sharpness", "market_sharpness"]], limit=200),
        "markets": table_metadata(markets.round(4).reset_index()),
        "evidence": dg.MetadataValue.path(str(path)),
    }


@dg.definitions
def defs() -> dg.Definitions:
    """The asset, and what its steps work with."""
    return dg.Definitions(assets=[backtest], resources={"walk": WalkResource(), "frames": frames})
