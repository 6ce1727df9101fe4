"""What the embedded servers have in common: lay out, start in the foreground or the background, stop.

A server is described by its command and the account it runs under. The process manager runs that command in the
foreground; a test calls `start` and `stop` itself, with no process manager.
"""

import contextlib
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.account import Account


class ServerError(Exception):
    """A server could not be laid out, started or reached; the message is for a person."""


@dataclass
class Server(ABC):
    """One server of this machine.

    `home` holds its binaries and its data, `port` is where it listens on loopback.
    """

    home: Path
    port: int
    account: Account = field(default_factory=Account.for_servers)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    stop_signal = signal.SIGTERM

    @property
    @abstractmethod
    def data(self) -> Path:
        """Where it keeps what it stores, and the log of a server started by `start`."""

    @abstractmethod
    def prepare(self) -> list[str]:
        """Lay out binaries, data and configuration; the command that runs the server in the foreground.

        May be called again at any time, also while the server runs.
        """

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers a client that knows the password."""

    def start(self, timeout: float = 60) -> None:
        """Run the server in the background, as a child of this process, and wait until it answers.

        Raises ServerError with the end of its log if it ends, or is not ready after `timeout` seconds.
        """
        command = self.prepare()
        log = self.home / f"{self.data.name}.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={"LC_ALL": "C"},
                start_new_session=True,
                **self.account.popen_identity,
            )
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop what `start` started, and wait for its end."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def pid(self) -> int:
        """The process id of what `start` started."""
        if self._process is None:
            raise ServerError("the server is not running")
        return self._process.pid

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The server, started and stopped around a block."""
        self.start()
        try:
            yield
        finally:
            self.stop()
