"""Generated passwords: one file each, readable by its owner alone.

Belongs here: making, reading and keeping them. They are never printed, logged or put on a command line.
"""

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Secrets:
    """The folder of generated secrets (mode 0700, files 0600)."""

    folder: Path

    def path(self, name: str) -> Path:
        """The file of the secret `name`, made with a fresh random text of 43 characters if it is not there yet."""
        return self.keep(name, secrets.token_urlsafe(32))

    def get(self, name: str) -> str:
        """The secret `name`; safe inside a URL, a configuration file and a shell word."""
        return self.path(name).read_text(encoding="ascii")

    def has(self, name: str) -> bool:
        """Whether the secret has been made."""
        return (self.folder / name).exists()

    def keep(self, name: str, content: str) -> Path:
        """The file of the secret `name`, written with `content` unless it is there already."""
        path = self.folder / name
        if not path.exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self.folder / f".{name}.{os.getpid()}"
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
                file.write(content)
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)  # of two that make it at once, the first wins, whole
            draft.unlink()
        return path
