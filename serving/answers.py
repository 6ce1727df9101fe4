"""Answers as HTTP wants them: encoded, compressed, tagged, and not sent again to a client that has them.

Belongs here: entity tags, content negotiation, caching and security headers, CSV, what an answer would be like (HEAD). Does not
belong here: what an answer says.
"""

import csv
import gzip
import hashlib
import io
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import brotli
from litestar import Request, Response
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.utils import normalize_path
from msgspec import Raw, Struct, json, structs

from serving.headers import header
from serving.negotiation import preferred

JSON: Final = "application/json"
CSV: Final = "text/csv"

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with none, browsers would not say either that a form comes from here
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "football",  # granian would put its own name in
}
"""What every response carries unless its handler says otherwise."""

VARY: Final = "Accept, Accept-Encoding, Authorization, Cookie"
"""What an answer to somebody depends on beside its address: a browser's cookie lets in as a bearer's token does."""

COMPRESSORS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "br": lambda body: bytes(brotli.compress(body, quality=5)),
    "gzip": lambda body: gzip.compress(body, 6, mtime=0),
}
"""By preference, where a client takes several."""

SMALLEST_COMPRESSED: Final = 1024
"""Bytes under which a packet is a packet."""

Headers = list[tuple[bytes, bytes]]


class Complete(Headers):
    """Headers among which are all of `SECURITY_HEADERS`: nobody has to look which are missing."""


class Sent(NamedTuple):
    """What goes to one client."""

    status: int
    headers: Headers
    body: bytes


class Answer:
    """A body with its entity tag and headers, made once for all who ask for it; compressed when first asked for so.

    Only the client may keep it (private), and it must ask again before it uses it (no-cache). Where no two bodies
    are alike, for they tell how old something is, `meaning` is what of them a client has or has not, and the tag is a weak one.
    """

    __slots__ = ("_headers", "_is_weak", "_media_type", "_sent", "_tag", "body")

    def __init__(
        self, body: bytes, media_type: str = JSON, headers: dict[str, str] | None = None, meaning: bytes | None = None
    ) -> None:
        self.body = body
        self._media_type = media_type
        self._is_weak = meaning is not None
        self._tag = hashlib.sha256(media_type.encode() + (body if meaning is None else meaning)).hexdigest()[:32]
        content_type = media_type if media_type == JSON else f"{media_type}; charset=utf-8"
        self._headers = {
            **{name.lower(): value for name, value in SECURITY_HEADERS.items()},
            "content-type": content_type,
            "cache-control": "private, no-cache",
            "vary": VARY,
            **{name.lower(): value for name, value in (headers or {}).items()},
        }
        self._sent: dict[str, Sent] = {}

    @property
    def n_encodings(self) -> int:
        """In how many encodings it lies ready."""
        return len(self._sent)

    def sent(self, headers: Iterable[tuple[bytes, bytes]]) -> Sent:
        """What a client with these headers gets: the body in an encoding it takes, or 304 without it where it has it."""
        accepted = known = b""
        for name, value in headers:
            if name == b"accept-encoding":
                accepted = value
            elif name == b"if-none-match":
                known = value
        encoding = best_encoding(accepted) if accepted and len(self.body) >= SMALLEST_COMPRESSED else ""
        sent = self._sent.get(encoding)
        if sent is None:
            sent = self._sent[encoding] = self._encoded(encoding)
        if known and self._is_known(known):
            return Sent(304, [each for each in sent.headers if each[0] not in _OF_CONTENT], b"")
        return sent

    def response(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """The same as a response of Litestar."""
        sent = self.sent(request.scope["headers"])
        headers = {name.decode(): value.decode() for name, value in sent.headers if name not in _OF_CONTENT[1:]}
        # Of nothing Litestar makes no bytes but for the types that it knows.
        media_type = self._media_type if sent.body else JSON
        return Response(sent.body or None, status_code=sent.status, headers=headers, media_type=media_type)

    def _encoded(self, encoding: str) -> Sent:
        body = COMPRESSORS[encoding](self.body) if encoding else self.body
        tag = ("W/" if self._is_weak else "") + self._tagged(encoding)
        headers = {**self._headers, "etag": tag, "content-length": str(len(body))}
        if encoding:
            headers["content-encoding"] = encoding
        return Sent(200, Complete((name.encode(), value.encode()) for name, value in headers.items()), body)

    def _tagged(self, encoding: str) -> str:
        """Strong tags tell bytes apart, so each encoding has its own."""
        return f'"{self._tag}-{encoding}"' if encoding else f'"{self._tag}"'

    def _is_known(self, known: bytes) -> bool:
        """Whether `If-None-Match` names the answer, in whichever encoding: the comparison is the weak one (RFC 9110, 13.1.2)."""
        tags = {each.strip().removeprefix("W/") for each in known.decode("latin-1").split(",")}
        return bool(tags & {"*", *(self._tagged(encoding) for encoding in ("", *COMPRESSORS))})


_OF_CONTENT: Final = (b"content-encoding", b"content-length", b"content-type")


class HeadAsGet:
    """The layer that answers HEAD as GET is, without the body (RFC 9110, 9.3.2), and says so in `Allow`.

    Not at the addresses where GET does something: whoever looks there, as mail programs do at links, must not set it off.
    """

    def __init__(self, app: ASGIApp, but_not_at: Collection[str]) -> None:
        self._app = app
        self._but_not_at = but_not_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == ScopeType.HTTP and scope["method"] != HttpMethod.GET:
            # Litestar takes /a//b/ for /a/b.
            if normalize_path(scope["path"]) in self._but_not_at:
                pass
            elif scope["method"] == HttpMethod.HEAD:
                scope["method"] = HttpMethod.GET
                send = _without_body(send)
            else:
                send = _allowing_head(send)
        await self._app(scope, receive, send)


def _allowing_head(send: Send) -> Send:
    async def send_allowing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [(name, _with_head(name, value)) for name, value in message["headers"]]
        await send(message)

    return send_allowing


def _with_head(name: bytes, value: bytes) -> bytes:
    allowed = value.split(b", ")
    is_missing = name.lower() == b"allow" and b"GET" in allowed and b"HEAD" not in allowed
    return value + b", HEAD" if is_missing else value


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message["body"] = b""
        await send(message)

    return send_head


def cacheable(
    request: Request[Any, Any, Any],
    body: bytes,
    media_type: str = JSON,
    headers: dict[str, str] | None = None,
    meaning: bytes | None = None,
) -> Response[Any]:
    """The body with its entity tag, compressed if the client likes, or 304 where `If-None-Match` shows that the client has it."""
    return Answer(body, media_type, headers, meaning).response(request)


def tabular(
    request: Request[Any, Any, Any],
    answer: Struct,
    rows: Iterable[Struct],
    kind: type[Struct],
    headers: dict[str, str] | None = None,
) -> Response[Any]:
    """The answer as JSON, or its `rows` as CSV, whichever `Accept` prefers."""
    if wants_csv(request):
        return cacheable(request, to_csv(kind, rows), CSV, headers)
    return cacheable(request, to_json(answer), JSON, headers)


def wants_csv(request: Request[Any, Any, Any]) -> bool:
    """Whether `Accept` prefers CSV to JSON."""
    return prefers_csv(header(request.scope, b"accept"))


def prefers_csv(accept: bytes) -> bool:
    """Whether this value of `Accept` prefers CSV to JSON."""
    return preferred(accept.decode("latin-1"), (JSON, CSV)) == CSV


@lru_cache(256)
def best_encoding(accepted: bytes) -> str:
    """Of our encodings the one that this value of `Accept-Encoding` likes best, ours first among equals; "" for none."""
    weights: dict[str, float] = {}
    for part in accepted.decode("latin-1").lower().split(","):
        name, _, parameters = part.partition(";")
        weight = parameters.replace(" ", "").removeprefix("q=") or "1"
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            return ""
    found = [(-weights.get(name, weights.get("*", 0.0)), name) for name in COMPRESSORS]
    least, best = min(found, key=lambda each: each[0])
    return best if least < 0 else ""


def to_json(answer: Struct) -> bytes:
    """The answer as JSON."""
    return json.encode(answer)


def only(encoded: bytes, fields: Sequence[str]) -> bytes:
    """Of an encoded object these fields, their values byte for byte."""
    content = json.decode(encoded, type=dict[str, Raw])
    return json.encode({name: content[name] for name in fields})


def to_csv(kind: type[Struct], rows: Iterable[Struct], fields: Sequence[str] | None = None) -> bytes:
    """A header with the struct's field names (or these), then the rows; moments as in JSON, booleans as true and false."""
    names = fields or [field.encode_name for field in structs.fields(kind)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict | list):
        return json.encode(value).decode()
    # A spreadsheet runs a cell that begins like a formula; names of clubs never do.
    return "'" + value if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
