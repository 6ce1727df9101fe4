"""The secrets that sign tokens: several at a time, so that one can be replaced while the service runs.

Belongs here: the file they are in, which of them signs, for how long the others verify. Does not belong here: what is signed,
what the audit says of a change (`key_changes`).

The file has one secret a line, the newest last, each with the moment it was made (none: made with the installation). A
secret's id is derived from it, so that the two cannot come apart. A text of 32 characters or more is a file with one secret.
"""

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Final

import structlog
from litestar.exceptions import ImproperlyConfiguredException
from msgspec import Struct

MINIMUM_SECRET_BYTES: Final = 32
OVERLAP: Final = timedelta(minutes=20)
"""How long a replaced secret verifies at least: whatever it signed has expired by then."""

_log = structlog.get_logger("serving")


class SigningKey(Struct, frozen=True):
    """A secret, and since when it signs."""

    secret: bytes
    made_at: datetime | None = None

    @property
    def key_id(self) -> str:
        """What a token names it by."""
        return hashlib.sha256(b"key id of " + self.secret).hexdigest()[:16]


class SigningKeys:
    """The secrets of a file, read again when it was replaced: `refresh` looks, and so does who asks for an unknown one.

    Raises:
        ImproperlyConfiguredException: there is no secret in the file, or one that is too short.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _state(path)
        self._keys = read(path)

    @property
    def newest(self) -> SigningKey:
        """The one that signs."""
        return self._keys[-1]

    @property
    def secrets(self) -> list[bytes]:
        """All that verify, the newest first."""
        return [key.secret for key in reversed(self._keys)]

    def secret(self, key_id: str) -> bytes | None:
        """The secret of this id; None if there is none, or no longer."""
        found = self._find(key_id)
        # Another worker may have read of a new one before this one did.
        return self._find(key_id) if found is None and self.refresh() else found

    def refresh(self) -> bool:
        """Read the file if it was replaced, and say whether it was. What cannot be read leaves the known secrets in force."""
        try:
            state = _state(self._path)
            if state == self._seen:
                return False
            keys = read(self._path)
        except (OSError, ImproperlyConfiguredException) as error:
            _log.error("signing_keys_not_read", reason=str(error))
            return False
        self._seen, self._keys = state, keys
        return True

    def _find(self, key_id: str) -> bytes | None:
        return next((key.secret for key in self._keys if key.key_id == key_id), None)


def read(path: Path) -> list[SigningKey]:
    """The secrets of a file, the newest last.

    Raises:
        ImproperlyConfiguredException: there is none, or one that is too short, or a moment that is none.
    """
    keys = []
    for line in path.read_bytes().splitlines():
        if not (words := line.split()):
            continue
        try:
            made_at = datetime.fromisoformat(words[1].decode()) if len(words) > 1 else None
        except ValueError:
            raise ImproperlyConfiguredException(f"{path}: behind a secret there is the moment it was made, or nothing.") from None
        keys.append(SigningKey(words[0], made_at))
    shortest = min((len(key.secret) for key in keys), default=0)
    if shortest < MINIMUM_SECRET_BYTES:
        raise ImproperlyConfiguredException(
            f"The secret for tokens has {shortest} bytes; it needs at least {MINIMUM_SECRET_BYTES} random ones."
        )
    return keys


def rotated(keys: Sequence[SigningKey], now: datetime) -> list[SigningKey]:
    """These and a new one, which signs. Those that it or an earlier one replaced verify on for `OVERLAP`; then they go."""
    replaced_at = [later.made_at for later in keys[1:]] + [now]
    kept = [key for key, at in zip(keys, replaced_at, strict=True) if at is not None and at > now - OVERLAP]
    return [*kept, SigningKey(token_urlsafe(32).encode(), now)]


def write(path: Path, keys: Sequence[SigningKey]) -> None:
    """Replace the file whole: no worker ever reads half of it, and nobody but its owner reads it at all."""
    lines = [key.secret.decode() + (f" {key.made_at.astimezone(UTC).isoformat()}" if key.made_at else "") for key in keys]
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))
    draft.replace(path)


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_ino, found.st_size
