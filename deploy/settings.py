"""The environment of the command line, read once into a frozen dataclass.

Belongs here: every environment variable that this package obeys, with its default, and which variables it hands on to the
processes it starts. Nothing else in `deploy` reads the environment.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

PROJECT_DIR = Path(__file__).resolve().parents[1]

DATA_VARIABLES = (
    *("COMPETITIONS", "SEASONS", "SOURCES", "FOOTBALL_DATA_URL", "OPENFOOTBALL_URL", "INTERNATIONAL_URL", "INBOX_DIR"),
    *("FOOTBALL_DATA_ORG_URL", "FOOTBALL_DATA_ORG_TOKEN"),
)
"""Which matches a person wants, and from where."""

S3_VARIABLES = (
    *("S3_BUCKET", "S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"),
    "AWS_CA_BUNDLE",
)
"""Where raw files and models are kept instead of the edition's folder, and how to get in; boto3 reads the latter itself."""

EXECUTOR_VARIABLES = ("EXECUTOR", "BROKER_URL", "BROKER_PATIENCE_SECONDS", "K8S_IMAGE", "K8S_NAMESPACE", "K8S_MEMORY")
"""Where the steps of runs are executed."""

STREAM_VARIABLES = ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_OPTIONS", "KAFKA_TOPIC", "KAFKA_PUBLICATION_TOPIC")
"""Where results and quotes between daily files come from, and publications are announced."""

SCOPE_VARIABLES = (
    *(*DATA_VARIABLES, *EXECUTOR_VARIABLES, *STREAM_VARIABLES),
    *("ALERT_URLS", "BACKUPS_KEPT", "OPENLINEAGE_URL", "OPENLINEAGE_API_KEY"),
)
"""What a person asks of an edition; remembered with it, so that its schedules keep to it."""

MACHINE_VARIABLES = (
    *("HOME", "USER", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"),  # of a pod, which asks for others there
)
"""What any process on this machine may need; the rest of the caller's environment is not handed on."""


SERVICE_VARIABLES = (
    *("API_RATE_PER_SECOND", "API_TRUSTED_PROXIES"),
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"),
)
"""What a person asks of the service."""


RENAMED = {"ALERT_WEBHOOK_URL": "ALERT_URLS"}
"""What was once obeyed, and what is in its place."""


@dataclass(frozen=True)
class Settings:
    """Where this installation keeps its things, and which of its parts are somebody else's.

    An empty URL means that the part is ours to start. `edition` is empty unless one is asked for.
    """

    local_dir: Path
    edition: str
    as_of: str
    database_url: str
    redis_url: str
    mlflow_tracking_uri: str
    is_debugging: bool
    scope: Mapping[str, str]
    service: Mapping[str, str]
    machine: Mapping[str, str]
    renamed: Mapping[str, str]
    """Of `RENAMED`, what is set and says nothing."""

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the variables of `environ` (default: the process's own); no value is refused here."""
        env = os.environ if environ is None else environ
        # Somebody's keys to Amazon are none of ours unless a bucket is named with them.
        asked = (*SCOPE_VARIABLES, *(S3_VARIABLES if env.get("S3_BUCKET") else ()))
        return cls(
            local_dir=Path(env.get("LOCAL_DIR") or PROJECT_DIR / ".local").absolute(),
            edition=env.get("EDITION", ""),
            as_of=env.get("AS_OF", ""),
            database_url=env.get("DATABASE_URL", ""),
            redis_url=env.get("REDIS_URL", ""),
            mlflow_tracking_uri=env.get("MLFLOW_TRACKING_URI", ""),
            is_debugging=env.get("FOOTBALL_DEBUG", "") not in ("", "0"),
            scope=MappingProxyType({name: env[name] for name in asked if env.get(name)}),
            service=MappingProxyType({name: env[name] for name in SERVICE_VARIABLES if env.get(name)}),
            machine=MappingProxyType({name: env[name] for name in MACHINE_VARIABLES if name in env}),
            renamed=MappingProxyType({old: new for old, new in RENAMED.items() if env.get(old)}),
        )


def hand_on(environment: Mapping[str, str]) -> None:
    """Set the environment of an edition for the commands of the other packages that run in this process."""
    os.environ.update(environment)
