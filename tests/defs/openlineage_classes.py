"""A JSON Schema of a run's event, derived from the classes that OpenLineage generates from its specification.

Belongs here: the derivation. The specification's own JSON Schema is part of no package of PyPI or npm; what `openlineage-python`
has is what its generator made of it, so this is that schema at second hand: members, which of them have to be there, their types,
the form of texts where a class checks it (UUIDs, moments, addresses; `openlineage_forms` says what they are), the values of
enumerations, and of each facet the address of its schema, its producer and the place where it may stand. Stricter than the
specification: no object has other members than these, and no facet is of somebody's own.
"""

import importlib
import pkgutil
import typing
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final

import attrs
from jsonschema import Draft202012Validator
from openlineage.client import generated
from openlineage.client.generated import base

from tests.defs.openlineage_forms import FORMATS, MOMENT, URI, UUID

_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}

_UUID, _MOMENT, _BROKEN = "0197b2f4-0d7c-7a3e-8f51-6f0a3c1d2e4b", "2026-03-01T12:00:00Z", "http://["

_FORMS: Final[Mapping[frozenset[str], Mapping[str, str]]] = {
    frozenset({_UUID}): UUID,
    frozenset({_MOMENT}): MOMENT,
    frozenset({_UUID, _MOMENT}): URI,
}
"""What of these three texts a class's own check takes, to the form that it stands for. Of an address it refuses almost nothing."""


def _facets() -> dict[str, type]:
    """The class of each facet, by the address of its schema."""
    modules = [importlib.import_module(f"{generated.__name__}.{each.name}") for each in pkgutil.iter_modules(generated.__path__)]
    found = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    return {each._get_schema(): each for each in found if issubclass(each, base.BaseFacet)}


FACETS: Final = _facets()


def derived(made: type) -> dict[str, Any]:
    """The schema of the event itself; each class that it is made of is one of the definitions, by its name."""
    definitions: dict[str, Any] = {}
    return {**_defined(made, definitions), "$defs": definitions}


def _defined(made: type, definitions: dict[str, Any]) -> dict[str, Any]:
    name = f"{made.__module__.rpartition('.')[2]}.{made.__name__}"
    if name not in definitions:
        definitions[name] = {}  # a class may have members of its own kind
        definitions[name] = _object(made, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _object(made: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(made, {**vars(base), **vars(importlib.import_module(made.__module__))})
    members = {field.name: _of_member(hints[field.name], definitions, field) for field in attrs.fields(made)}
    required = {field.name for field in attrs.fields(made) if field.default is attrs.NOTHING}
    # These have a default in the classes, which is never what goes over the wire without them.
    addressed = {"_producer", "_schemaURL"} if issubclass(made, base.BaseFacet) else {"producer", "schemaURL"} & members.keys()
    for name in addressed & {"_schemaURL", "schemaURL"}:
        members[name] = {"const": made._get_schema()}  # type: ignore[attr-defined]
    return {
        "type": "object",
        "properties": members,
        "required": sorted(required | addressed),
        "additionalProperties": False,
    }


def _of_member(hint: Any, definitions: dict[str, Any], field: "attrs.Attribute[Any] | None" = None) -> dict[str, Any]:
    if typing.get_origin(hint) in (UnionType, typing.Union):  # what may be None is absent, never null
        kinds = [_of_member(each, definitions, field) for each in typing.get_args(hint) if each is not NoneType]
        found = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    elif hint is Any:
        found = {}
    elif typing.get_origin(hint) is list:
        found = {"type": "array", "items": _of_member(typing.get_args(hint)[0], definitions)}
    elif typing.get_origin(hint) is dict:
        found = {"type": "object", "additionalProperties": _of_value(typing.get_args(hint)[1], definitions)}
    elif attrs.has(hint):
        found = _defined(hint, definitions)
    elif typing.get_origin(hint) is typing.Literal:
        found = {"enum": [*typing.get_args(hint)]}
    elif issubclass(hint, Enum):
        found = {"enum": [each.value for each in hint]}
    else:
        found = {"type": _TYPES[hint], **form_of(field)}
    return found


def _of_value(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, base.BaseFacet):
        return {"oneOf": [_defined(each, definitions) for each in FACETS.values() if issubclass(each, kind) and each is not kind]}
    return _of_member(kind, definitions)


def form_of(field: "attrs.Attribute[Any] | None") -> Mapping[str, str]:
    """What the class's own check of a text stands for: found by asking it."""
    check = field.validator if field is not None else None
    if check is None:
        return {}
    taken = set()
    for sample in (_UUID, _MOMENT, _BROKEN):
        # One that looks at other members of its object is about them.
        with suppress(ValueError, AttributeError):
            check(None, field, sample)
            taken.add(sample)
    return _FORMS.get(frozenset(taken), {})


RUN_EVENT: Final = Draft202012Validator(derived(base.RunEvent), format_checker=FORMATS)
"""Validates one event as it goes over the wire, decoded from JSON."""
