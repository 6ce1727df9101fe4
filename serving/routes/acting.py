"""Who acts: what a handler that writes hands to the store, for the audit."""

from typing import Any

from litestar import Request

from serving.access_log import masked
from serving.audit.entries import Actor


def actor(request: Request[Any, Any, Any]) -> Actor:
    """The bearer of the request, its id, and the network that it came from.

    The network and not the address: rows of the audit cannot be deleted, and the request's id leads to what the log has.
    """
    return Actor(
        kind="account",
        subject=request.user.subject,
        request_id=request.scope["state"]["request_id"],
        address=masked(request.client.host) if request.client else None,
    )
