"""Which recipe it is: every declared setting that decides what its models say, and a digest of them all.

Belongs here: where such settings are declared. Does not belong here: what follows where two recipes differ (`promotion`).

Only what is declared is seen: constants that a module marks as `Final`, and parameters of models and learners. Of a formula
`FORMULAS` has to be told. How a library does its sums is no part of a recipe, nor which matches it learns from.
"""

import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from types import ModuleType
from typing import Any, Final

from sklearn.base import BaseEstimator

from pipelines.forecast import contract, devig, dixon_coles, features, innovations, learners, memory, standings, statespace
from pipelines.forecast.models import Recipe, history, market, members, results
from pipelines.forecast.ratings import elo, experience, goals, pi, shots

FORMULAS: Final = {"results": 1, "history": 1, "market": 1}
"""Raised by whoever changes a formula, in Python or SQL, that the set's recipes rest on, and none of the settings below."""

_RATED: Final = (elo, experience, goals, pi, shots, dixon_coles, standings, statespace, learners)
_REMEMBERED: Final = (devig, memory, innovations, members, history)
DECLARED: Final[dict[str, tuple[ModuleType, ...]]] = {
    "results": (*_RATED, results),
    "history": (*_RATED, *_REMEMBERED),
    "market": (*_RATED, *_REMEMBERED, features, market),
}
"""Information set to the modules that declare its settings: of what its models are fed, and of the models."""

PLAY: Final = "PLAY"
"""How the names of those settings of `memory` begin that `results` is fed by, too."""
WITHOUT_EFFECT: Final = ("N_THREADS",)
"""Settings of how something is computed that do not change what comes out."""


def digest(recipe: Recipe) -> str:
    """SHA-256 of `settings`: two recipes with one digest are the same, whatever their code looks like."""
    return hashlib.sha256(as_json(settings(recipe)).encode()).hexdigest()


def settings(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Every setting that decides what the recipe's models say, by where it stands and by its name, as JSON has it."""
    model = recipe.make()
    parameters = model.get_params() if isinstance(model, BaseEstimator) else {}
    own = {"name": recipe.name, "since": recipe.since, "n_seasons": recipe.n_seasons, "model": type(model).__name__}
    named = {
        "recipe": {**own, **{f"model.{name}": value for name, value in parameters.items()}},
        "information_set": {
            "name": recipe.information_set,
            "features": contract.FEATURES[recipe.information_set],
            "labels": contract.LABELS[recipe.information_set],
            "formulas": FORMULAS[recipe.information_set],
        },
        "memory": {name: value for name, value in _declared(memory).items() if name.startswith(PLAY)},
        **{_name(module): _declared(module) for module in DECLARED[recipe.information_set]},
    }
    plain: dict[str, dict[str, Any]] = json.loads(as_json(named))
    return plain


def as_json(settings: Mapping[str, Any]) -> str:
    """Settings as text that a person can read, the same for the same settings.

    Raises
    ------
    TypeError
        If a setting is of a kind that has no such text: none may be passed over.
    """
    return json.dumps(_plain(settings), indent=1, sort_keys=True) + "\n"


def differing(one: Mapping[str, Mapping[str, Any]], other: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of the settings that differ between two results of `settings`, as `place.name`, in order."""
    flat = [{f"{place}.{name}": value for place, named in each.items() for name, value in named.items()} for each in (one, other)]
    absent = object()
    return sorted(name for name in {**flat[0], **flat[1]} if flat[0].get(name, absent) != flat[1].get(name, absent))


def _declared(module: ModuleType) -> dict[str, Any]:
    """The constants that the module itself declares, and the parameters that its estimators have by default."""
    constants = {name: getattr(module, name) for name in inspect.get_annotations(module) if name not in WITHOUT_EFFECT}
    defaults = {
        f"{name}.{parameter.name}": parameter.default
        for name, each in vars(module).items()
        if isinstance(each, type) and issubclass(each, BaseEstimator) and each.__module__ == module.__name__
        for parameter in inspect.signature(each).parameters.values()
        if parameter.default is not parameter.empty
    }
    return constants | defaults


def _plain(value: Any) -> Any:
    if inspect.isfunction(value) or isinstance(value, type):
        return value.__qualname__
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(_plain(each) for each in value)
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def _name(module: ModuleType) -> str:
    return module.__name__.removeprefix("pipelines.forecast.")
