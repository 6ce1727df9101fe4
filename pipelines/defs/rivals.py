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
"""Matches on which the same forecasts are no chance: some two weeks of all leagues."""

LEAST_SHARE = 0.8
"""Of the matches that a changed recipe is judged on, on how many at least it must meet the champion: most of the two seasons."""

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

    A refit meets what the champion says of all that it may be asked about: of matches that it has not learnt from by the served
    model, of the others by the walk-forward forecasts that were kept with it. A changed recipe meets walk-forward forecasts
    alone: those of the champion's recipe by the present code if that is still the champion's own, else those that were kept with
    it, where they are of most matches. The served model knows the first part of the season that it is asked about, before which
    what speaks for the challenger stopped learning: a better recipe would seem the worse one. Whose forecasts are those that were
    kept, to the last bit, is no changed recipe, whatever its settings are called now.
    """
    from pipelines.forecast.identity import digest
    from pipelines.forecast.promotion import Kind, Rival

    if champion is None:
        return Rival(Kind.FIRST)
    own, made_of = champion.recipe, champion.version.tags.get(RECIPE_DIGEST)
    # Of a version from before there were digests the name is all that is known: taken for another, it would be refitted no more.
    if made_of == digest(recipe) or (made_of is None and own is recipe):
        return Rival(Kind.REFIT, *_told_of(champion.version, known))
    if own is recipe and _is_what_was_kept(champion.version, known):
        return Rival(Kind.REFIT, *_told_of(champion.version, known))
    differs = _differs(recipe, champion.version, known)
    if own is not None and own is not recipe and made_of in (None, digest(own)):
        return Rival(Kind.CHANGED, known.walk_forward(own), f"the recipe {own.name}, walk-forward", differs)
    return Rival(Kind.CHANGED, *_kept_of_most(champion.version, known), differs)


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


def _told_of(version: ModelVersion, known: Known) -> tuple[pd.DataFrame | None, str]:
    """The challenger's matches with what a version says of them, None if it says nothing of any, and whose words it is."""
    unseen, kept = _unseen(version, known), _kept(version, known)
    met = pd.concat([kept[~kept.index.isin(unseen.index)], unseen])
    met = met.loc[known.challenger.index.intersection(met.index, sort=False)]
    n_unseen, n_kept = len(unseen), len(met) - len(unseen)
    if met.empty:
        return None, f"of version {version.version} there are forecasts of 0 of these {len(known.challenger)} matches"
    told_by = {
        _was_kept_with(version): n_kept,
        f"what it says of {n_unseen} matches that it has not learnt from": n_unseen,
    }
    return met, ", and ".join(words for words, n in told_by.items() if n)


def _kept_of_most(version: ModelVersion, known: Known) -> tuple[pd.DataFrame | None, str]:
    """The challenger's matches that forecasts were kept of with a version, None if those are not most, and whose words it is."""
    kept, n_least = _kept(version, known), round(LEAST_SHARE * len(known.challenger))
    if len(kept) < n_least:
        few = f"with version {version.version} forecasts were kept of {len(kept)} of these {len(known.challenger)} matches"
        return None, f"{few}, of {n_least} that it takes"
    return kept, _was_kept_with(version)


def _was_kept_with(version: ModelVersion) -> str:
    return f"the walk-forward forecasts that were kept with version {version.version}"


def _is_what_was_kept(version: ModelVersion, known: Known) -> bool:
    """Whether the challenger says to the last bit what was kept with a version, of at least `N_LEAST` matches."""
    kept = _kept(version, known)
    names = list(PROBABILITIES)
    return len(kept) >= N_LEAST and bool((kept[names].to_numpy() == known.challenger.loc[kept.index, names].to_numpy()).all())


def _kept(version: ModelVersion, known: Known) -> pd.DataFrame:
    """The challenger's matches that forecasts were kept of with a version, with those."""
    content = known.evidence(version, FORECASTS)
    if content is None:
        return known.challenger.iloc[:0]
    text = io.BytesIO(gzip.decompress(content))
    kept = pd.read_csv(text, index_col="match_id", dtype={"match_id": str}, float_precision="round_trip")
    shared = known.challenger.index.intersection(kept.index, sort=False)
    met = known.challenger.loc[shared].copy()
    met[list(PROBABILITIES)] = kept.loc[shared, list(PROBABILITIES)].to_numpy()
    return met


def _unseen(version: ModelVersion, known: Known) -> pd.DataFrame:
    """The challenger's matches that a version has not learnt from, as far as it tells, with what it says of them."""
    if not is_readable(version) or "learnt_until" not in version.tags:
        return known.challenger.iloc[:0]
    unseen = known.challenger[known.challenger["as_of"] >= pd.Timestamp(version.tags["learnt_until"])].copy()
    if len(unseen):
        unseen[list(PROBABILITIES)] = known.read(version).predict_proba(known.features.loc[unseen.index])
    return unseen


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
