"""The ceiling: an application that does nothing but send bytes which it was given, by the same server as ours."""

import os
from pathlib import Path
from typing import Any, Final

BODY_FILE: Final = "BARE_BODY_FILE"

_body = Path(os.environ[BODY_FILE]).read_bytes() if BODY_FILE in os.environ else b""
_headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_body)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Send the bytes, whatever is asked."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": _headers})
        await send({"type": "http.response.body", "body": _body, "more_body": False})
