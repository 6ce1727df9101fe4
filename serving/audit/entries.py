"""What a row of the audit says: who acted, and what was there before and after.

Belongs here: naming the actor, and masking. Does not belong here: the database, HTTP.
"""

import os
import pwd
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

HIDDEN: Final = "(hidden)"
SECRET: Final = ("password", "secret", "token", "hash")
"""In a field's name: nothing of its value is kept."""

PERSONAL: Final = frozenset({"username", "email", "name"})
"""Fields of which the first letter is kept: rows of the audit cannot be deleted when somebody asks to be forgotten."""


class Actor(Struct, frozen=True, kw_only=True):
    """Who writes: `account` and `key` by their number, `cli` by the user of the operating system. From where, with what."""

    kind: str
    subject: str
    request_id: str | None = None
    address: str | None = None
    client: str | None = None

    @property
    def name(self) -> str:
        """As the audit shows it: `account:7`."""
        return f"{self.kind}:{self.subject}"


def command_line() -> Actor:
    """Whoever types a command here: whom the system knows, whatever the environment says."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return Actor(kind="cli", subject=user)


def shown(content: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The content of a row as the audit keeps it: JSON values, secrets hidden, of personal data the first letter."""
    if content is None:
        return None
    plain: dict[str, Any] = msgspec.to_builtins(dict(content))
    return {name: _shown(name, value) for name, value in plain.items()}


def _shown(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if any(part in name for part in SECRET):
        return HIDDEN
    if isinstance(value, dict):
        return shown(value)
    return f"{str(value)[:1]}…" if name in PERSONAL else value
