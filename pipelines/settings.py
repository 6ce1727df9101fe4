"""The environment of the pipelines, read once into a frozen dataclass.

Belongs here: every environment variable that this package obeys, with its default. Nothing else in `pipelines` reads
the environment, and nothing here opens a file or a connection.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

PROJECT_DIR = Path(__file__).resolve().parents[1]

EXECUTORS = ("in_process", "multiprocess", "celery", "k8s")
"""Where the steps of a run are executed: in the run's own process, in others of this machine, by workers, or in pods."""


TURN_MINUTES = 60
"""So long a run waits for its turn to write; of a run whose steps are executed elsewhere each step does."""

LEAST_BROKER_PATIENCE_SECONDS = TURN_MINUTES * 60 + 1
"""With less, a step that waits for its turn would be given to another worker, and be done twice. How long it works behind that
is for whoever sets it to know."""


class SettingsError(ValueError):
    """A variable is missing or makes no sense; the message says which one and what it should look like."""


@dataclass(frozen=True)
class Settings:
    """Where things are and what is wanted.

    `data_cutoff` is set in a rehearsal only: facts known at or after it are hidden and `now()` answers it. `landing` is a folder
    or `s3://bucket/prefix`; an empty `s3_endpoint_url` means Amazon's own. Database addresses are in libpq's form, one for each
    role; `reproduced_url`, the reader's of another edition, is set where a prediction of that one is rebuilt. `replication_url`
    is empty where the server is not ours to copy; the two folders of PostgreSQL mean nothing then. `football_data_org` is among
    the sources where its token is set. Without `openlineage_url` nobody is told what runs read and wrote. Without
    `kafka_bootstrap_servers` there are no streams; `kafka_options` are librdkafka's own settings beside it. `competitions` and
    `seasons` are as a person wrote them; `pipelines.sources.protocol.Scope` understands them. What the executors are, and the
    variables that they need, is said in `pipelines.machines`.
    """

    edition: str
    is_simulated: bool
    data_cutoff: datetime | None
    state_dir: Path
    landing: str
    s3_endpoint_url: str
    inbox_dir: Path
    simulated_dir: Path
    docs_dir: Path
    evidence_dir: Path
    sources: tuple[str, ...]
    football_data_url: str
    openfootball_url: str
    international_url: str
    football_data_org_url: str
    football_data_org_token: str
    competitions: str
    seasons: str
    ingest_url: str
    transform_url: str
    model_url: str
    reproduced_url: str
    reader_url: str
    replication_url: str
    postgres_binaries: Path
    postgres_data: Path
    backups_dir: Path
    n_backups_kept: int
    mlflow_tracking_uri: str
    alert_urls: tuple[str, ...]
    dagster_url: str
    openlineage_url: str
    openlineage_api_key: str
    redis_url: str
    kafka_bootstrap_servers: str
    kafka_options: tuple[tuple[str, str], ...]
    kafka_topic: str
    kafka_publication_topic: str
    executor: str
    broker_url: str
    broker_patience_seconds: int
    k8s_image: str

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the variables of `environ` (default: the process's own).

        Raises:
            SettingsError: a value cannot be understood.
        """
        env = os.environ if environ is None else environ
        edition = env.get("EDITION", "live")
        state_dir = Path(env.get("STATE_DIR") or PROJECT_DIR / ".local" / edition)
        is_simulated = env.get("IS_SIMULATED", "0") == "1"
        data_cutoff = _instant("DATA_CUTOFF", env.get("DATA_CUTOFF", ""))
        token = _secret("FOOTBALL_DATA_ORG_TOKEN", env.get("FOOTBALL_DATA_ORG_TOKEN", ""))
        # Whether the key's plan shows the season of a rehearsed day, nobody here knows.
        real_sources = "football_data,inbox,football_data_org" if token and data_cutoff is None else "football_data,inbox"
        return cls(
            edition=edition,
            is_simulated=is_simulated,
            data_cutoff=data_cutoff,
            state_dir=state_dir,
            landing=env.get("LANDING_URL") or env.get("LANDING_DIR") or str(state_dir / "landing"),
            s3_endpoint_url=env.get("S3_ENDPOINT_URL", ""),
            inbox_dir=Path(env.get("INBOX_DIR") or state_dir / "inbox"),
            simulated_dir=Path(env.get("SIMULATED_DIR") or state_dir / "simulated"),
            docs_dir=Path(env.get("DOCS_DIR") or state_dir / "docs"),
            evidence_dir=Path(env.get("EVIDENCE_DIR") or PROJECT_DIR / ".local" / "evidence"),
            sources=_names(env.get("SOURCES") or ("simulated" if is_simulated else real_sources)),
            football_data_url=(env.get("FOOTBALL_DATA_URL") or "https://www.football-data.co.uk").rstrip("/"),
            openfootball_url=(
                env.get("OPENFOOTBALL_URL") or "https://raw.githubusercontent.com/openfootball/football.json/master"
            ).rstrip("/"),
            international_url=(
                env.get("INTERNATIONAL_URL") or "https://raw.githubusercontent.com/martj42/international_results/master"
            ).rstrip("/"),
            football_data_org_url=(env.get("FOOTBALL_DATA_ORG_URL") or "https://api.football-data.org/v4").rstrip("/"),
            football_data_org_token=token,
            competitions=env.get("COMPETITIONS") or ("all" if is_simulated else ""),
            seasons=env.get("SEASONS") or ("all" if is_simulated else ""),
            ingest_url=env.get("INGEST_DATABASE_URL", ""),
            transform_url=env.get("TRANSFORM_DATABASE_URL", ""),
            model_url=env.get("MODEL_DATABASE_URL", ""),
            reproduced_url=env.get("REPRODUCED_DATABASE_URL", ""),
            reader_url=env.get("READER_DATABASE_URL", ""),
            replication_url=env.get("REPLICATION_URL", ""),
            postgres_binaries=Path(env.get("POSTGRES_BINARIES", "")),
            postgres_data=Path(env.get("POSTGRES_DATA", "")),
            backups_dir=Path(env.get("BACKUPS_DIR") or state_dir / "backups"),
            n_backups_kept=_count("BACKUPS_KEPT", env.get("BACKUPS_KEPT") or "7"),
            mlflow_tracking_uri=env.get("MLFLOW_TRACKING_URI", ""),
            alert_urls=tuple(env.get("ALERT_URLS", "").split()),
            dagster_url=env.get("DAGSTER_URL", "").rstrip("/"),
            openlineage_url=_web_address("OPENLINEAGE_URL", env.get("OPENLINEAGE_URL", "")),
            openlineage_api_key=_secret("OPENLINEAGE_API_KEY", env.get("OPENLINEAGE_API_KEY", "")),
            redis_url=env.get("REDIS_URL", ""),
            kafka_bootstrap_servers=env.get("KAFKA_BOOTSTRAP_SERVERS", ""),
            kafka_options=_options("KAFKA_OPTIONS", env.get("KAFKA_OPTIONS", "")),
            kafka_topic=env.get("KAFKA_TOPIC") or "football.events",
            kafka_publication_topic=env.get("KAFKA_PUBLICATION_TOPIC") or "football.publications",
            executor=_one_of("EXECUTOR", env.get("EXECUTOR") or EXECUTORS[0], EXECUTORS),
            broker_url=env.get("BROKER_URL", ""),
            broker_patience_seconds=_broker_patience(env.get("BROKER_PATIENCE_SECONDS") or "7200"),
            k8s_image=env.get("K8S_IMAGE", ""),
        )

    @property
    def ledger_head(self) -> Path:
        """Where the end of the ledger is noted outside the database."""
        return self.state_dir / "ledger-head.json"

    @property
    def trees_dir(self) -> Path:
        """Where trees are kept between trainings."""
        return self.state_dir / "trees"

    @property
    def kafka_config(self) -> dict[str, str]:
        """The broker and how to get in, in librdkafka's terms."""
        return {**dict(self.kafka_options), "bootstrap.servers": self.kafka_bootstrap_servers}

    def model_name(self, information_set: str) -> str:
        """The registered model of an information set in this edition: a registry may be shared, champions may not."""
        return f"{information_set}-{self.edition}"

    def now(self) -> datetime:
        """The moment up to which facts count: the wall clock, or the rehearsed day's."""
        return self.data_cutoff or datetime.now(UTC)

    def dbt_environment(self) -> dict[str, str]:
        """The variables that `dbt_project/profiles.yml` reads, from the transform role's address."""
        url = urlsplit(self.transform_url)
        return {
            "DBT_HOST": url.hostname or "",
            "DBT_PORT": str(url.port or 5432),
            "DBT_USER": unquote(url.username or ""),
            "DBT_PASSWORD": unquote(url.password or ""),
            "DBT_NAME": url.path.lstrip("/"),
        }


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _count(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise SettingsError(f"{name}={text!r} is not a whole number from 1 on")
    return int(text)


def _broker_patience(text: str) -> int:
    seconds = _count("BROKER_PATIENCE_SECONDS", text)
    if seconds < LEAST_BROKER_PATIENCE_SECONDS:
        raise SettingsError(
            f"BROKER_PATIENCE_SECONDS={seconds} is too short: a step may wait {TURN_MINUTES} minutes for its turn, and would be "
            "given to another worker meanwhile and done twice. "
            f"It wants {TURN_MINUTES * 60} and the seconds of the longest step, such as 7200"
        )
    return seconds


def _options(name: str, text: str) -> tuple[tuple[str, str], ...]:
    options = [tuple(each.split("=", 1)) for each in text.split()]
    if wrong := [each[0] for each in options if len(each) != 2 or not all(each)]:
        raise SettingsError(f"{name} takes settings such as security.protocol=SSL with spaces between, not {wrong[0]!r}")
    return tuple((key, value) for key, value in options)


def _secret(name: str, text: str) -> str:
    """What goes into a header, without the end of the line that it was copied with; no message repeats it."""
    text = text.strip()
    if not (text.isascii() and text.isprintable()):
        raise SettingsError(f"{name} holds a character that no key has: only letters, digits and signs of ASCII can be sent")
    return text


def _one_of(name: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise SettingsError(f"{name}={text!r} is none of {', '.join(known)}")
    return text


def _web_address(name: str, text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise SettingsError(f"{name}={text!r} is not an address such as https://lineage.example.org")
    return text.rstrip("/")


def _instant(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{name}={text!r} is not an instant such as 2023-05-01T12:00Z") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
