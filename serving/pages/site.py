"""What all pages have in common: the templates, the files they link, the policy under which a browser shows them.

Belongs here: turning a template and its content into an answer. Does not belong here: what a single page shows.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template import TemplateConfig

from serving.answers import Answer, cacheable
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
MEDIA_TYPES: Final = {".css": "text/css", ".svg": "image/svg+xml"}
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


@get("/static/{name:str}", opt=allow(Permission.PUBLIC), include_in_schema=False)
async def static_file(request: Request[Any, Any, Any], name: Annotated[str, PathParameter()]) -> Response[Any]:
    """The style sheet or the icon. Their addresses change with their content, so that browsers may keep them for good.

    From memory, and by name: what somebody asks for never becomes a path of the file system.
    """
    if (file := files().get(name)) is None:
        raise NotFoundException(f"There is no file {name[:100]!r}.")
    return file.response(request)


@cache
def files() -> Mapping[str, Answer]:
    """The files in `static` by their names."""
    kept = {"Cache-Control": f"max-age={A_YEAR_IN_SECONDS}, public, immutable", "Vary": "Accept-Encoding"}
    return {path.name: Answer(path.read_bytes(), MEDIA_TYPES[path.suffix], kept) for path in STATIC.iterdir()}


@cache
def asset(name: str) -> str:
    """The address of a file in `static`, with a digest of its content."""
    return f"/static/{name}?v={hashlib.sha256(files()[name].body).hexdigest()[:16]}"


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
    return cacheable(request, render(request, template, **content), HTML, {"Content-Security-Policy": POLICY})
