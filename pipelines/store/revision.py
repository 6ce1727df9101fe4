"""Which revision of the code is running, and on what.

Belongs here: asking git, and naming what else decides the last digit of a result: the platform and the libraries' versions.
"""

import hashlib
import platform
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

_ROOT = Path(__file__).resolve().parents[2]

_ORIGIN: Final = re.compile(
    r"""(?: (?P<scheme>https?)://(?:[^/]*@)?(?P<web>[A-Za-z0-9._-]+(?::[0-9]+)?)/
    |   ssh://(?:[^/]*@)?(?P<ssh>[A-Za-z0-9._-]+)(?::[0-9]+)?/
    |   [^@/:]+@(?P<scp>[A-Za-z0-9._-]+):
    )(?P<path>.+)""",
    re.VERBOSE,
)
"""The forms in which git names another machine: HTTP, SSH, and SSH as `scp` has it."""


@cache
def git_revision() -> str | None:
    """The commit of the checkout, with `+` behind it where files differ from it; None outside a checkout."""
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=_ROOT, capture_output=True, text=True, timeout=10, check=True)
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


@cache
def repository_url() -> str | None:
    """Where the checkout came from, as an address of the web; None if that is not known."""
    command = ["git", "config", "--get", "remote.origin.url"]
    try:
        origin = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return web_address(origin)


def web_address(origin: str) -> str | None:
    """Where the web has what git fetches from `origin`, without a user's name or password; None where no host is named.

    A port of HTTP's is kept, one of SSH's says nothing of the web. What an address may not hold is encoded.
    """
    found = _ORIGIN.fullmatch(origin)
    path = found["path"].strip("/").removesuffix(".git") if found else ""
    if found is None or not path:
        return None
    return f"{found['scheme'] or 'https'}://{found['web'] or found['ssh'] or found['scp']}/{quote(unquote(path))}"


def platform_name() -> str:
    """System, processor and Python: numbers are promised to be the same, to the last bit, on the same one only."""
    return f"{platform.system()} {platform.machine()}, {platform.python_implementation()} {platform.python_version()}"


@cache
def lock_digest() -> str | None:
    """SHA-256 of the lock file, which fixes every library's version; None where there is none."""
    lock = _ROOT / "uv.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None
