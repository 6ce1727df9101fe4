"""What handlers say about themselves in the OpenAPI document, beyond their types."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from litestar.handlers import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, Schema, SecurityRequirement
from litestar.routes import BaseRoute
from msgspec import Struct, structs

from serving.answers import CSV, VARY
from serving.identity.limits import OF_CHANGES
from serving.identity.roles import Permission, declared
from serving.schemas import Problem

BEARER: Final[list[SecurityRequirement]] = [{"bearer": []}]

BEHIND: Final = Permission.ANALYSE
"""What is asked of those who look at what stands behind a forecast: evidence, lineage, each settled prediction."""

CHANGES: Final = (
    f"An account may change keys, sessions and the pin {OF_CHANGES.burst} times in a row, then once a second; beyond, "
    "the answer is 429 with `Retry-After`."
)

NOT_MODIFIED: Final = {304: ResponseSpec(data_container=None, description="The client has this answer already.")}


def _header(description: str, example: str, *, is_always_there: bool = True) -> dict[str, Any]:
    return {"description": description, "required": is_always_there, "schema": {"type": "string"}, "example": example}


HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Cache-Control": _header(
        "`private, no-cache` where there is an `ETag`: keep it for yourself, and ask again before you use it; else `no-store`.",
        "private, no-cache",
    ),
    "ETag": _header("Send it as `If-None-Match`: while the answer is the same, you get 304 without it.", '"4c8fb5c7eb12f0fd-br"'),
    "Is-Simulated": _header("There where the matches are made up.", "true", is_always_there=False),
    "Link": _header(
        "Where the next page is; not on the last one.", '</v1/matches?limit=50&cursor=eyJ>; rel="next"', is_always_there=False
    ),
    "RateLimit": _header(
        "By the limit that this request was counted against: how many may follow at once (`r`), and in how many seconds (`t`) "
        "there are as many as ever.",
        '"account";r=199;t=1',
    ),
    "RateLimit-Policy": _header(
        "That limit: how many may come at once (`q`), and again after how many seconds (`w`).", '"account";q=200;w=2'
    ),
    "Retry-After": _header("For so many seconds it is no use to ask again.", "5"),
    "Vary": _header("What the answer depends on, besides its address.", VARY),
    "WWW-Authenticate": _header("With what one says who one is, or that what was sent is not valid.", "Bearer"),
    "X-Request-Id": _header(
        "What the log and the audit call this request: yours, if you sent one.", "b36bd9530405c7e00000000000000061"
    ),
}
"""The headers of answers beyond their type and length. Which answer has which follows from what else is documented of it."""

OF_EVERY_ANSWER: Final = ("Cache-Control", "Is-Simulated", "RateLimit", "RateLimit-Policy", "X-Request-Id")
OF_STATUS: Final = {"401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}


def _headers_of(operation: dict[str, Any], status: str) -> list[str]:
    found = [*OF_EVERY_ANSWER, *OF_STATUS.get(status, ())]
    if status in ("200", "304"):
        found += ["ETag", "Vary"] * ("304" in operation["responses"])
        found += ["Link"] * any(each["name"] == "cursor" for each in operation.get("parameters", ()))
    return sorted(found)


class Table(Operation):
    """An operation whose answer is told as CSV, too."""


def is_told_as_csv(handler: BaseRouteHandler) -> bool:
    """Whether what the handler answers with is told as CSV, too."""
    return issubclass(getattr(handler, "operation_class", Operation), Table)


def also_csv(kind: type[Struct]) -> type[Operation]:
    """Of a list that is told as CSV too, a row for each of `kind`: a handler's types speak of JSON alone."""
    columns = ",".join(field.encode_name for field in structs.fields(kind))

    @dataclass
    class AlsoCsv(Table):
        def __post_init__(self) -> None:
            answer = (self.responses or {})["200"]
            if isinstance(answer, OpenAPIResponse) and answer.content is not None:
                answer.content[CSV] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING), example=columns + "\n")

    return AlsoCsv


def completed(document: dict[str, Any], routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The document itself, in which each operation says as `x-permission` what its handler asks for, and each answer its headers.

    Where an answer is of one structure or another, it may be of both: a part is the whole where all fields were chosen, a page
    without rows is a page of either. Litestar would say that it is of one alone.
    """
    asked = declared(routes)
    document["components"]["headers"] = HEADERS
    for path, item in document["paths"].items():
        for method, operation in item.items():
            operation["x-permission"] = asked[method, path].value
            if method == "get" and path.startswith("/v1/") and CSV not in operation["responses"]["200"].get("content", {}):
                _refuse_tables(operation["responses"])
            for status, answer in operation["responses"].items():
                names = _headers_of(operation, status)
                answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
                for content in answer.get("content", {}).values():
                    if "oneOf" in content["schema"]:
                        content["schema"]["anyOf"] = content["schema"].pop("oneOf")
    return document


def _refuse_tables(responses: dict[str, Any]) -> None:
    """Document what `forms` answers: a problem, as the others are."""
    refused = "`Accept` takes `text/csv` and no JSON: there is `application/json` alone."
    responses["406"] = deepcopy(responses["429"]) | {"description": refused}


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
