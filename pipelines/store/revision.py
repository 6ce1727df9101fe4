"""Which revision of the code is running, and on what.

Belongs here: asking git, and naming what else decides the last digit of a result: the platform and the libraries' versions.
"""

import hashlib
import platform
import re
import subprocess
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


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
    """Where the checkout came from, as an address of the web without a user's name or password; None if that is not known."""
    command = ["git", "config", "--get", "remote.origin.url"]
    try:
        origin = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.fullmatch(r"(?:https?://(?:[^@/]+@)?|ssh://[^@/]+@|[^@/:]+@)([^:/]+)[:/](.+?)(?:\.git)?/?", origin)
    return f"https://{found[1]}/{found[2]}" if found else None


def platform_name() -> str:
    """System, processor and Python: numbers are promised to be the same, to the last bit, on the same one only."""
    return f"{platform.system()} {platform.machine()}, {platform.python_implementation()} {platform.python_version()}"


@cache
def lock_digest() -> str | None:
    """SHA-256 of the lock file, which fixes every library's version; None where there is none."""
    lock = _ROOT / "uv.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None
