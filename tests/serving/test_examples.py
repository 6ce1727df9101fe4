"""The examples of the OpenAPI document: there is one of everything, and each is what its schema asks for."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from serving.examples import OF_FIELDS, OF_PARAMETERS
from tests.serving.conftest import Client


@pytest.fixture(scope="module")
def document(client: Client) -> Any:
    return client.get("/schema/openapi.json").json()


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def wrong(document: Any, schema: Any, example: Any) -> list[str]:
    validator = Draft202012Validator({**schema, "components": document["components"]})
    return [f"{each.json_path}: {each.message}" for each in validator.iter_errors(example)]


def test_every_answer_and_every_request_has_an_example_that_is_one(document: Any) -> None:
    found = []
    for what, operation in operations(document):
        for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
            for kind, content in holder.get("content", {}).items():
                if kind.endswith("json"):
                    found += [f"{what}: {each}" for each in wrong(document, content["schema"], content["example"])]
    assert found == []


def test_every_field_and_every_parameter_has_an_example_that_is_one(document: Any) -> None:
    found = []
    for structure, schema in document["components"]["schemas"].items():
        for name, field in schema.get("properties", {}).items():
            if not composed(field):
                found += [f"{structure}.{name}: {each}" for each in wrong(document, field, field.get("examples", [object()])[0])]
    for what, operation in operations(document):
        for parameter in operation.get("parameters", []):
            found += [
                f"{what} {parameter['name']}: {each}" for each in wrong(document, parameter["schema"], parameter["example"])
            ]
    assert found == []


def composed(field: Any) -> bool:
    """Whether it consists of other structures, which have examples of their own."""
    return "$ref" in str(field)


def test_no_example_is_of_something_that_there_is_not(document: Any) -> None:
    structures = document["components"]["schemas"]
    names = {name for schema in structures.values() for name in schema.get("properties", {})}
    asked = {parameter["name"] for _, operation in operations(document) for parameter in operation.get("parameters", [])}
    for key in OF_FIELDS:
        structure, _, name = key.rpartition(".")
        assert name in (structures[structure]["properties"] if structure else names | asked), key
    assert set(OF_PARAMETERS) <= asked
