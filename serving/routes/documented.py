"""What handlers say about themselves in the OpenAPI document, beyond their types."""

from http import HTTPStatus
from typing import Final

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import SecurityRequirement

from serving.identity.roles import Permission
from serving.schemas import Problem

BEARER: Final[list[SecurityRequirement]] = [{"bearer": []}]

BEHIND: Final = Permission.ANALYSE
"""What is asked of those who look at what stands behind a forecast: evidence, lineage, each settled prediction."""

NOT_MODIFIED: Final = {304: ResponseSpec(data_container=None, description="The client has this answer already.")}


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
