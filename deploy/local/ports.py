"""Which loopback port each service listens on: free when first chosen, the same ever after.

Ports stay below 32768, where Linux begins to hand out ports to outgoing connections: a server above that line can find
its port taken by somebody's client after a restart.
"""

import json
import os
import random
import socket
from dataclasses import dataclass
from pathlib import Path

LOWEST, HIGHEST = 20000, 32767


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closing connection is no obstacle
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_open(port: int) -> bool:
    """Whether something answers on this loopback port now."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Ports:
    """The remembered ports, in a JSON file of name to number."""

    path: Path

    def get(self, name: str) -> int:
        """The port of `name`; chosen and remembered if it has none yet."""
        known = self._read()
        return known[name] if name in known else self._choose(name, known)

    def claim(self, name: str) -> int:
        """The port of `name` for a service about to start: another one is chosen if a stranger has taken it."""
        known = self._read()
        return known[name] if name in known and is_free(known[name]) else self._choose(name, known)

    def _read(self) -> dict[str, int]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def _choose(self, name: str, known: dict[str, int]) -> int:
        port = next(p for p in random.sample(range(LOWEST, HIGHEST + 1), 2000) if p not in known.values() and is_free(p))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        draft.write_text(json.dumps({**known, name: port}, indent=1) + "\n")
        draft.rename(self.path)
        return port
