"""The headers of a request, as the server hands them over.

Belongs here: finding one where they lie, for the layers that every request passes. Does not belong here: what a header means.
"""

from litestar.types import Scope


def header(scope: Scope, name: bytes) -> bytes:
    """The value of the first header of that name, in lower case; empty where there is none.

    Litestar's own `headers` take all of them apart first, which would cost a ready answer a seventh of its time.
    """
    for each, value in scope["headers"]:
        if each == name:
            return value
    return b""
