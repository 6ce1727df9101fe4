"""Signing in and out with a browser.

Belongs here: the form, what is said when it was wrong, the cookie that a browser is given. Does not belong here: passwords,
what a cookie is good for.

A form of another site can make a browser send one to here, but not under our address: `from_here` refuses it.
"""

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException, NotAuthorizedException, PermissionDeniedException
from litestar.params import Body, QueryParameter
from litestar.response import Redirect
from msgspec import Meta, Struct, field

from serving.identity.acting import as_account
from serving.identity.bearers import COOKIE, whence
from serving.identity.credentials import Credentials
from serving.identity.login import PasswordLogin
from serving.identity.roles import Permission, allow
from serving.identity.sessions import COOKIE_LIFETIME, SessionKeeper
from serving.identity.turns import Busy
from serving.identity.usernames import UsernameOrNone
from serving.pages.site import HTML, POLICY, render
from serving.store.sessions import Sessions

ONCE: Final = "/login/once"
"""Where following a link uses it up."""

TOO_LATE: Final = "This link was used, or is too old: each is good once, for 15 minutes. football account link makes another."


class Form(Struct, frozen=True):
    """What the form sends."""

    username: UsernameOrNone = ""
    password: Annotated[str, Meta(max_length=1024)] = ""
    wanted: str = field(name="next", default="/")


@get("/login", opt=allow(Permission.PUBLIC), include_in_schema=False)
async def login_form(
    request: Request[Any, Any, Any], wanted: Annotated[str, QueryParameter(name="next", max_length=2000)] = "/"
) -> Response[Any]:
    """Show the form."""
    return login_page(request, wanted)


@post("/login", opt=allow(Permission.PUBLIC), include_in_schema=False, status_code=HTTPStatus.SEE_OTHER)
async def sign_in(
    request: Request[Any, Any, Any],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
    password_login: NamedDependency[PasswordLogin],
    keeper: NamedDependency[SessionKeeper],
    credentials: NamedDependency[Credentials],
) -> Response[Any]:
    """Give the browser its cookie and lead on; or show the form again with what was wrong."""
    from_here(request)
    earlier = request.cookies.get(COOKIE, "")
    try:
        account = await password_login.account(request, data.username, data.password)
        cookie = await keeper.begin_web(account, as_account(request, account.account_id), earlier)
    except HTTPException as error:
        return login_page(request, data.wanted, error.detail, error.status_code, data.username)
    except Busy:
        busy = "Too many logins at once. Try again soon."
        return login_page(request, data.wanted, busy, HTTPStatus.TOO_MANY_REQUESTS, data.username)
    if earlier:
        await credentials.hear()
    return _led_on(request, own_address(data.wanted), cookie, int(COOKIE_LIFETIME.total_seconds()))


@get(ONCE, opt=allow(Permission.PUBLIC), include_in_schema=False)
async def sign_in_once(
    request: Request[Any, Any, Any],
    keeper: NamedDependency[SessionKeeper],
    credentials: NamedDependency[Credentials],
    code: Annotated[str, QueryParameter(max_length=100)] = "",
) -> Response[Any]:
    """Give the browser that follows a link from the command line its cookie, and lead on to an address without the code."""
    account_id = await keeper.offered(code, whence(request))
    earlier = request.cookies.get(COOKIE, "")
    cookie = account_id and await keeper.take_up(code, as_account(request, account_id), earlier)
    if not cookie:
        return login_page(request, "/", TOO_LATE, HTTPStatus.FORBIDDEN)
    if earlier:
        await credentials.hear()
    return _led_on(request, "/", cookie, int(COOKIE_LIFETIME.total_seconds()))


@post("/logout", opt=allow(Permission.PUBLIC), include_in_schema=False, status_code=HTTPStatus.SEE_OTHER)
async def sign_out(
    request: Request[Any, Any, Any], sessions: NamedDependency[Sessions], credentials: NamedDependency[Credentials]
) -> Response[Any]:
    """End the session of the cookie, and take the cookie back."""
    from_here(request)
    with suppress(NotAuthorizedException):
        bearer = await credentials.cookie(request.cookies.get(COOKIE, ""), whence(request))
        await sessions.end(bearer.account_id, str(bearer.session_id), as_account(request, bearer.account_id))
        await credentials.hear()
    return _led_on(request, "/login", "", 0)


def from_here(request: Request[Any, Any, Any]) -> None:
    """Refuse a form that is not of this site. Browsers say with each post where it comes from.

    Raises:
        PermissionDeniedException: it comes from elsewhere, or nothing says where from.
    """
    try:
        is_own = urlsplit(request.headers.get("Origin", "")).netloc == request.headers.get("Host")
    except ValueError:  # an address that is none: no browser sends it
        is_own = False
    if not is_own and request.headers.get("Sec-Fetch-Site") != "same-origin":
        raise PermissionDeniedException("This form was not sent from a page of this service.")


def _led_on(request: Request[Any, Any, Any], address: str, cookie: str, lifetime: int) -> Response[Any]:
    given = Cookie(
        key=COOKIE,
        value=cookie,
        max_age=lifetime,
        httponly=True,
        # So that a link from elsewhere opens its page; for a cookie nothing is done but to read, and to end its own session.
        samesite="lax",
        secure=request.scope["scheme"] == "https",
    )
    return Redirect(address, status_code=303, cookies=[given])


def login_page(
    request: Request[Any, Any, Any], wanted: str, failure: str | None = None, status_code: int = 200, username: str = ""
) -> Response[Any]:
    """The form, with what was wrong the last time; `wanted` is where a login leads, never outside of this site."""
    content = {"wanted": own_address(wanted), "failure": failure, "username": username}
    # Never kept: after a login that failed it tells the name that was typed.
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
