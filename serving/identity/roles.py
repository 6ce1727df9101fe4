"""Roles, the permissions they grant, who has them, and the guard that enforces them.

Every handler declares its permission by `opt=allow(Permission.…)`; `require_declarations` refuses an app with one that
does not. Nothing is excluded from authentication by a pattern over paths. Does not belong here: how a principal is recognised.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.exceptions import ImproperlyConfiguredException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.routes import BaseRoute, HTTPRoute
from msgspec import Struct


class Role(StrEnum):
    """What an account is; each may do what those before it may."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    OPERATOR = "operator"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a handler asks for."""

    PUBLIC = "public"
    """Nothing: whoever asks."""
    OWN = "own"
    """One's own sessions and keys. No key has it: whoever finds a key can neither make another nor end a session."""
    READ = "read"
    """Forecasts, matches, the record."""
    ANALYSE = "analyse"
    """What stands behind a forecast."""
    OPERATE = "operate"
    """What is served."""
    ADMINISTER = "administer"
    """Accounts, and everybody's sessions and keys."""


_VIEWER: Final = frozenset({Permission.OWN, Permission.READ})
_ANALYST: Final = _VIEWER | {Permission.ANALYSE}
_OPERATOR: Final = _ANALYST | {Permission.OPERATE}

GRANTS: Final = {
    Role.VIEWER: _VIEWER,
    Role.ANALYST: _ANALYST,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: _OPERATOR | {Permission.ADMINISTER},
}

SCOPES: Final = frozenset({Permission.READ, Permission.ANALYSE, Permission.OPERATE, Permission.ADMINISTER})
"""What a key can be good for."""


class Principal(Struct, frozen=True):
    """Who asks: an account, by one of its sessions or keys."""

    subject: str
    role: Role
    permissions: frozenset[Permission]
    session_id: str | None = None
    key_id: str | None = None

    @classmethod
    def of_session(cls, subject: str, role: Role, session_id: str) -> "Principal":
        """An account that logged in: it may do all that its role grants."""
        return cls(subject, role, GRANTS[role], session_id=session_id)

    @classmethod
    def of_key(cls, subject: str, role: Role, key_id: str, scopes: Iterable[str]) -> "Principal":
        """A machine with an account's key: it may do what the key is good for, as long as the role grants it."""
        return cls(subject, role, GRANTS[role] & SCOPES & {Permission(scope) for scope in scopes}, key_id=key_id)

    @property
    def account_id(self) -> int:
        """The number of the account."""
        return int(self.subject)


def allow(permission: Permission) -> dict[str, Any]:
    """The options of a handler that asks for this permission."""
    return {"permission": permission, "exclude_from_auth": permission is Permission.PUBLIC}


async def authorise(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of the whole app: the principal must have the permission that the handler asks for.

    A coroutine though it waits for nothing: Litestar runs other guards in a thread, which costs more than the rest of a request.
    """
    if connection.scope.get("method") == "OPTIONS":  # Litestar's own handler, which only lists the methods
        return
    permission = handler.opt["permission"]
    if permission is not Permission.PUBLIC and permission not in connection.user.permissions:
        bearer = f"a {connection.user.role}" if connection.user.key_id is None else "this key"
        raise PermissionDeniedException(f"This needs the permission {permission.value!r}, which {bearer} has not.")


def declared(routes: Iterable[BaseRoute]) -> dict[tuple[str, str], Permission]:
    """What each operation asks for, by its method in lower case and its path's template, Litestar's own OPTIONS left out."""
    return {
        (method.lower(), route.path_format): handler.opt["permission"]
        for route in routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in sorted(handler.http_methods - {"OPTIONS"})
    }


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
