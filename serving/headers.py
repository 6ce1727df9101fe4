"""The headers of a request, as the server hands them over.

Belongs here: finding one where they lie, for the layers that every request passes; an address where they name none that can be
read. Does not belong here: what a header means.
"""

from typing import Any

from litestar import Request
from litestar.datastructures import URL
from litestar.types import Scope


class AnyHostRequest(Request[Any, Any, Any]):
    """A request whose address can be read whatever its `Host` says.

    Litestar looks at the address to say that a request is not valid: a host such as `h:99999` would make that a fault of ours.
    """

    @property
    def url(self) -> URL:
        """The address; without the host where that is none."""
        try:
            return super().url
        except ValueError:
            return URL.from_components(path=self.scope["path"], query=self.scope["query_string"].decode("latin-1"))


def header(scope: Scope, name: bytes) -> bytes:
    """The value of the first header of that name, in lower case; empty where there is none.

    Litestar's own `headers` take all of them apart first, which would cost a ready answer a seventh of its time.
    """
    for each, value in scope["headers"]:
        if each == name:
            return value
    return b""
