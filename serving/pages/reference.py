"""The API's reference for people, made from the OpenAPI document.

Litestar's own pages (Scalar, Swagger UI, Redoc …) fetch their scripts from elsewhere; this one is a page without
scripts that works offline and under a strict content security policy. Belongs here: how the document is laid out.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import OpenAPIRenderPlugin

from serving.examples import illustrated
from serving.routes.documented import completed

STYLE = Path(__file__).with_name("reference.css")
_HOST: Final = "http://host.invalid"
"""Stands in the page for the host that is asked, until somebody asks it."""


class ReferencePage(OpenAPIRenderPlugin):
    """Serves the page at the root of the schema's path: made once, but for the host, which is as each client calls it."""

    _made: bytes | None = None

    def __init__(self) -> None:
        super().__init__(path="/", favicon="", style=STYLE.read_text(encoding="utf-8"))

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page as HTML."""
        if self._made is None:
            elsewhere = openapi_schema.get("externalDocs")
            self._made = reference(
                illustrated(completed(openapi_schema, request.app.routes)),
                host=_HOST,
                document_url=self.get_openapi_json_route(request),
                documentation_url=elsewhere["url"] if elsewhere else "",
            )
        # As it was sent: an address that is none is no reason not to show the page to whoever sent it.
        called = request.headers.get("Host") or "{}:{}".format(*request.scope["server"] or ("localhost", 80))
        return self._made.replace(_HOST.encode(), escape(f"{request.scope['scheme']}://{called}").encode())


def reference(document: Mapping[str, Any], *, host: str, document_url: str, documentation_url: str) -> bytes:
    """The page of an OpenAPI document, which is to be found at `document_url`; its examples ask `host`.

    `documentation_url` is that of the data documentation, empty where there is none.
    """
    info = document["info"]
    schemas: Mapping[str, Any] = document["components"]["schemas"]
    operations = [(method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()]
    documents = f'the <a href="{escape(document_url)}">OpenAPI document</a>'
    if documentation_url:
        documents += f'; see also the <a href="{escape(documentation_url)}">data documentation</a>'
    login = f"""TOKEN=$(curl -s {host}/v1/auth/token -H 'Content-Type: application/json' \\
  -d '{{"username": "…", "password": "…"}}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
curl -H "Authorization: Bearer $TOKEN" '{host}/v1/predictions?limit=5'"""
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(info["title"])}: reference</title><style>{STYLE.read_text(encoding="utf-8")}</style></head>
<body><main>
<h1>{escape(info["title"])}</h1>
<p>{_prose(info["description"])}</p>
<p>This page is made from {documents}.</p>
<h2>To begin</h2>
<pre tabindex="0">{escape(login)}</pre>
<h2>Endpoints</h2>
<ul>{"".join(_entry(*each) for each in operations)}</ul>
{"".join(_operation(*each) for each in operations)}
<h2>Structures</h2>
{"".join(_structure(name, schema) for name, schema in sorted(schemas.items()))}
</main></body></html>""".encode()


def no_such_page(response: Response[Any]) -> Response[Any]:
    """Let the page through its own style; turn Litestar's HTML for unknown paths below the schema into a problem."""
    if response.status_code == 404:
        raise NotFoundException
    if response.media_type == "text/html":
        digest = base64.b64encode(hashlib.sha256(STYLE.read_bytes()).digest()).decode()
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
    return response


def _entry(method: str, path: str, operation: Mapping[str, Any]) -> str:
    """A line of the list of contents."""
    link = f'<a href="#{escape(operation["operationId"])}">{_code(path)}</a>'
    return f'<li><span class="method">{method.upper()}</span> {link} {escape(operation.get("summary", ""))}</li>'


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parameters = (
        (_code(each["name"]), escape(each["in"]), _type(each.get("schema", {})), escape(each.get("description", "")))
        for each in operation.get("parameters", [])
    )
    responses = (
        (_code(status), _types_of(answer), escape(answer.get("description", "")))
        for status, answer in operation["responses"].items()
    )
    takes = f"<p>Takes {_types_of(operation['requestBody'])}.</p>" if "requestBody" in operation else ""
    name, permission = escape(operation["operationId"]), escape(operation["x-permission"])
    asks = "<p>Open to everybody.</p>" if permission == "public" else f"<p>Asks for the permission {_code(permission)}.</p>"
    return f"""<section><h3 id="{name}"><span class="method">{method.upper()}</span> {_code(path)}</h3>
<p><strong>{escape(operation.get("summary", ""))}.</strong> {_prose(operation.get("description", ""))}</p>{asks}{takes}
{_table(("Parameter", "In", "Type", "Meaning"), parameters)}{_table(("Status", "Answer", "Meaning"), responses)}
{_example(operation)}</section>"""


def _example(operation: Mapping[str, Any]) -> str:
    """What a request that goes well sends, and what it is answered with."""
    sent = operation.get("requestBody", {}).get("content", {})
    answers = [answer.get("content", {}) for status, answer in operation["responses"].items() if status < "300"]
    examples = [each["application/json"]["example"] for each in (sent, *answers) if "application/json" in each]
    shown = "\n\n".join(json.dumps(each, indent=2, ensure_ascii=False) for each in examples)
    return f'<details><summary>Example</summary><pre tabindex="0">{escape(shown)}</pre></details>' if shown else ""


def _structure(name: str, schema: Mapping[str, Any]) -> str:
    fields = (
        (_code(field), _type(kind), escape(_described(kind)), "yes" if field in schema.get("required", []) else "no")
        for field, kind in schema.get("properties", {}).items()
    )
    table = _table(("Field", "Type", "Meaning", "Always there"), fields)
    return (
        f"""<section><h3 id="{escape(name)}">{escape(name)}</h3><p>{_prose(schema.get("description", ""))}</p>{table}</section>"""
    )


def _described(kind: Mapping[str, Any]) -> str:
    variants = (each["description"] for each in kind.get("oneOf", []) if "description" in each)
    return str(kind.get("description") or next(variants, ""))


def _type(kind: Mapping[str, Any]) -> str:
    if "$ref" in kind:
        name = escape(kind["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if kinds := kind.get("oneOf") or kind.get("anyOf"):
        return " or ".join(_type(each) for each in kinds)
    if "items" in kind:
        return f"list of {_type(kind['items'])}"
    name = kind.get("format") or kind.get("type", "any")
    return escape(name if isinstance(name, str) else " or ".join(name))


def _types_of(message: Mapping[str, Any]) -> str:
    content = message.get("content", {}).items()
    return ", ".join(f"{_type(each.get('schema', {}))} ({escape(media_type)})" for media_type, each in content)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    heading = "".join(f'<th scope="col">{each}</th>' for each in head)
    return f'<div class="scroll"><table><thead><tr>{heading}</tr></thead><tbody>{body}</tbody></table></div>' if body else ""


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _prose(text: str) -> str:
    """Escaped text in which `code` and **bold** are what they are in Markdown."""
    for mark, tag in (("`", "code"), ("**", "strong")):
        parts = text.split(mark)
        text = "".join(f"\0{tag}\1{part}\0/{tag}\1" if i % 2 else part for i, part in enumerate(parts))
    return escape(text).replace("\0", "<").replace("\1", ">")
