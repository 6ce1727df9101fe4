"""What events are held against says what OpenLineage's specification says.

The specification's own files are part of no package; the classes that its authors generate from them are part of theirs: for each
object its members, which of them have to be there, their types and the address of its schema.
"""

import importlib
import pkgutil
import typing
from collections.abc import Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Any

import attrs
import pytest
from openlineage.client import generated
from openlineage.client.generated import base

from tests.defs.openlineage import RUN_EVENT

TYPES = {str: "string", bool: "boolean", int: "integer"}


def _made() -> dict[str, type]:
    """The class of each facet, by the address of its schema."""
    modules = [importlib.import_module(f"{generated.__name__}.{each.name}") for each in pkgutil.iter_modules(generated.__path__)]
    facets = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    return {facet._get_schema(): facet for facet in facets if issubclass(facet, base.BaseFacet)}


FACETS = _made()


def _differences(stated: dict[str, Any], made: type, at: str) -> Iterator[str]:
    """Where an object's schema and the class made from the specification's differ in members, their types, or what is required."""
    hints = typing.get_type_hints(made, {**vars(base), **vars(importlib.import_module(made.__module__))})
    members = {field.name: field for field in attrs.fields(made)}
    required = {"eventTime", "producer", "schemaURL"} & members.keys() | {"_producer", "_schemaURL"} & members.keys()
    required |= {name for name, field in members.items() if field.default is attrs.NOTHING}
    if unknown := stated["properties"].keys() - members.keys():
        yield f"{at} has no {', '.join(sorted(unknown))}"
    if missing := required - {*stated["required"]}:
        yield f"{at} requires {', '.join(sorted(missing))}"
    for name, schema in stated["properties"].items():
        if name in members:
            yield from _of_member(schema, hints[name], f"{at}.{name}")


def _of_member(stated: dict[str, Any], hint: Any, at: str) -> Iterator[str]:
    if isinstance(hint, UnionType):
        (hint,) = [each for each in typing.get_args(hint) if each is not NoneType]
    if typing.get_origin(hint) is list:
        if "items" in stated:  # otherwise none may be in it
            yield from _of_member(stated["items"], typing.get_args(hint)[0], at)
    elif typing.get_origin(hint) is dict:
        for name, facet in stated.get("properties", {}).items():
            yield from _of_facet(facet, typing.get_args(hint)[1], f"{at}.{name}")
    elif attrs.has(hint):
        yield from _differences(stated, hint, at)
    elif issubclass(hint, Enum):
        if {*stated["enum"]} != {each.value for each in hint}:
            yield f"{at} has other values"
    elif stated.get("type", TYPES[str]) != TYPES[hint]:
        yield f"{at} is of type {TYPES[hint]}"


def _of_facet(stated: dict[str, Any], kind: type, at: str) -> Iterator[str]:
    made = FACETS.get(stated["properties"]["_schemaURL"]["const"])
    if made is None or not issubclass(made, kind):
        yield f"{at} is no {kind.__name__} of this version"
    else:
        yield from _differences(stated, made, at)


def test_an_event_is_held_against_what_the_specification_s_own_classes_have() -> None:
    assert list(_differences(RUN_EVENT.schema, base.RunEvent, "event")) == []


@pytest.mark.parametrize(
    ("path", "broken", "difference"),
    [
        (("job", "properties", "nme"), {"type": "string"}, "event.job has no nme"),
        (("run", "required"), [], "event.run requires runId"),
        (("job", "properties", "name", "type"), "integer", "event.job.name is of type string"),
        (("eventType", "enum"), ["START"], "event.eventType has other values"),
        (
            ("outputs", "items", "properties", "facets", "properties", "schema", "properties", "_schemaURL", "const"),
            "https://openlineage.io/spec/facets/1-1-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
            "event.outputs.facets.schema is no DatasetFacet of this version",
        ),
    ],
)
def test_a_statement_that_differs_is_found(path: tuple[str, ...], broken: Any, difference: str) -> None:
    def replaced(schema: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        return {**schema, path[0]: broken if len(path) == 1 else replaced(schema[path[0]], path[1:])}

    wrong = replaced(RUN_EVENT.schema, ("properties", *path))
    assert list(_differences(wrong, base.RunEvent, "event")) == [difference]
