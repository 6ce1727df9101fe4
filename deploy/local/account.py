"""Under which account, and in which folder, the embedded servers run.

A server of ours never runs as root. Started by root, its binaries are copied to a folder of root's that everyone may
read, its data belong to an unprivileged id, and no folder above them changes its mode: that id may not even be able to
enter the checkout. Started by anyone else, everything stays under the checkout's `.local/`.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

UNPRIVILEGED_ID = 65534
"""`nobody` on every Linux distribution; used as a number, so that it need not be in the account file."""

ROOTS_FOLDER = Path("/var/lib/football")


class PopenIdentity(TypedDict, total=False):
    """Arguments of `subprocess` that make a child run under an account."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """Who a server runs as: user and group id, or nobody in particular (`None`), which is ourselves."""

    uid: int | None = None

    @classmethod
    def for_servers(cls) -> "Account":
        """The unprivileged id when we are root, otherwise ourselves."""
        return cls(UNPRIVILEGED_ID if os.geteuid() == 0 else None)

    @property
    def popen_identity(self) -> PopenIdentity:
        """What to pass to `subprocess` so that the child runs under this account, in no other group."""
        return {} if self.uid is None else {"user": self.uid, "group": self.uid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a file or an (empty) folder to this account."""
        if self.uid is not None:
            os.chown(path, self.uid, self.uid)

    def make_folder(self, path: Path) -> Path:
        """A folder that only this account can enter; its parents are made, too, but never changed."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700)
            self.own(path)
        return path


def services_home(local_dir: Path) -> Path:
    """The folder for the binaries and data of the servers that belong to `local_dir`."""
    if os.geteuid() != 0:
        return local_dir
    return ROOTS_FOLDER / hashlib.sha256(str(local_dir.resolve()).encode()).hexdigest()[:12]


def install(folder: Path, copy: Callable[[Path], None]) -> Path:
    """`folder`, filled by `copy` unless it is there already; never seen half full."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        copy(draft)
        draft.rename(folder)
    return folder
