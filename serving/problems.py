"""Errors as problem details (RFC 9457), for people as a page.

Belongs here: how each kind of failure is told to a client. Nothing of a failure's inside is told, only logged.
"""

from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import UNSET, json

from serving.current import CurrentPublication
from serving.identity.turns import Busy
from serving.pages.errors import error_page, is_for_people
from serving.schemas import Problem
from serving.store.database import StoreUnavailable
from serving.unknown import TooManyUnknown

MEDIA_TYPE = "application/problem+json"

_log = structlog.get_logger("serving")


class NoPublication(HTTPException):
    """Nothing has been published yet."""

    status_code = HTTPStatus.NOT_FOUND
    detail = "Nothing has been published yet. Run the pipeline."


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """An error that a handler or Litestar raised on purpose."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return unexpected(request, error)
    errors = error.extra if isinstance(error.extra, list) else None
    detail = "The request is not valid: see `errors`." if errors else error.detail  # Litestar's own repeats the query
    return _problem(request, error.status_code, detail, dict(error.headers or {}), errors)


def store_unavailable(request: Request[Any, Any, Any], error: StoreUnavailable) -> Response[Any]:
    """The database is away: worth trying again."""
    cause = error.__cause__
    _log.warning("store_unavailable", reason=str(getattr(cause, "orig", cause)))
    return _problem(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "5"})


def busy(request: Request[Any, Any, Any], _: Busy) -> Response[Any]:
    """More logins at once than may be worked on."""
    return _problem(request, HTTPStatus.TOO_MANY_REQUESTS, "Too many logins at once. Try again soon.", {"Retry-After": "1"})


def too_many_unknown(request: Request[Any, Any, Any], _: TooManyUnknown) -> Response[Any]:
    """More ids that there is nothing of than the database should be asked for."""
    detail = "You asked for too many things that are not there. Try again soon."
    return _problem(request, HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": "1"})


def too_deep(request: Request[Any, Any, Any], _: RecursionError) -> Response[Any]:
    """JSON nested by the thousand, which the decoder gives up on."""
    return _problem(request, HTTPStatus.BAD_REQUEST, "The body is nested too deeply.", {})


def no_text(request: Request[Any, Any, Any], _: UnicodeDecodeError) -> Response[Any]:
    """Bytes that are no UTF-8, in a JSON string or in the query."""
    return _problem(request, HTTPStatus.BAD_REQUEST, "The request is not encoded in UTF-8.", {})


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A fault of ours."""
    _log.error("unexpected_error", exc_info=error)
    return _problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side; it has been logged.", {})


def _problem(
    request: Request[Any, Any, Any], status: int, detail: str, headers: dict[str, str], errors: list[Any] | None = None
) -> Response[Any]:
    current: CurrentPublication = request.app.state.current
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=int(status),
        detail=detail,
        request_id=request.scope["state"].get("request_id", ""),
        is_simulated=current.is_simulated,
        errors=UNSET if errors is None else errors,
    )
    if is_for_people(request):
        return error_page(request, problem, headers)
    return Response(json.encode(problem), status_code=int(status), headers=headers, media_type=MEDIA_TYPE)


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    HTTPException: http_error,
    StoreUnavailable: store_unavailable,
    Busy: busy,
    TooManyUnknown: too_many_unknown,
    RecursionError: too_deep,
    UnicodeDecodeError: no_text,
    Exception: unexpected,
}
