"""What goes wrong, told to people: a page instead of problem details.

Belongs here: for which requests an error is a page, and which of them lead to the login. Does not belong here: what went wrong
(`problems` says it once, for both forms).
"""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Request, Response
from litestar.response import Redirect

from serving.answers import JSON
from serving.headers import header
from serving.negotiation import preferred
from serving.pages.site import HTML, POLICY, render
from serving.schemas import Problem

MACHINES: Final = ("/v1", "/health", "/metrics", "/schema")
"""Below these addresses an error is always a problem: what is documented there holds whatever a client accepts."""


def is_for_people(request: Request[Any, Any, Any]) -> bool:
    """Whether an error should be answered by a page."""
    path = request.scope["path"]
    if any(path == start or path.startswith(start + "/") for start in MACHINES):
        return False
    return preferred(header(request.scope, b"accept").decode("latin-1"), (JSON, HTML)) == HTML


def error_page(request: Request[Any, Any, Any], problem: Problem, headers: dict[str, str]) -> Response[Any]:
    """The page for a problem; somebody who is not signed in is led to the login, and from there to where they wanted to go."""
    if problem.status == HTTPStatus.UNAUTHORIZED and request.method == "GET":
        wanted = request.scope["path"] + (f"?{query}" if (query := request.scope["query_string"].decode()) else "")
        return Redirect("/login" if wanted == "/" else f"/login?{urlencode({'next': wanted})}", status_code=303)
    body = render(request, "error.html", problem=problem)
    return Response(body, status_code=problem.status, headers={**headers, "Content-Security-Policy": POLICY}, media_type=HTML)
