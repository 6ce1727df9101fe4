"""The ceiling: an application that does nothing but send bytes which it was given, by the same server as ours."""

from typing import Any

from serving.settings import bare_body

_body = bare_body()
_headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_body)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Send the bytes, whatever is asked."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": _headers})
        await send({"type": "http.response.body", "body": _body, "more_body": False})
