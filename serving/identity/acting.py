"""Who acts: by what name the audit knows a bearer.

Belongs here: that name, and what a handler that writes hands to the store. Does not belong here: how a bearer is recognised.
"""

from typing import Any

from litestar import Request

from serving.access_log import masked
from serving.audit.entries import Actor
from serving.identity.clients import family
from serving.identity.roles import Principal


def actor(request: Request[Any, Any, Any]) -> Actor:
    """The bearer of the request, its id, and the network that it came from.

    The network and not the address: rows of the audit cannot be deleted, and the request's id leads to what the log has.
    """
    bearer: Principal = request.user
    return _actor(request, "account", bearer.subject) if bearer.key_id is None else _actor(request, "key", bearer.key_id)


def as_account(request: Request[Any, Any, Any], account_id: int) -> Actor:
    """The account that a public request turned out to be of: of a login, a refresh token, a cookie."""
    return _actor(request, "account", str(account_id))


def _actor(request: Request[Any, Any, Any], kind: str, subject: str) -> Actor:
    return Actor(
        kind=kind,
        subject=subject,
        request_id=request.scope["state"]["request_id"],
        address=masked(request.client.host) if request.client else None,
        client=family(request.headers.get("User-Agent", "")),
    )
