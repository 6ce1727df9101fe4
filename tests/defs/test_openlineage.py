"""What events are held against says what OpenLineage's specification says.

The specification's own files are part of no package; the classes that its authors generate from them are part of theirs: for each
object its members, which of them have to be there, their types and forms and the address of its schema.
"""

import copy
import importlib
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any

import attrs
import pytest
from jsonschema import Draft202012Validator
from openlineage.client.generated import base

from tests.defs import openlineage_classes
from tests.defs.openlineage import RUN_EVENT
from tests.defs.openlineage_classes import FACETS, derived, form_of
from tests.defs.openlineage_forms import URI, UUID

TYPES = {str: "string", bool: "boolean", int: "integer"}
NO_FORM: Mapping[str, str] = {}

SCHEMA = ("outputs", "items", "properties", "facets", "properties", "schema", "properties")
COLUMN = (*SCHEMA, "fields", "items", "properties")


def _differences(stated: dict[str, Any], made: type, at: str) -> Iterator[str]:
    """Where an object's schema and the class made from the specification's differ: members, what is required, types and forms."""
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
            yield from _of_member(schema, hints[name], f"{at}.{name}", form_of(members[name]))


def _of_member(stated: dict[str, Any], hint: Any, at: str, form: Mapping[str, str] = NO_FORM) -> Iterator[str]:
    if isinstance(hint, UnionType):
        (hint,) = [each for each in typing.get_args(hint) if each is not NoneType]
    if typing.get_origin(hint) is list:
        if stated.get("type") != "array":
            yield f"{at} is of type array"
        if "items" in stated:  # otherwise none may be in it
            yield from _of_member(stated["items"], typing.get_args(hint)[0], at)
    elif typing.get_origin(hint) is dict:
        for name, facet in stated.get("properties", {}).items():
            yield from _of_facet(facet, typing.get_args(hint)[1], f"{at}.{name}")
    elif attrs.has(hint):
        yield from _differences(stated, hint, at)
    else:
        yield from _of_value(stated, hint, at, form)


def _of_value(stated: dict[str, Any], hint: Any, at: str, form: Mapping[str, str]) -> Iterator[str]:
    if issubclass(hint, Enum):
        if {*stated["enum"]} != {each.value for each in hint}:
            yield f"{at} has other values"
    elif hint is str and stated.keys() & {"const", "enum"}:
        return  # stricter than any form
    elif stated.get("type") != TYPES[hint]:
        yield f"{at} is of type {TYPES[hint]}"
    elif {each: stated[each] for each in ("format", "pattern") if each in stated} != form:
        yield f"{at} is of the form {form.get('format', 'any')}"


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
        (("inputs", "type"), "string", "event.inputs is of type array"),
        ((*COLUMN, "fields"), {"maxItems": 0}, "event.outputs.facets.schema.fields.fields is of type array"),
        (("producer",), {"type": "string"}, "event.producer is of the form uri"),
        (("eventTime",), {"type": "string", **UUID}, "event.eventTime is of the form date-time"),
        (("job", "properties", "name"), {"type": "string", **URI}, "event.job.name is of the form any"),
        (
            (*SCHEMA, "_schemaURL", "const"),
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


RUN_ID = "0197b2f4-0d7c-7a3e-8f51-6f0a3c1d2e4b"
EVENT = {
    "eventTime": "2026-03-01T12:00:00.000Z",
    "eventType": "COMPLETE",
    "producer": "https://example.org/football",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {
        "runId": RUN_ID,
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
            "facets": {
                "schema": {
                    "_producer": "https://example.org/football",
                    "_schemaURL": "https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
                    "fields": [{"name": "match_id", "fields": []}],
                }
            },
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

NO_MOMENTS = [
    *("yesterday", "2026-03-01", "2026-03-01T06", "2026-03-01T06:00:00"),
    *("2026-13-45T99:99:99Z", "2026-02-30T06:00:00Z", "2025-02-29T06:00:00Z", "2026-03-00T06:00:00Z"),
    *("2026-03-01T24:00:00Z", "2026-03-01T06:60:00Z", "2026-03-01T06:00:00+99:99", "2026-03-01T06:00:00+01:60"),
    *("2026-03-01T06:00:00Z\n", "202\N{FULLWIDTH DIGIT SIX}-03-01T06:00:00Z"),
]
NO_ADDRESSES = [
    *("football", "https:", "https://h/ü", "https://h/a b", "https://h/<x>", "https://h/%zz", "https://h/%2", "https://["),
    *("https://h/#a#b", "https://h\\o", "https://h/a|b", "https://h/{x}", 'https://h/"', "https://h/\n", "1https://h/", "//h/o"),
]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("run", "runId"), "1"),
        (("run", "runId"), f"{RUN_ID}\n"),
        (("run", "runId"), RUN_ID.replace("0", "\N{ARABIC-INDIC DIGIT ZERO}")),
        (("run", "runId"), None),
        (("eventType",), "DONE"),
        (("schemaURL",), "https://openlineage.io/spec/1-0-0/OpenLineage.json#/$defs/RunEvent"),
        (("job", "nme"), "day"),
        ((*NOMINAL, "_producer"), None),
        (
            (*NOMINAL, "_schemaURL"),
            "https://openlineage.io/spec/facets/9-9-9/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet",
        ),
        *(((*NOMINAL, "nominalStartTime"), moment) for moment in NO_MOMENTS),
        *((("eventTime",), moment) for moment in NO_MOMENTS),
        *((("producer",), address) for address in NO_ADDRESSES),
        *(((*NOMINAL, "_producer"), address) for address in NO_ADDRESSES),
        ((*NOMINAL, "nominalStart"), "2026-03-01T06:00:00Z"),
        (("job", "facets"), {"nominalTime": EVENT["run"]["facets"]["nominalTime"]}),  # type: ignore[index]
        (("outputs", 0, "outputFacets", "outputStatistics", "rowCount"), "2"),
        (("outputs", 0, "facets", "schema", "fields", 0, "fields"), "none"),
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


@pytest.mark.parametrize("schema", [RUN_EVENT, openlineage_classes.RUN_EVENT], ids=["stated", "derived"])
@pytest.mark.parametrize(
    ("member", "text"),
    [
        *(("eventTime", moment) for moment in ("2024-02-29T23:59:59.123456789+05:30", "2026-03-01T06:00:00+00:00")),
        *(
            ("producer", address)
            for address in ("urn:football:0c1d+", "file:///a/b%20c.py", "https://u@h:8443/o/~r;a?x=1&y='/?'#L1?")
        ),
    ],
)
def test_every_form_of_a_moment_and_of_an_address_is_taken(schema: Draft202012Validator, member: str, text: str) -> None:
    assert [fault.message for fault in schema.iter_errors({**EVENT, member: text})] == []
