"""The login form.

Belongs here: what is asked for and what is said when it was wrong. Does not belong here: passwords, sessions, cookies.
"""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from serving.identity.roles import Permission, allow
from serving.pages.site import HTML, POLICY, render


@get("/login", opt=allow(Permission.PUBLIC), include_in_schema=False)
async def login_form(
    request: Request[Any, Any, Any], wanted: Annotated[str, QueryParameter(name="next", max_length=2000)] = "/"
) -> Response[Any]:
    """Show the form."""
    return login_page(request, wanted)


def login_page(
    request: Request[Any, Any, Any], wanted: str, failure: str | None = None, status_code: int = 200, username: str = ""
) -> Response[Any]:
    """The form, with what was wrong the last time; `wanted` is where a login leads, never outside of this site."""
    content = {"wanted": own_address(wanted), "failure": failure, "username": username}
    # Never kept: it may hold a token against forged requests.
    return Response(
        render(request, "login.html", **content),
        status_code=status_code,
        headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"},
        media_type=HTML,
    )


def own_address(wanted: str) -> str:
    """The address if it is one of this site, else the first page: a link must not lead elsewhere by way of the login."""
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_own else "/"
