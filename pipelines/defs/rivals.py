"""Whom a challenger is compared with, and by which of the champion's forecasts.

Belongs here: telling a routine refit from a changed recipe, finding forecasts of the champion that are honest (of matches that
it has not learnt from), and keeping a version's own for those that come after it. Does not belong here: the rules by which a
comparison is decided (`pipelines.forecast.promotion`).
"""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pipelines.defs.champions import RECIPE_DIGEST, is_readable
from pipelines.forecast.contract import PROBABILITIES
from pipelines.store.registry import ModelVersion

if TYPE_CHECKING:
    from pipelines.forecast.models import Model, Recipe
    from pipelines.forecast.promotion import Rival

N_LEAST = 300
"""Matches on which a challenger and forecasts of the champion must meet: some two weeks of all leagues."""

N_SHOWN = 5
"""Settings that a sentence names."""

FORECASTS, SETTINGS = "forecasts.csv.gz", "recipe.json"
"""A version's walk-forward forecasts and its recipe's settings, among its evidence."""


@dataclass(frozen=True)
class Champion:
    """The version that is served, and the recipe that this code has under its name: None if there is none."""

    version: ModelVersion
    recipe: "Recipe | None"

    @classmethod
    def of(cls, version: ModelVersion | None) -> "Champion | None":
        """None if nothing is served."""
        from pipelines.forecast.models import MODELS

        return None if version is None else cls(version, MODELS.get(version.tags.get("recipe", "")))


@dataclass(frozen=True)
class Known:
    """How a champion's forecasts can be had; what costs something is asked only where it is needed.

    Attributes:
        challenger: what `backtest.backtest` says of the challenger's recipe.
        features: of these matches at least, those of the information set.
        walk_forward: what `backtest.backtest` says of another recipe.
        read: the fitted model of a version that is readable.
        evidence: a file of a version's evidence, None if it has none of that name.
    """

    challenger: pd.DataFrame
    features: pd.DataFrame
    walk_forward: "Callable[[Recipe], pd.DataFrame]"
    read: "Callable[[ModelVersion], Model]"
    evidence: Callable[[ModelVersion, str], bytes | None]


def rival(champion: Champion | None, recipe: "Recipe", known: Known) -> "Rival":
    """What a recipe's challenger is compared with.

    A refit meets the served model itself on what it has not learnt from, as long as that is little the walk-forward forecasts
    that were kept with it. A changed recipe meets the champion's by the present code if that is still the champion's own, else
    what was kept, else the served model.
    """
    from pipelines.forecast.identity import digest
    from pipelines.forecast.promotion import Kind, Rival

    if champion is None:
        return Rival(Kind.FIRST)
    made_of = champion.version.tags.get(RECIPE_DIGEST)
    # Of a version from before there were digests the name is all that is known: taken for another, it would be refitted no more.
    if made_of == digest(recipe) or (made_of is None and champion.recipe is recipe):
        return Rival(Kind.REFIT, *_of_the_same_recipe(champion.version, known))
    return Rival(Kind.CHANGED, *_of_another_recipe(champion, recipe, known), _differs(recipe, champion.version, known))


def unopposed(champion: Champion | None, recipe: "Recipe", known: Known) -> "Rival":
    """In place of `rival`, what a recipe is compared with where somebody ordered that it is no champion."""
    from pipelines.forecast.promotion import Kind, Rival

    return Rival(Kind.FIRST if champion is None else Kind.UNOPPOSED)


def keep(folder: Path, forecasts: pd.DataFrame, recipe: "Recipe") -> None:
    """Write what later versions are compared with into the folder of a version's evidence.

    Args:
        folder: there already.
        forecasts: index `match_id`, `contract.PROBABILITIES`; each number is written so that it is read back to the last bit.
    """
    from pipelines.forecast.identity import as_json, settings

    text = forecasts[list(PROBABILITIES)].rename_axis("match_id").to_csv()
    (folder / FORECASTS).write_bytes(gzip.compress(text.encode(), mtime=0))
    (folder / SETTINGS).write_text(as_json(settings(recipe)), encoding="utf-8")


def _of_the_same_recipe(version: ModelVersion, known: Known) -> tuple[pd.DataFrame | None, str]:
    """The champion's forecasts for a refit, and whose they are."""
    unseen, told_by = _unseen(version, known)
    if unseen is not None:
        return unseen, told_by
    # Of one recipe on the same matches forecasts differ by what was corrected since: that shows on few already.
    kept, also = _kept(version, known, n_least=1)
    return kept, also if kept is not None else f"{told_by}, and {also}"


def _of_another_recipe(champion: Champion, recipe: "Recipe", known: Known) -> tuple[pd.DataFrame | None, str]:
    """The champion's forecasts for a recipe that is not known to be its own, and whose they are."""
    from pipelines.forecast.identity import digest

    own, made_of = champion.recipe, champion.version.tags.get(RECIPE_DIGEST)
    if own is not None and own is not recipe and made_of in (None, digest(own)):
        return known.walk_forward(own), f"the recipe {own.name}, walk-forward"
    kept, told_by = _kept(champion.version, known)
    if kept is not None:
        return kept, told_by
    unseen, also = _unseen(champion.version, known)
    return unseen, also if unseen is not None else f"{told_by}, and {also}"


def _kept(version: ModelVersion, known: Known, n_least: int = N_LEAST) -> tuple[pd.DataFrame | None, str]:
    """The challenger's matches with the forecasts that were kept with a version, None if they are too few, and whose they are."""
    content = known.evidence(version, FORECASTS)
    if content is None:
        return None, f"no forecasts were kept with version {version.version}"
    text = io.BytesIO(gzip.decompress(content))
    kept = pd.read_csv(text, index_col="match_id", dtype={"match_id": str}, float_precision="round_trip")
    shared = known.challenger.index.intersection(kept.index, sort=False)
    if len(shared) < n_least:
        return None, f"version {version.version} was judged on {len(shared)} of these matches, of {n_least} that it takes"
    met = known.challenger.loc[shared].copy()
    met[list(PROBABILITIES)] = kept.loc[shared, list(PROBABILITIES)].to_numpy()
    return met, f"the walk-forward forecasts that were kept with version {version.version}"


def _unseen(version: ModelVersion, known: Known) -> tuple[pd.DataFrame | None, str]:
    """The challenger's matches that a version has not learnt from with what it says of them, None if they are too few."""
    if not is_readable(version):
        return None, f"version {version.version} cannot be read by this code"
    if "learnt_until" not in version.tags:
        return None, f"version {version.version} does not tell what it has learnt from"
    unseen = known.challenger[known.challenger["as_of"] >= pd.Timestamp(version.tags["learnt_until"])].copy()
    if len(unseen) < N_LEAST:
        return None, f"version {version.version} has learnt from all but {len(unseen)} of these matches"
    unseen[list(PROBABILITIES)] = known.read(version).predict_proba(known.features.loc[unseen.index])
    return unseen, f"what version {version.version} says of matches that it has not learnt from"


def _differs(recipe: "Recipe", version: ModelVersion, known: Known) -> str:
    """In what a recipe differs from a version's, as a sentence."""
    from pipelines.forecast.identity import differing, settings

    if version.tags["recipe"] != recipe.name:
        return f"The recipe is {recipe.name}, that of version {version.version} is {version.tags['recipe']}."
    was = known.evidence(version, SETTINGS)
    names = [] if was is None else differing(json.loads(was), settings(recipe))
    if not names:
        return f"The recipe has other settings than that of version {version.version}."
    more = f" and {len(names) - N_SHOWN} more" if len(names) > N_SHOWN else ""
    return f"The recipe has other settings than that of version {version.version}: {', '.join(names[:N_SHOWN])}{more}."
