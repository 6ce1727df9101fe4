"""What events are held against says what OpenLineage's specification says.

The specification's own files are part of no package; the classes that its authors generate from them are part of theirs: for each
object its members, which of them have to be there, their types and the address of its schema.
"""

import copy
import importlib
import typing
from collections.abc import Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Any

import attrs
import pytest
from jsonschema import Draft202012Validator
from openlineage.client.generated import base

from tests.defs import openlineage_classes
from tests.defs.openlineage import RUN_EVENT
from tests.defs.openlineage_classes import FACETS, derived

TYPES = {str: "string", bool: "boolean", int: "integer"}


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


EVENT = {
    "eventTime": "2026-03-01T12:00:00.000Z",
    "eventType": "COMPLETE",
    "producer": "https://example.org/football",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {
        "runId": "0197b2f4-0d7c-7a3e-8f51-6f0a3c1d2e4b",
        "facets": {
            "nominalTime": {
                "_producer": "https://example.org/football",
                "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet",
                "nominalStartTime": "2026-03-01T06:00:00Z",
            }
        },
    },
    "job": {"namespace": "football", "name": "day"},
    "outputs": [
        {
            "namespace": "postgres://here:5432",
            "name": "football.gold.fct_match",
            "outputFacets": {
                "outputStatistics": {
                    "_producer": "https://example.org/football",
                    "_schemaURL": "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json"
                    "#/$defs/OutputStatisticsOutputDatasetFacet",
                    "rowCount": 2,
                }
            },
        }
    ],
}


def test_what_is_derived_from_the_classes_is_a_json_schema_and_takes_an_event_of_the_specification() -> None:
    Draft202012Validator.check_schema(openlineage_classes.RUN_EVENT.schema)
    assert [fault.message for fault in openlineage_classes.RUN_EVENT.iter_errors(EVENT)] == []


def test_the_form_of_a_text_is_what_the_class_itself_checks() -> None:
    classes = derived(base.RunEvent)["$defs"]
    event = classes["base.RunEvent"]["properties"]
    forms = {name: event[name].get("format") for name in ("eventTime", "producer")}
    assert forms == {"eventTime": "date-time", "producer": "uri"}
    assert event["eventType"]["enum"] == ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]
    assert classes["base.Run"]["properties"]["runId"]["format"] == "uuid"
    assert classes["base.Run"]["required"] == ["runId"]
    assert classes["base.Job"]["properties"]["name"] == {"type": "string"}
    statistics = classes["output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet"]
    assert statistics["required"] == ["_producer", "_schemaURL"]
    assert len([name for name in classes if name.endswith("Facet")]) == len(FACETS) - 6, "all but the six kinds of them"


NOMINAL = ("run", "facets", "nominalTime")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("run", "runId"), "1"),
        (("run", "runId"), None),
        (("eventTime",), "2026-03-01"),
        (("eventType",), "DONE"),
        (("producer",), "football"),
        (("schemaURL",), "https://openlineage.io/spec/1-0-0/OpenLineage.json#/$defs/RunEvent"),
        (("job", "nme"), "day"),
        ((*NOMINAL, "_producer"), None),
        (
            (*NOMINAL, "_schemaURL"),
            "https://openlineage.io/spec/facets/9-9-9/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet",
        ),
        ((*NOMINAL, "nominalStartTime"), "yesterday"),
        ((*NOMINAL, "nominalStart"), "2026-03-01T06:00:00Z"),
        (("job", "facets"), {"nominalTime": EVENT["run"]["facets"]["nominalTime"]}),  # type: ignore[index]
        (("outputs", 0, "outputFacets", "outputStatistics", "rowCount"), "2"),
        (("outputs", 0, "inputFacets"), {}),
        (("outputs",), {}),
    ],
)
@pytest.mark.parametrize("schema", [RUN_EVENT, openlineage_classes.RUN_EVENT], ids=["stated", "derived"])
def test_an_event_that_is_not_of_the_specification_is_refused(
    schema: Draft202012Validator, path: tuple[str | int, ...], value: Any
) -> None:
    """None takes the member away."""
    event: Any = copy.deepcopy(EVENT)
    at = event
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    assert list(schema.iter_errors(EVENT)) == []
    assert list(schema.iter_errors(event)) != []
