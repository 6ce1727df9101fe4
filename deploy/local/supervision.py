"""The process manager: `supervisord`, configured by us, spoken to over its unix socket.

Belongs here: its configuration file and its interface. Which programs there are is `deploy.programs`' business.
"""

import contextlib
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any, cast
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport


class SupervisionError(Exception):
    """The process manager cannot be started or asked; the message is for a person."""


@dataclass(frozen=True)
class Program:
    """A program to be kept running: its command, all its environment, and under which account it runs."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: str = "/"
    uid: int | None = None
    stop_signal: int = SIGTERM
    wait_for_ports: Sequence[int] = ()


@dataclass(frozen=True)
class State:
    """What the process manager says about a program; `since` is a Unix time, 0 if it never ran."""

    name: str
    state: str
    pid: int
    since: int

    @property
    def is_up(self) -> bool:
        """Whether it runs, or is about to."""
        return self.state in ("RUNNING", "STARTING")


DAEMON = """\
[unix_http_server]
file = {socket}
chmod = 0600

[supervisord]
logfile = {logs}/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 2
pidfile = {folder}/supervisord.pid
umask = 077
identifier = football
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

# After a crash PostgreSQL cannot start again for a second or two, until its last processes are gone: keep trying.
PROGRAM = """
[program:{name}]
command = {command}
directory = {project}
autostart = false
autorestart = true
startsecs = 1
startretries = 20
stopsignal = {stop_signal}
stopwaitsecs = {patience}
stopasgroup = {stops_children}
killasgroup = {kills_children}
priority = {priority}
redirect_stderr = true
stdout_logfile = {logs}/{name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""


@dataclass(frozen=True)
class Stopping:
    """How a program is stopped: by which signal, whether its children are sent it too, and whether only after the others."""

    signal: Signals = SIGTERM
    with_children: bool = False
    is_last: bool = False


@dataclass(frozen=True)
class Supervisor:
    """The process manager of one installation.

    `folder` holds its configuration and the programs' descriptions (0600: they carry passwords), `logs` what they print.
    `programs` names every program there can be, and how it is stopped.
    """

    folder: Path
    logs: Path
    project: Path
    programs: Mapping[str, Stopping]

    def ensure(self) -> None:
        """Start the process manager unless it runs; restart it, with everything, if it runs with another configuration."""
        configuration = self._configuration()
        path = self.folder / "supervisord.conf"
        if self.is_running():
            if path.read_text() == configuration:
                return
            self.shutdown()
        for folder in (self.folder, self.logs, self.socket.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(configuration)
        path.chmod(0o600)
        result = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(path)],
            cwd=self.project,
            check=False,
            capture_output=True,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + 10
        while not self.is_running():
            if result.returncode != 0 or time.monotonic() > deadline:
                raise SupervisionError(f"The process manager did not start: {result.stderr or result.stdout or 'no answer'}")
            time.sleep(0.05)

    def is_running(self) -> bool:
        """Whether the process manager answers."""
        try:
            with self._server() as server:
                return server.supervisor.getState() == {"statecode": 1, "statename": "RUNNING"}
        except (OSError, HTTPException, Fault):
            return False

    def shutdown(self) -> None:
        """Stop every program and the process manager itself; returns when they are gone."""
        with contextlib.suppress(OSError, HTTPException, Fault):
            deadline = time.monotonic() + 60
            early = [name for name, state in self.states().items() if state.pid and not self.programs[name].is_last]
            with self._server() as server:
                for name in early:
                    server.supervisor.stopProcess(name, False)
                while time.monotonic() < deadline and any(self.states()[name].pid for name in early):
                    time.sleep(0.05)
                server.supervisor.shutdown()
            while time.monotonic() < deadline and self.socket.exists():
                time.sleep(0.05)

    def states(self) -> dict[str, State]:
        """Every program that there can be, running or not; empty if the process manager does not run."""
        if not self.is_running():
            return {}
        with self._server() as server:
            return {
                info["name"]: State(info["name"], info["statename"], info["pid"], info["start"])
                for info in cast(list[dict[str, Any]], server.supervisor.getAllProcessInfo())
            }

    def run(self, program: Program) -> bool:
        """Have `program` run as described, restarting it if it runs otherwise; whether it had to be (re)started.

        Does not wait until it is ready for anything.
        """
        path = self._description(program.name)
        description = json.dumps(asdict(program), indent=1)
        is_changed = not path.exists() or path.read_text() != description
        is_up = self.states()[program.name].is_up
        if is_up and not is_changed:
            return False
        if is_up:
            self.stop(program.name)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(description)
        with self._server() as server:
            server.supervisor.startProcess(program.name, False)
        return True

    def stop(self, name: str) -> None:
        """Stop one program, and wait for its end."""
        with self._server() as server:
            try:
                server.supervisor.stopProcess(name, True)
            except Fault as fault:
                if fault.faultCode != Faults.NOT_RUNNING:
                    raise

    def last_words(self, name: str, n_characters: int = 2000) -> str:
        """The end of what a program printed."""
        path = self.logs / f"{name}.log"
        return path.read_text(errors="replace")[-n_characters:] if path.exists() else ""

    @property
    def socket(self) -> Path:
        """The unix socket; in a short path of its own where the checkout's is too long for one (108 bytes on Linux)."""
        path = self.folder / "supervisor.sock"
        if len(os.fsencode(path)) < 90:
            return path
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"football-{os.getuid()}-{digest}" / "supervisor.sock"

    @contextlib.contextmanager
    def _server(self) -> Iterator[ServerProxy]:
        if self.socket.exists() and self.socket.parent.stat().st_uid != os.getuid():
            raise SupervisionError(f"{self.socket.parent} belongs to somebody else")
        with ServerProxy("http://localhost", transport=SupervisorTransport(None, None, f"unix://{self.socket}")) as server:
            yield server

    def _description(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _configuration(self) -> str:
        quoted = {"socket": self.socket, "logs": self.logs, "folder": self.folder, "project": self.project}
        paths = {name: str(path).replace("%", "%%") for name, path in quoted.items()}
        daemon = DAEMON.format(**paths, user="user = root\n" if os.getuid() == 0 else "")
        for name, stopping in self.programs.items():
            command = shlex.join([sys.executable, "-m", "deploy.local.launch", str(self._description(name))])
            daemon += PROGRAM.format(
                project=paths["project"],
                logs=paths["logs"].replace("%", "%%"),  # this one is expanded twice
                name=name,
                command=command.replace("%", "%%"),
                stop_signal=stopping.signal.name.removeprefix("SIG"),
                stops_children=str(stopping.with_children).lower(),
                kills_children=str(not stopping.is_last).lower(),
                priority=1 if stopping.is_last else 10,
                patience=60 if stopping.is_last else 10,  # a database that writes its last pages is let finish
            )
        return daemon
