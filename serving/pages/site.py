"""What all pages have in common: the templates, the files they link, the policy under which a browser shows them.

Belongs here: turning a template and its content into an answer. Does not belong here: what a single page shows.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response, Router
from litestar.datastructures import CacheControlHeader
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig

from serving.answers import cacheable
from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.pages import wording
from serving.pages.drawing import bars, lines
from serving.standing import Standing

HTML: Final = "text/html"
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Neither scripts nor anything from elsewhere; styles in our file alone, none in an attribute."""

STATIC: Final = Path(__file__).with_name("static")
A_YEAR_IN_SECONDS: Final = 31_536_000


def templates() -> TemplateConfig[JinjaTemplateEngine]:
    """The engine: everything put into a page is escaped, and a name that a template misses is an error."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= wording.FILTERS
    environment.globals |= {"asset": asset, "bars": bars, "lines": lines, "wording": wording}
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment))


def static_files() -> Router:
    """The style sheet and the icon. Their addresses change with their content, so that browsers may keep them for good."""
    return create_static_files_router(
        "/static",
        directories=[STATIC],
        opt=allow(Permission.PUBLIC),
        cache_control=CacheControlHeader(public=True, max_age=A_YEAR_IN_SECONDS, immutable=True),
    )


@cache
def asset(name: str) -> str:
    """The address of a file in `static`, with a digest of its content."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:16]}"


def render(request: Request[Any, Any, Any], template: str, twin: str | None = None, **content: Any) -> bytes:
    """The page as bytes: what every page shows (who is signed in, which publication, the label, a pin) and its own content.

    `twin` is the address of the same in JSON.
    """
    current: CurrentPublication = request.app.state.current
    standing: Standing = request.app.state.standing
    engine: JinjaTemplateEngine = request.app.template_engine  # type: ignore[assignment]  # the application is made with it
    text: str = engine.get_template(template).render(
        request=request,
        user=request.scope.get("user"),
        publication=current.last_known,
        is_simulated=current.is_simulated,
        pin=standing.pin,
        twin=twin,
        **content,
    )
    return text.encode()


def page(request: Request[Any, Any, Any], template: str, **content: Any) -> Response[Any]:
    """The rendered page, or 304 where the browser has this very one."""
    headers = {"Content-Security-Policy": POLICY, "Vary": "Accept, Authorization, Cookie"}
    return cacheable(request, render(request, template, **content), HTML, headers)
