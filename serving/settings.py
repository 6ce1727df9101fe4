"""The environment of the service, read once into frozen dataclasses.

Belongs here: every environment variable that this package obeys, with its default. Nothing else in `serving` reads
the environment, and nothing here opens a file or a connection.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Final

SHARED_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where workers beside each other count together, so that each can tell of all, and take turns: the library of metrics reads it
when imported."""

BODY_FILE: Final = "BARE_BODY_FILE"
"""What the bare application of the benchmark sends."""


def shared_dir(environ: Mapping[str, str] | None = None) -> str:
    """The folder of `SHARED_DIR`; empty for a worker that counts alone."""
    return (os.environ if environ is None else environ).get(SHARED_DIR, "")


def bare_body(environ: Mapping[str, str] | None = None) -> bytes:
    """The bytes that `BODY_FILE` names; none if it is not set."""
    name = (os.environ if environ is None else environ).get(BODY_FILE)
    return Path(name).read_bytes() if name else b""


class SettingsError(ValueError):
    """A variable is missing or makes no sense; the message says which one and what it should look like."""


@dataclass(frozen=True)
class Settings:
    """What the running service needs.

    `data_cutoff` is set in a rehearsal only: the service then lists matches as if it were that moment.
    `database_url` is in libpq's form, for the role that reads `published` and writes `app`. Without `redis_url` the
    limits are kept in the process. `rate_per_second` is what an account may ask for; only what `trusted_proxies` say of
    a client's address is believed.
    """

    database_url: str = field(repr=False)
    jwt_secret_file: Path
    edition: str = "live"
    is_simulated: bool = False
    data_cutoff: datetime | None = None
    redis_url: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    docs_url: str = ""
    rate_per_second: int = 100
    trusted_proxies: tuple[str, ...] = ()
    audit_head: Path | None = None
    otlp_endpoint: str = ""

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the variables of `environ` (default: the process's own).

        Raises:
            SettingsError: a variable is missing or cannot be understood.
        """
        env = os.environ if environ is None else environ
        return cls(
            database_url=_required(env, "API_DATABASE_URL", "postgresql://role:password@host:port/database"),
            jwt_secret_file=Path(_required(env, "JWT_SECRET_FILE", "the path of a file with at least 32 random characters")),
            edition=env.get("EDITION") or "live",
            is_simulated=env.get("IS_SIMULATED", "0") == "1",
            data_cutoff=_instant(env, "DATA_CUTOFF"),
            redis_url=env.get("REDIS_URL", ""),
            host=env.get("API_HOST") or "127.0.0.1",
            port=_number(env, "API_PORT", 8000),
            workers=_number(env, "API_WORKERS", 1),
            docs_url=env.get("DOCS_URL", ""),
            rate_per_second=_number(env, "API_RATE_PER_SECOND", 100, maximum=100_000),
            trusted_proxies=_networks(env, "API_TRUSTED_PROXIES"),
            audit_head=_audit_head(env),
            otlp_endpoint=env.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        )

    def now(self) -> datetime:
        """The moment from which a match counts as coming: the wall clock, or the rehearsed day's."""
        return self.data_cutoff or datetime.now(UTC)


@dataclass(frozen=True)
class ClientSettings:
    """What the command line needs to talk to a running service, or to its database."""

    api_url: str
    database_url: str = field(repr=False)
    demo_login_file: Path | None
    audit_head: Path | None
    jwt_secret_file: Path | None
    docs_dir: Path | None

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> "ClientSettings":
        """Read the variables of `environ` (default: the process's own); none is required here."""
        env = os.environ if environ is None else environ
        login_file, secret_file = env.get("DEMO_LOGIN_FILE"), env.get("JWT_SECRET_FILE")
        return cls(
            api_url=(env.get("API_URL") or "http://127.0.0.1:8000").rstrip("/"),
            database_url=env.get("API_DATABASE_URL", ""),
            demo_login_file=Path(login_file) if login_file else None,
            audit_head=_audit_head(env),
            jwt_secret_file=Path(secret_file) if secret_file else None,
            docs_dir=Path(docs_dir) if (docs_dir := env.get("DOCS_DIR")) else None,
        )


def _audit_head(env: Mapping[str, str]) -> Path | None:
    """Where the end of the audit is noted outside the database: in the edition's folder."""
    return Path(folder) / "audit-head.json" if (folder := env.get("STATE_DIR")) else None


def _required(env: Mapping[str, str], name: str, form: str) -> str:
    if not (value := env.get(name)):
        raise SettingsError(f"{name} is not set: it should hold {form}")
    return value


def _number(env: Mapping[str, str], name: str, default: int, maximum: int = 65535) -> int:
    value = env.get(name) or str(default)
    if not value.isdecimal() or not 1 <= int(value) <= maximum:
        raise SettingsError(f"{name} should be a whole number from 1 to {maximum}, not {value!r}")
    return int(value)


def _networks(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    value = env.get(name, "")
    try:
        return tuple(str(ip_network(each.strip())) for each in value.split(",") if each.strip())
    except ValueError:
        raise SettingsError(f"{name} should be addresses or networks such as 10.0.0.0/8,::1 with commas, not {value!r}") from None


def _instant(env: Mapping[str, str], name: str) -> datetime | None:
    if not (value := env.get(name)):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise SettingsError(f"{name} should be an instant such as 2023-05-01T12:00Z, not {value!r}") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
