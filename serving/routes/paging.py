"""Walking a list that does not depend on a publication: a page begins behind the row at which the page before ended.

Belongs here: the cursor and the link to the next page. Does not belong here: what is listed.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode

from litestar import Request, Response
from litestar.exceptions import ValidationException
from msgspec import DecodeError, Meta, Struct, json

from serving.answers import tabular

MAXIMUM_LIMIT: Final = 200
TEXT: Final = r"^[^\x00-\x1f]+$"  # PostgreSQL's text knows no NUL
NUMBER: Final = re.compile(r"[0-9]{1,18}")
"""The id of a row in a list by number."""

Row = TypeVar("Row")
Filters = Mapping[str, str | int | None]


class Position(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a page ended: of which query, and the row's moment (none in a list by id) and id."""

    query: Annotated[str, Meta(max_length=32)]
    at: Annotated[datetime, Meta(tz=True)] | None
    id: Annotated[str, Meta(max_length=200, pattern=TEXT)]


def after(cursor: str | None, filters: Filters) -> Position | None:
    """The position that a client's cursor stands for; None on the first page.

    Raises:
        ValidationException: the cursor is not one of ours, or was given for other filters.
    """
    if cursor is None:
        return None
    try:
        position = json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=Position)
    except (DecodeError, ValueError):
        raise ValidationException("This cursor is not one that the service gave out.") from None
    if position.query != _digest(filters):
        raise ValidationException("This cursor belongs to another query: send the filters it was given for.")
    return position


def moment_after(cursor: str | None, filters: Filters) -> tuple[datetime, str] | None:
    """As `after`, of a list by moment and id."""
    position = after(cursor, filters)
    if position is None:
        return None
    if position.at is None:
        raise ValidationException("This cursor is not one that the service gave out.")
    return position.at, position.id


def next_cursor(filters: Filters, at: datetime | None, row_id: str) -> str:
    """The cursor of the page behind this row."""
    return urlsafe_b64encode(json.encode(Position(_digest(filters), at, row_id))).rstrip(b"=").decode()


def page(
    request: Request[Any, Any, Any], answer: Struct, rows: Sequence[Struct], kind: type[Struct], filters: Filters, limit: int
) -> Response[Any]:
    """The page as JSON, or its `rows` as CSV; the header `Link` leads to the next where there is one."""
    headers: dict[str, str] = {}
    cursor: str | None = getattr(answer, "next_cursor")  # noqa: B009 - every page has one, which `Struct` does not say
    if cursor is not None:
        given = {**filters, "limit": limit, "cursor": cursor}
        address = urlencode({name: value for name, value in given.items() if value is not None})
        headers["Link"] = f'<{request.scope["path"]}?{address}>; rel="next"'
    return tabular(request, answer, rows, kind, headers)


def _digest(filters: Filters) -> str:
    return hashlib.sha256(json.encode(list(filters.values()))).hexdigest()[:16]
