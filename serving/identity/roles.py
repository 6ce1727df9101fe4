"""Roles, the permissions they grant, and the guard that enforces them.

Every handler declares its permission by `opt=allow(Permission.…)`; `require_declarations` refuses an app with one that
does not. Nothing is excluded from authentication by a pattern over paths. Does not belong here: how a bearer is recognised.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.exceptions import ImproperlyConfiguredException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.routes import BaseRoute, HTTPRoute


class Role(StrEnum):
    """What an account is."""

    READER = "reader"
    OPERATOR = "operator"


class Permission(StrEnum):
    """What a handler asks for."""

    PUBLIC = "public"
    READ = "read"
    OPERATE = "operate"


GRANTS: Final = {
    Role.READER: frozenset({Permission.READ}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.OPERATE}),
}


def allow(permission: Permission) -> dict[str, Any]:
    """The options of a handler that asks for this permission."""
    return {"permission": permission, "exclude_from_auth": permission is Permission.PUBLIC}


async def authorise(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of the whole app: the bearer's role must grant what the handler asks for.

    A coroutine though it waits for nothing: Litestar runs other guards in a thread, which costs more than the rest of a request.
    """
    if connection.scope.get("method") == "OPTIONS":  # Litestar's own handler, which only lists the methods
        return
    permission = handler.opt["permission"]
    if permission is not Permission.PUBLIC and permission not in GRANTS[connection.user.role]:
        raise PermissionDeniedException(f"This needs the permission to {permission}, which a {connection.user.role} has not.")


def require_declarations(routes: Iterable[BaseRoute]) -> None:
    """Refuse routes on which anything but Litestar's own OPTIONS handler declares no permission.

    Raises:
        ImproperlyConfiguredException: naming the handler.
    """
    for route in routes:
        if not isinstance(route, HTTPRoute):
            raise ImproperlyConfiguredException(f"{route.path} is not an HTTP route: say here how it is authorised")
        for handler in route.route_handlers:
            if handler.http_methods != {"OPTIONS"} and not isinstance(handler.opt.get("permission"), Permission):
                raise ImproperlyConfiguredException(f"{handler} on {route.path} declares no permission: opt=allow(...)")
