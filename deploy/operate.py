"""Starting, stopping and looking at the platform on this machine.

Belongs here: the order of things, and waiting for each of them a bounded time. Commands at the terminal are in
`deploy.cli`; every function here tells what it is doing through `step`.
"""

import contextlib
import fcntl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from deploy import database, migrate
from deploy.edition import Edition
from deploy.installation import APPLICATIONS, SERVERS, WITH_CELERY, Installation
from deploy.local.ports import is_open
from deploy.local.server import Server
from deploy.programs import applications, lay_out, pipelines_environment, server_program

Step = Callable[[str], AbstractContextManager[None]]
"""Announces a piece of work, and says when it is done and how long it took."""

NEED_CODE = ("dagster-code", "dagster-webserver", "dagster-daemon")
"""They load the pipelines' definitions."""

HEALTH_PATHS = {"mlflow": "/health", "api": "/health/live", "dagster-webserver": "/server_info", "docs": "/"}

LISTENING = ("mlflow", "api", "dagster-code", "dagster-webserver", "docs")
"""The applications that something talks to."""

READY_WITHIN = 60.0
ANSWER_WITHIN = 120.0


class OperationError(Exception):
    """Something did not start or answer; the message says what, and where to look."""


@dataclass(frozen=True)
class ProgramStatus:
    """One line of `football status`."""

    name: str
    state: str
    pid: int
    since: int
    where: str
    is_answering: bool | None  # null where nothing talks to it


def start(installation: Installation, edition: Edition, step: Step) -> bool:
    """Everything of an edition started, the servers ready, the applications perhaps not yet; whether all ran before."""
    running = {name for name, state in installation.supervisor.states().items() if state.is_up}
    with contextlib.ExitStack() as stack:
        finish = None if running.issuperset(NEED_CODE) else stack.enter_context(preparing_code(installation, edition))
        start_servers(installation, edition, step)
        started = start_applications(installation, edition, [name for name in APPLICATIONS if name not in NEED_CODE])
        if finish is not None:
            with step("definitions"):
                finish()
        started += start_applications(installation, edition, NEED_CODE)
    return not started


def start_servers(installation: Installation, edition: Edition, step: Step) -> None:
    """PostgreSQL, Valkey and the broker running, the edition's roles, databases and tables in their newest shape."""
    has_worker = installation.has_worker(edition)
    with _alone(installation):
        if installation.is_postgres_ours or installation.is_valkey_ours or has_worker:
            installation.supervisor.ensure()
        if installation.is_postgres_ours:
            _start_postgres(installation, step)
        for name, server, is_ours in (
            ("valkey", installation.valkey, installation.is_valkey_ours),
            ("broker", installation.broker, has_worker),
        ):
            if is_ours and not server().is_ready():
                with step("Valkey" if name == "valkey" else "the broker"):
                    installation.ports.claim(name)
                    _start_server(installation, name, server())
        with step("roles, databases and tables"):
            urls = database.create(installation.admin_url, edition.warehouse, installation.secrets)
            migrate.upgrade(urls.owner)
            if edition.data_cutoff is not None:
                database.rehearse(urls.owner, edition.data_cutoff.isoformat())
            if installation.is_postgres_ours:
                database.create_backup_role(installation.admin_url, installation.secrets)
                installation.postgres().account.make_folder(installation.backups_dir(edition))


def start_applications(installation: Installation, edition: Edition, names: Container[str] = APPLICATIONS) -> list[str]:
    """The edition's programs started, or restarted where something about them changed; the names of those.

    What another edition or another setting had running is stopped. Returns at once: see `wait_until_answering`.
    """
    with _alone(installation):
        installation.supervisor.ensure()
        states = installation.supervisor.states()
        for name in APPLICATIONS:
            if not states[name].is_up:
                installation.ports.claim(name)
        installation.put_in_service(edition)
        lay_out(installation, edition)
        wanted = applications(installation, edition)
        kept = {program.name for program in wanted} | ({"broker"} if installation.has_worker(edition) else set())
        for name in (*APPLICATIONS, "broker"):
            if states[name].is_up and name not in kept:
                installation.supervisor.stop(name)
        return [program.name for program in wanted if program.name in names and installation.supervisor.run(program)]


@contextlib.contextmanager
def preparing_code(installation: Installation, edition: Edition) -> Iterator[Callable[[], None]]:
    """Have the pipelines make what their code location needs (the dbt manifest) while other things go on.

    Gives a function that waits for its end; it raises OperationError if that failed.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", "prepare"],
        env=pipelines_environment(installation, edition),
        cwd=installation.supervisor.project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def finish() -> None:
        output, _ = process.communicate()
        if process.returncode != 0:
            raise OperationError(f"The definitions cannot be prepared:\n{output[-3000:]}")

    try:
        yield finish
    finally:
        process.kill()
        process.wait()


def wait_until_answering(installation: Installation, names: Iterable[str], step: Step) -> None:
    """Wait until each of these applications answers. Raises OperationError with its last words otherwise."""
    for name in names:
        if name == "mlflow" and not installation.is_mlflow_ours:
            continue  # somebody else's
        if not is_answering(installation, name):
            with step(f"waiting for {name}"):
                _wait_for(partial(is_answering, installation, name), ANSWER_WITHIN, installation, name)


def is_answering(installation: Installation, name: str) -> bool:
    """Whether an application answers its health check; one without HTTP, whether it listens."""
    if name not in HEALTH_PATHS:
        return is_open(installation.ports.get(name))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy: it is on this machine
    try:
        with opener.open(installation.url(name) + HEALTH_PATHS[name], timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def stop(installation: Installation) -> bool:
    """Stop everything of ours; whether anything ran."""
    with _alone(installation):
        was_running = installation.supervisor.is_running()
        installation.supervisor.shutdown()
    return was_running


def status(installation: Installation) -> list[ProgramStatus]:
    """What there is and how it does: first the servers, then the applications."""
    states = installation.supervisor.states()
    theirs = {
        "postgres": "" if installation.is_postgres_ours else "DATABASE_URL",
        "valkey": "" if installation.is_valkey_ours else "REDIS_URL",
        "mlflow": "" if installation.is_mlflow_ours else "MLFLOW_TRACKING_URI",
    }
    has_worker = installation.has_worker(installation.edition())
    lines = []
    for name in (*SERVERS, *APPLICATIONS):
        if name in WITH_CELERY and not has_worker:
            continue
        if theirs.get(name):
            lines.append(ProgramStatus(name, f"set by {theirs[name]}", 0, 0, "", None))
            continue
        state = states.get(name)
        is_up = state is not None and state.is_up
        lines.append(
            ProgramStatus(
                name=name,
                state=state.state.lower() if state else "stopped",
                pid=state.pid if state and is_up else 0,
                since=state.since if state and is_up else 0,
                where=_where(installation, name),
                is_answering=_does_answer(installation, name),
            )
        )
    return lines


def _where(installation: Installation, name: str) -> str:
    if name in HEALTH_PATHS:
        return installation.url(name)
    return f"127.0.0.1:{installation.ports.get(name)}" if name in SERVERS or name in LISTENING else ""


def _does_answer(installation: Installation, name: str) -> bool | None:
    if name in SERVERS:
        servers: dict[str, Callable[[], Server]] = {
            "postgres": installation.postgres,
            "valkey": installation.valkey,
            "broker": installation.broker,
        }
        return servers[name]().is_ready()
    return is_answering(installation, name) if name in LISTENING else None


def _start_postgres(installation: Installation, step: Step) -> None:
    if installation.postgres().is_ready():
        return
    # Without this mark the secrets are new, and data found on the machine belong to an installation that is gone.
    mark = installation.local_dir / "postgres-is-initialised"
    with step("PostgreSQL" if mark.exists() else "PostgreSQL, for the first time"):
        if not installation.supervisor.states()["postgres"].is_up:
            installation.postgres().stop_stray()
        installation.ports.claim("postgres")
        server = installation.postgres(is_new=not mark.exists())
        server.prepare()
        mark.touch()
        _start_server(installation, "postgres", installation.postgres())


def _start_server(installation: Installation, name: str, server: Server) -> None:
    installation.supervisor.run(server_program(name, server))
    _wait_for(server.is_ready, READY_WITHIN, installation, name)


def _wait_for(is_there: Callable[[], bool], seconds: float, installation: Installation, name: str) -> None:
    deadline = time.monotonic() + seconds
    pids = set()
    while not is_there():
        state = installation.supervisor.states().get(name)
        pids |= {state.pid} if state and state.pid else set()
        if state is None or state.state in ("FATAL", "STOPPED") or len(pids) > 3 or time.monotonic() > deadline:
            log = installation.supervisor.logs / f"{name}.log"
            raise OperationError(
                f"{name} does not answer ({state.state.lower() if state else 'not started'}). It said last, in {log}:\n"
                + installation.supervisor.last_words(name)
            )
        time.sleep(0.1)


@contextlib.contextmanager
def _alone(installation: Installation) -> Iterator[None]:
    """One command at a time starts and stops things."""
    installation.local_dir.mkdir(parents=True, exist_ok=True)
    with (installation.local_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
