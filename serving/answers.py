"""Answers as HTTP wants them: encoded, tagged, and not sent again to a client that has them.

Belongs here: entity tags, caching and security headers, CSV. Does not belong here: what an answer says.
"""

import csv
import hashlib
import io
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final

from litestar import Request, Response
from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope
from msgspec import Struct, json, structs

from serving.current import CurrentPublication

JSON: Final = "application/json"
CSV: Final = "text/csv"

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "football",  # granian would put its own name in
}
"""What every response carries unless its handler says otherwise."""


def stamp(current: CurrentPublication) -> Callable[[Message, Scope], Awaitable[None]]:
    """A hook that puts the common headers on every response, errors included."""

    async def before_send(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = MutableScopeHeaders.from_message(message)
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        headers["X-Request-Id"] = scope["state"]["request_id"]
        if current.is_simulated:
            headers["Is-Simulated"] = "true"

    return before_send


def cacheable(
    request: Request[Any, Any, Any], body: bytes, media_type: str = JSON, headers: dict[str, str] | None = None
) -> Response[Any]:
    """The body with its entity tag, or 304 without it where `If-None-Match` shows that the client has it.

    Only the client may keep it (private), and it must ask again before it uses it (no-cache).
    """
    tag = f'"{hashlib.sha256(media_type.encode() + body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Authorization", **(headers or {})}
    known = {each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")}
    if known & {tag, "*"}:
        return Response(content=None, status_code=304, headers=headers, media_type=media_type)
    return Response(content=body, status_code=200, headers=headers, media_type=media_type)


def wants_csv(request: Request[Any, Any, Any]) -> bool:
    """Whether `Accept` prefers CSV to JSON."""
    return request.accept.best_match(["application/json", "text/csv"]) == "text/csv"


def to_json(answer: Struct) -> bytes:
    """The answer as JSON."""
    return json.encode(answer)


def to_csv(kind: type[Struct], rows: Sequence[Struct]) -> bytes:
    """A header with the struct's field names, then the rows; moments as in JSON, booleans as true and false."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.encode_name for field in structs.fields(kind))
    writer.writerows([_cell(value) for value in structs.astuple(row)] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    # A spreadsheet runs a cell that begins like a formula; names of clubs never do.
    return "'" + value if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
