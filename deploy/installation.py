"""One installation on one machine: its folders, secrets, ports and servers, and the environment of each edition.

Belongs here: where everything is, and what it is called. Nothing is started here; `deploy.programs` says what runs, and
`deploy.operate` starts and stops it.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from deploy import database
from deploy.database import Urls
from deploy.edition import DEMO, Edition, named, rehearsal
from deploy.local.account import services_home
from deploy.local.ports import Ports
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from deploy.local.supervision import Stopping, Supervisor
from deploy.local.valkey import ValkeyServer
from deploy.settings import DATA_VARIABLES, PROJECT_DIR, Settings

SERVERS = ("postgres", "valkey", "broker")
APPLICATIONS = ("mlflow", "api", "dagster-code", "dagster-webserver", "dagster-daemon", "docs", "worker")
WITH_CELERY = ("broker", "worker")
"""Those of both that are there only where steps go to Celery and nobody else's broker is named."""

NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A registered model carries what it needs; the checkout's lock file and progress bars are not part of it.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOG_UV_FILES": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
}

# A thread that waits for another sleeps, for spinning it takes the core that another process needs; but not at once: parts of a
# tree end within microseconds of each other, and trees grow in three quarters of the time. With ten times as many turns they
# take twice as long where another process is busy. Products of matrices have one thread: a second gains a quarter, and gives way
# to any other process so often that beside a busy one they take four times as long and more.
PATIENT_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Installation:
    """What `settings` amounts to on this machine."""

    settings: Settings

    @property
    def local_dir(self) -> Path:
        return self.settings.local_dir

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets(self.local_dir / "secrets")

    @cached_property
    def ports(self) -> Ports:
        return Ports(self.local_dir / "ports.json")

    @cached_property
    def supervisor(self) -> Supervisor:
        return Supervisor(
            folder=self.local_dir / "supervisor",
            logs=self.local_dir / "logs",
            project=PROJECT_DIR,
            programs={name: Stopping(is_last=True) for name in SERVERS}
            | {"postgres": Stopping(PostgresServer.stop_signal, is_last=True)}
            # Runs and MLflow's web server are children of what we start.
            | {name: Stopping(with_children=name in ("dagster-code", "mlflow")) for name in APPLICATIONS},
        )

    def postgres(self, *, is_new: bool = False) -> PostgresServer:
        """The embedded PostgreSQL, at its remembered port; see PostgresServer for `is_new`."""
        return PostgresServer(
            services_home(self.local_dir), self.ports.get("postgres"), password=self.secrets.get("postgres"), is_new=is_new
        )

    def valkey(self) -> ValkeyServer:
        """The embedded Valkey, at its remembered port."""
        return ValkeyServer(services_home(self.local_dir), self.ports.get("valkey"), password=self.secrets.get("valkey"))

    def broker(self) -> ValkeyServer:
        """The embedded broker, at its remembered port."""
        return ValkeyServer(
            services_home(self.local_dir), self.ports.get("broker"), password=self.secrets.get("broker"), is_broker=True
        )

    @property
    def is_postgres_ours(self) -> bool:
        """Whether we start PostgreSQL: no DATABASE_URL is set, or it names our own server."""
        return self._is_ours(self.settings.database_url, "postgres")

    @property
    def is_valkey_ours(self) -> bool:
        """Whether we start Valkey: no REDIS_URL is set, or it names our own server."""
        return self._is_ours(self.settings.redis_url, "valkey")

    @property
    def is_mlflow_ours(self) -> bool:
        """Whether we start MLflow: no MLFLOW_TRACKING_URI is set, or it names our own server."""
        return self._is_ours(self.settings.mlflow_tracking_uri, "mlflow")

    def has_worker(self, edition: Edition) -> bool:
        """Whether we start a broker and a worker: steps go to Celery, and no BROKER_URL is set, or it names our own server."""
        asked = self.scope(edition)
        return asked.get("EXECUTOR") == "celery" and self._is_ours(asked.get("BROKER_URL", ""), "broker")

    def _is_ours(self, url: str, name: str) -> bool:
        # `football env` may have been evaluated in the calling shell: our own URL does not make the part somebody else's.
        return not url or (urlsplit(url).hostname == "127.0.0.1" and urlsplit(url).port == self.ports.get(name))

    @property
    def admin_url(self) -> str:
        """The URL under which roles and databases are made."""
        return self.postgres().url() if self.is_postgres_ours else self.settings.database_url

    @property
    def redis_url(self) -> str:
        return self.valkey().url if self.is_valkey_ours else self.settings.redis_url

    @property
    def mlflow_url(self) -> str:
        return self.url("mlflow") if self.is_mlflow_ours else self.settings.mlflow_tracking_uri

    def url(self, name: str) -> str:
        """The http URL of one of our applications."""
        return f"http://127.0.0.1:{self.ports.get(name)}"

    def urls(self, edition: Edition) -> Urls:
        """The database URLs of an edition, one per role."""
        return database.urls(self.admin_url, edition.warehouse, self.secrets)

    def state_dir(self, edition: Edition) -> Path:
        """Where an edition keeps its files."""
        return self.local_dir / edition.name

    # ------------------------------------------------------------------ which edition

    def edition(self) -> Edition:
        """The edition meant: named in the environment, else the one in service, else the demo."""
        if self.settings.edition:
            return named(self.settings.edition)
        if self.settings.as_of:
            return rehearsal(self.settings.as_of)
        return self.edition_in_service() or DEMO

    def edition_in_service(self) -> Edition | None:
        """The edition that was last put in service."""
        path = self.local_dir / "edition"
        return named(path.read_text().strip()) if path.exists() else None

    def put_in_service(self, edition: Edition) -> None:
        """Remember that `edition` is in service, and what is asked of it."""
        self.state_dir(edition).mkdir(parents=True, exist_ok=True)
        (self.local_dir / "edition").write_text(edition.name + "\n")
        asked = self.state_dir(edition) / "scope.json"
        draft = asked.with_suffix(".new")
        draft.touch(mode=0o600)  # some of it opens other people's doors
        draft.write_text(json.dumps(self.scope(edition), indent=1) + "\n")
        draft.replace(asked)

    def forget_scope(self, edition: Edition) -> None:
        """Forget what was asked of `edition` before: from now on it is what the environment says."""
        (self.state_dir(edition) / "scope.json").unlink(missing_ok=True)

    def scope(self, edition: Edition) -> dict[str, str]:
        """What is asked of an edition: remembered, or in the environment. Simulated data take no orders about data."""
        path = self.state_dir(edition) / "scope.json"
        asked = (json.loads(path.read_text()) if path.exists() else {}) | dict(self.settings.scope)
        return {name: value for name, value in asked.items() if not (edition.is_simulated and name in DATA_VARIABLES)}

    @property
    def is_asked_for_data(self) -> bool:
        """Whether the environment says which matches are wanted, and from where."""
        return bool({"COMPETITIONS", "SEASONS", "SOURCES", "FOOTBALL_DATA_URL"}.intersection(self.settings.scope))

    # ------------------------------------------------------------------ environments

    def environment(self, edition: Edition) -> dict[str, str]:
        """The variables of an edition, for the pipelines and for commands at the terminal.

        The migrator's `DATABASE_URL` is not among them: nothing but a migration needs it; nor the monitor's, which
        the report asks for.
        """
        kept_back = ("owner", "monitor")
        urls = {f"{role.upper()}_DATABASE_URL": url for role, url in asdict(self.urls(edition)).items() if role not in kept_back}
        state = self.state_dir(edition)
        bucket = self.bucket(edition)
        return (
            self.identity(edition)
            | urls
            | self.addresses()
            | self.backup(edition)
            | {
                "REDIS_URL": self.redis_url,
                "DAGSTER_HOME": str(state / "dagster"),
                # What is told of many files at once is stored at once.
                "DAGSTER_EVENT_BATCH_SIZE": "1000",
                "LANDING_DIR": str(state / "landing"),
                "LANDING_URL": f"{bucket}/landing" if bucket else "",
                "INBOX_DIR": str(state / "inbox"),
                "DOCS_DIR": str(state / "docs"),
                "SIMULATED_DIR": str(state / "simulated"),
                "EVIDENCE_DIR": str(self.local_dir / "evidence"),
                "JWT_SECRET_FILE": str(self.secrets.path("jwt")),
                "DEMO_LOGIN_FILE": str(self.secrets.folder / f"login-{edition.name}.json"),
            }
            | self.scope(edition)
            | ({"BROKER_URL": self.broker().url} if self.has_worker(edition) else {})
            | NO_TELEMETRY
        )

    def bucket(self, edition: Edition) -> str:
        """Where an edition keeps raw files and models if not in its folder: `s3://…`; empty if it does."""
        name = self.scope(edition).get("S3_BUCKET", "")
        return f"s3://{name}/{edition.name}" if name else ""

    def backup(self, edition: Edition) -> dict[str, str]:
        """What copying the server takes, and where an edition's copies go; nothing where the server is somebody else's."""
        if not self.is_postgres_ours:
            return {}
        return {
            "REPLICATION_URL": database.replication_url(self.admin_url, self.secrets),
            "POSTGRES_BINARIES": str(self.postgres().binaries),
            "POSTGRES_DATA": str(self.postgres().data),
            "BACKUPS_DIR": str(self.backups_dir(edition)),
        }

    def backups_dir(self, edition: Edition) -> Path:
        """Where an edition's backups go: beside the server's data, for its account makes them and reads them."""
        return services_home(self.local_dir) / "backups" / edition.name

    def identity(self, edition: Edition) -> dict[str, str]:
        """Which edition a process belongs to."""
        cutoff = edition.data_cutoff
        return {
            "EDITION": edition.name,
            "STATE_DIR": str(self.state_dir(edition)),
            "IS_SIMULATED": "1" if edition.is_simulated else "0",
            "DATA_CUTOFF": f"{cutoff.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if cutoff else "",
        }

    def addresses(self) -> dict[str, str]:
        """Where the applications answer."""
        return {
            "API_URL": self.url("api"),
            "DAGSTER_URL": self.url("dagster-webserver"),
            "MLFLOW_TRACKING_URI": self.mlflow_url,
            "DOCS_URL": self.url("docs"),
        }
