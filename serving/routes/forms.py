"""The forms in which an answer is told.

Belongs here: refusing who takes none of them. Does not belong here: reading `Accept` (`negotiation`), making a form (`answers`).
"""

from http import HTTPStatus
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException

from serving.answers import CSV, JSON
from serving.headers import header
from serving.negotiation import preferred
from serving.routes.documented import is_told_as_csv


class NoTable(HTTPException):
    """A table was asked for, and nothing else, of what is none."""

    status_code = HTTPStatus.NOT_ACCEPTABLE
    detail = f"This is told as {JSON} alone; of lists there is {CSV}, too. Send `Accept: {JSON}`."


async def refuse_tables_of_none(request: Request[Any, Any, Any]) -> None:
    """Before a handler that reads: whoever takes CSV and no JSON must not take JSON for it.

    Who takes neither gets JSON as ever: nobody can mistake that for a picture. What is ready needs no such look, for JSON is
    never kept for who prefers CSV.

    Raises:
        NoTable: the handler has no CSV, and the client takes nothing else.
    """
    if request.method != "GET" or is_told_as_csv(request.route_handler):
        return
    accept = header(request.scope, b"accept").decode("latin-1")
    if preferred(accept, (CSV,)) == CSV and preferred(accept, (JSON,)) is None:
        raise NoTable
