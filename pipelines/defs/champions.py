"""Champions: the models that are served, one for each information set that has one.

Belongs here: finding and reading them, and whether this version of the code can. Does not belong here: what they say
(`predictions`), or how one is made and promoted (`training`).
"""

import hashlib
from typing import TYPE_CHECKING

import dagster as dg

from pipelines.defs.failures import FailureClass, failure
from pipelines.forecast import contract
from pipelines.settings import Settings
from pipelines.store import gold
from pipelines.store.registry import ModelVersion, Registry
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    from pipelines.forecast.models import Model


RECIPE_DIGEST = "recipe_sha256"
"""The tag of a version by which a refit is told from a changed recipe: `pipelines.forecast.identity.digest`."""
_FEATURES, _FEATURES_SHA256 = "features", "features_sha256"
"""The tags of a version that name what it learnt from, and tell a digest of that for people."""


def served_sets(settings: Settings, registry: Registry) -> list[str]:
    """The information sets that have a champion which can be read: what others once said is no longer in force."""
    return list(served_champions(settings, registry))


def served_champions(settings: Settings, registry: Registry) -> dict[str, ModelVersion]:
    """Information set to its champion, of those that have one that can be read."""
    champions = {name: registry.champion(settings.model_name(name)) for name in contract.FEATURES}
    return {name: champion for name, champion in champions.items() if champion and is_readable(champion)}


def served(settings: Settings, warehouse: Warehouse, registry: Registry) -> "dict[str, tuple[ModelVersion, Model]]":
    """Information set to champion and model, of those that have one that can be read.

    Raises:
        dg.Failure: none has.
    """
    found, unread = {}, []
    for name in contract.FEATURES:
        champion = registry.champion(settings.model_name(name)) or _promoted_before(settings, warehouse, registry, name)
        if champion is None:
            continue
        if not is_readable(champion):
            unread.append(f"the champion of {name} was made by another version of this code")
            continue
        found[name] = champion, read(settings, registry, champion)
    if not found:
        raise failure(FailureClass.DATA, _why_none(settings, warehouse, unread))
    for sentence in unread:
        dg.get_dagster_logger().warning(f"{sentence}: nothing new is said by it until `football train` was run")
    return found


def _why_none(settings: Settings, warehouse: Warehouse, unread: list[str]) -> str:
    if unread:
        return (
            f"Nothing can be forecast: {'; '.join(unread)}. `football train` makes one that can be read; where that is not "
            "shown to be better, the code that made the old one serves it again, or `football train --unopposed SET` lets the "
            "new one in."
        )
    if refused := gold.last_refusal(warehouse, [settings.model_name(name) for name in contract.FEATURES]):
        return (
            f"Nothing can be forecast: no model was good enough to be served. {refused} More competitions or seasons "
            "(COMPETITIONS, SEASONS) teach it more."
        )
    return "Nothing can be forecast: there is no champion yet. `football train` makes one."


def read(settings: Settings, registry: Registry, champion: ModelVersion) -> "Model":
    """The fitted model of a version that is readable."""
    from pipelines.forecast.models import MODELS

    return MODELS[champion.tags["recipe"]].read(registry.fetch(champion, settings.state_dir / "models"))


def is_readable(champion: ModelVersion) -> bool:
    """Whether this code knows the recipe and the form of its files, and has every feature that it learnt from.

    Features that came later do not matter: each learner of a model names its own.
    """
    from pipelines.forecast.models import MODELS
    from pipelines.forecast.models.files import FORMAT

    recipe = MODELS.get(champion.tags.get("recipe", ""))
    if recipe is None or champion.tags.get("format") != str(FORMAT):
        return False
    if _FEATURES not in champion.tags:  # made when a version told a digest alone
        return champion.tags.get(_FEATURES_SHA256) == legible(recipe.information_set)[_FEATURES_SHA256]
    return set(champion.tags[_FEATURES].split()).issubset(contract.FEATURES[recipe.information_set])


def made_by(version: ModelVersion) -> str:
    """By which code a version was made, as the end of a sentence, with what brings that code back."""
    revision = version.tags.get("git_revision", "unknown")
    if revision == "unknown":
        return "by code of which no revision is known"
    if revision.endswith("+"):
        return f"by files that differed from revision {revision[:-1]} (`git checkout {revision[:-1]}` has what they began as)"
    return f"by revision {revision} (`git checkout {revision}`, then `make install`)"


def sets_to_train(settings: Settings, warehouse: Warehouse, registry: Registry) -> list[str]:
    """The information sets whose champion cannot be read, and `results` if it never had one: what a build trains first."""
    wanted = []
    for name in contract.FEATURES:
        champion = registry.champion(settings.model_name(name))
        is_first = name == "results" and champion is None and gold.last_promoted(warehouse, settings.model_name(name)) is None
        if is_first or (champion is not None and not is_readable(champion)):
            wanted.append(name)
    return wanted


def legible(information_set: str) -> dict[str, str]:
    """The tags by which a version of a set tells whether another version of the code can read it."""
    from pipelines.forecast.models.files import FORMAT

    columns = contract.FEATURES[information_set]
    return {
        "format": str(FORMAT),
        _FEATURES: " ".join(columns),
        _FEATURES_SHA256: hashlib.sha256("\n".join(columns).encode()).hexdigest(),
    }


def _promoted_before(settings: Settings, warehouse: Warehouse, registry: Registry, information_set: str) -> ModelVersion | None:
    """Give the alias to the version whose promotion was decided by a training that died before it could."""
    name = settings.model_name(information_set)
    decided = gold.last_promoted(warehouse, name)
    if decided is None or decided[0] not in {model.version for model in registry.versions(name)}:
        return None
    registry.promote(name, *decided)
    return registry.champion(name)
