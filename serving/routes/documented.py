"""What handlers say about themselves in the OpenAPI document, beyond their types."""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, Schema, SecurityRequirement
from litestar.routes import BaseRoute
from msgspec import Struct, structs

from serving.answers import CSV
from serving.identity.limits import OF_CHANGES
from serving.identity.roles import Permission, declared
from serving.schemas import Problem

BEARER: Final[list[SecurityRequirement]] = [{"bearer": []}]

BEHIND: Final = Permission.ANALYSE
"""What is asked of those who look at what stands behind a forecast: evidence, lineage, each settled prediction."""

CHANGES: Final = (
    f"An account may change keys and sessions {OF_CHANGES.burst} times in a row, then once a second; beyond, "
    "the answer is 429 with `Retry-After`."
)

NOT_MODIFIED: Final = {304: ResponseSpec(data_container=None, description="The client has this answer already.")}


def also_csv(kind: type[Struct]) -> type[Operation]:
    """Of a list that is told as CSV too, a row for each of `kind`: a handler's types speak of JSON alone."""
    columns = ",".join(field.encode_name for field in structs.fields(kind))

    @dataclass
    class AlsoCsv(Operation):
        def __post_init__(self) -> None:
            answer = (self.responses or {})["200"]
            if isinstance(answer, OpenAPIResponse) and answer.content is not None:
                answer.content[CSV] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING), example=columns + "\n")

    return AlsoCsv


def completed(document: dict[str, Any], routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The document itself, in which each operation says as `x-permission` what its handler asks for.

    Where an answer is of one structure or another, it may be of both: a part is the whole where all fields were chosen, a page
    without rows is a page of either. Litestar would say that it is of one alone.
    """
    asked = declared(routes)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            operation["x-permission"] = asked[method, path].value
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    if "oneOf" in content["schema"]:
                        content["schema"]["anyOf"] = content["schema"].pop("oneOf")
    return document


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The documented errors of a handler, each a problem; that there were too many requests may be said of any."""
    return {
        status: ResponseSpec(
            data_container=Problem,
            description=HTTPStatus(status).phrase,
            media_type="application/problem+json",
            generate_examples=False,
        )
        for status in sorted({*statuses, HTTPStatus.TOO_MANY_REQUESTS})
    }
