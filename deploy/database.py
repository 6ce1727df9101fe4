"""Roles, databases and schemas of an edition, and who may connect to what.

Belongs here: what needs an administrator: roles, databases, schema owners, default privileges. Does not belong here: tables
and the rights on them, which come with the migrations. Only what is missing is done, so it may run any number of times.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from deploy.local.secrets import Secrets

ROLES = ("owner", "ingest", "transform", "model", "api", "reader", "monitor", "dagster", "mlflow")
"""`football_<name>`: the owner and migrator, the writers of some schemas each, the reader, who reads the server's statistics
and no table, two tools with their own databases."""

WAREHOUSE_SCHEMAS = ("bronze", "forecast", "published", "app", "operations")
"""Owned by the migrator, shaped by migrations. A new one goes to the end: it is how an older database is known."""

DBT_SCHEMAS = ("silver", "gold")
"""Owned by `football_transform`, shaped by dbt alone."""

WRITERS = ("ingest", "transform", "model")
"""They load through temporary tables."""

READERS = ("api", "reader", "monitor")

EXTENSIONS = ("pg_stat_statements", "pgstattuple")
"""What the monitor reads besides the server's own views, in the schema `public`."""

STATISTICS = ("pg_read_all_stats", "pg_stat_scan_tables")
"""What the monitor is a member of: everybody's statements and connections, and how much of a table is dead. Of pg_monitor's
rights the one to read all settings is left out."""

TOOLS = ("dagster", "mlflow")
"""They keep their tables in databases of their own."""

BACKUP = "backup"
"""Copies a server of ours as a whole, by replication; it may connect to no database."""


class DatabaseError(Exception):
    """The database refused, or cannot be reached; the message is for a person."""


@dataclass(frozen=True)
class Urls:
    """The URLs of one edition, one per role, in libpq's form.

    `dagster` and `mlflow` name those tools' own databases in SQLAlchemy's form: both tools are written for psycopg2, while
    SQLAlchemy 2.1 takes `postgresql://` for psycopg 3, on which Dagster's event log fails.
    """

    owner: str
    ingest: str
    transform: str
    model: str
    api: str
    reader: str
    monitor: str
    dagster: str
    mlflow: str


def role_name(role: str) -> str:
    """The name of a role on the server."""
    return f"football_{role}"


def database_of(role: str, name: str) -> str:
    """The database that a role works in, for an edition whose warehouse is called `name`."""
    return f"{name}_{role}" if role in TOOLS else name


def urls(admin_url: str, name: str, secrets: Secrets) -> Urls:
    """The URLs of the edition whose warehouse is called `name`, on the server of `admin_url`."""
    server = urlsplit(admin_url)
    address = server.netloc.rpartition("@")[2]
    return Urls(
        **{
            role: urlunsplit(
                server._replace(
                    scheme="postgresql+psycopg2" if role in TOOLS else "postgresql",
                    netloc=f"{role_name(role)}:{quote(secrets.get(f'database-{role}'), safe='')}@{address}",
                    path=f"/{database_of(role, name)}",
                )
            )
            for role in ROLES
        }
    )


def create(admin_url: str, name: str, secrets: Secrets) -> Urls:
    """Create what is missing of the roles, and of the databases and schemas of one edition; its URLs.

    `admin_url` is a superuser's, or that of a role with CREATEROLE and CREATEDB. Raises DatabaseError if the server
    refuses or cannot be reached.
    """
    edition = urls(admin_url, name, secrets)
    with _explained(admin_url), psycopg.connect(admin_url, autocommit=True, connect_timeout=10) as admin:
        # Two commands at once must not both find a role missing.
        admin.execute("select pg_advisory_lock(hashtext('football roles and databases'))")
        for role in ROLES:
            _create_role(admin, role, secrets.get(f"database-{role}"))
        # Who migrates the tables is who is told their URL (`football env`): dbt's are not the owner's, but to be read as well.
        if not _exists(admin, "select 1 where pg_has_role('football_owner', %s, 'usage')", role_name("reader")):
            _grant(admin, "grant {} to {}", role_name("reader"), role_name("owner"))
        for role in ("owner", *TOOLS):
            _create_database(admin, role, database_of(role, name))
        with psycopg.connect(of_warehouse(admin_url, name), autocommit=True, connect_timeout=10) as warehouse:
            _create_schemas(warehouse, name)
            _let_be_watched(warehouse)
    return edition


def rehearse(owner_url: str, moment: str) -> None:
    """Have the ledger of a migrated warehouse go by this moment, an ISO instant, in place of the server's clock.

    `owner_url` is the migrator's. After `-infinity` no prediction is late.
    """
    with _explained(owner_url), psycopg.connect(owner_url, connect_timeout=10) as owner:
        owner.execute(
            """
            insert into forecast.rehearsal (moment) values (%s)
            on conflict (is_rehearsal) do update set moment = excluded.moment
            """,
            [moment],
        )


def replication_url(admin_url: str, secrets: Secrets) -> str:
    """The URL of the role that may copy the whole server and nothing else; it names no database, for it may enter none."""
    server = urlsplit(admin_url)
    address = server.netloc.rpartition("@")[2]
    netloc = f"{role_name(BACKUP)}:{quote(secrets.get(f'database-{BACKUP}'), safe='')}@{address}"
    return urlunsplit(server._replace(scheme="postgresql", netloc=netloc, path=""))


def create_backup_role(admin_url: str, secrets: Secrets) -> None:
    """Create the role of `replication_url` if it is missing. `admin_url` is the superuser's of a server of ours."""
    name = sql.Identifier(role_name(BACKUP))
    with _explained(admin_url), psycopg.connect(admin_url, autocommit=True, connect_timeout=10) as admin:
        admin.execute("select pg_advisory_lock(hashtext('football roles and databases'))")
        _create_role(admin, BACKUP, secrets.get(f"database-{BACKUP}"))
        admin.execute(sql.SQL("alter role {} replication").format(name))


def copy(admin_url: str, template: str, name: str, secrets: Secrets, *, with_tools: bool = False) -> Urls:
    """Make an edition whose warehouse is a copy of `template`, if asked for with empty databases for the tools; its URLs.

    Nobody may be connected to `template`. `secrets` holds the roles' passwords, as for `create`. Files are copied as they are:
    the same through the log, PostgreSQL's default, took twice the time, most of it when the copy was dropped.
    """
    with _explained(admin_url), psycopg.connect(admin_url, autocommit=True, connect_timeout=10) as admin:
        admin.execute(
            sql.SQL("create database {} template {} owner {} strategy file_copy").format(
                *map(sql.Identifier, (name, template, role_name("owner")))
            )
        )
        admin.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(name)))
        _grant_connections(admin, name)
        if with_tools:
            for role in TOOLS:
                _create_database(admin, role, database_of(role, name))
    return urls(admin_url, name, secrets)


def drop(admin_url: str, name: str) -> None:
    """Drop the databases of one edition, whoever is connected; the roles stay."""
    with _explained(admin_url), psycopg.connect(admin_url, autocommit=True, connect_timeout=10) as admin:
        for role in ("owner", *TOOLS):
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database_of(role, name))))


def _create_role(admin: psycopg.Connection, role: str, password: str) -> None:
    name = role_name(role)
    statement = "alter role {} login password {}"
    if not _exists(admin, "select 1 from pg_roles where rolname = %s", name):
        statement = "create role {} login password {}"
    elif _can_log_in(admin, name, password):
        return
    # Only its SCRAM verifier is sent: the server keeps the text of statements, for who may read statistics.
    verifier = admin.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    admin.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Literal(verifier)))
    # An administrator who is no superuser acts through the roles it made.
    if not _exists(admin, "select 1 from pg_roles where rolsuper and rolname = %s", admin.info.user):
        admin.execute(sql.SQL("grant {} to current_user with inherit true, set true").format(sql.Identifier(name)))


def _create_database(admin: psycopg.Connection, owner: str, name: str) -> None:
    if not _exists(admin, "select 1 from pg_database where datname = %s", name):
        admin.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(role_name(owner))))
        admin.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(name)))


def _create_schemas(warehouse: psycopg.Connection, name: str) -> None:
    if _exists(warehouse, "select 1 from pg_namespace where nspname = %s", WAREHOUSE_SCHEMAS[-1]):
        return  # the last of what follows, all in one transaction
    with warehouse.transaction():
        _grant_connections(warehouse, name)
        warehouse.execute("revoke all on schema public from public")
        for schema in DBT_SCHEMAS:
            _grant(warehouse, "create schema if not exists {} authorization {}", schema, role_name("transform"))
            _grant(warehouse, "grant usage on schema {} to {}", schema, role_name("model"))
            _grant(warehouse, "grant usage on schema {} to {}", schema, role_name("reader"))
            # dbt replaces its tables at every run: the right to read them has to come with them.
            _grant(
                warehouse,
                "alter default privileges for role {} in schema {} grant select on tables to {}, {}",
                *(role_name("transform"), schema, role_name("model"), role_name("reader")),
            )
        for schema in WAREHOUSE_SCHEMAS:
            _grant(warehouse, "create schema if not exists {} authorization {}", schema, role_name("owner"))


def _let_be_watched(warehouse: psycopg.Connection) -> None:
    """Let the monitor see what the server counts. An administrator who may not grant it leaves the report shorter."""
    monitor = role_name("monitor")
    if _exists(warehouse, "select 1 where has_schema_privilege(%s, 'public', 'usage')", monitor):
        return  # the last of what follows
    for extension in EXTENSIONS:
        if _exists(warehouse, "select 1 from pg_available_extensions where name = %s", extension):
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege), warehouse.transaction():
                _grant(warehouse, "create extension if not exists {}", extension)
    for right in STATISTICS:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege), warehouse.transaction():
            _grant(warehouse, "grant {} to {}", right, monitor)
    _grant(warehouse, "grant connect on database {} to {}", warehouse.info.dbname, monitor)
    _grant(warehouse, "grant usage on schema public to {}", monitor)


def _grant_connections(admin: psycopg.Connection, name: str) -> None:
    for role in (*WRITERS, *READERS):
        rights = "connect, temporary" if role in WRITERS else "connect"
        _grant(admin, f"grant {rights} on database {{}} to {{}}", name, role_name(role))


def _grant(connection: psycopg.Connection, statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # one of the literals above


def _exists(connection: psycopg.Connection, query: str, name: str) -> bool:
    return connection.execute(query, [name]).fetchone() is not None  # one of the literals above


def _can_log_in(admin: psycopg.Connection, role: str, password: str) -> bool:
    try:
        with psycopg.connect(
            host=admin.info.host, port=admin.info.port, dbname=admin.info.dbname, user=role, password=password, connect_timeout=10
        ):
            return True
    except psycopg.OperationalError as error:
        return "authentication failed" not in str(error)  # let in with the password, then refused this database: also known


def of_warehouse(url: str, name: str) -> str:
    """The same server and role as `url`, in the database `name`."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@contextlib.contextmanager
def _explained(admin_url: str) -> Iterator[None]:
    server = urlsplit(admin_url)
    try:
        yield
    except psycopg.OperationalError as error:
        raise DatabaseError(f"PostgreSQL at {server.hostname}:{server.port} cannot be used: {error}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"{server.username} may not set up the roles and databases ({error}). DATABASE_URL has to name a superuser, "
            "or a role with CREATEROLE and CREATEDB."
        ) from error
