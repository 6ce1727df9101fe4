"""What the database server counted: slow statements, unused indexes, dead rows, cache hits, sizes, connections.

Belongs here: the questions put to the server's statistics, and the judgement of each role's statements. How it is shown is
`deploy.judging`'s business. It is asked as `football_monitor`, who reads statistics and no table.
"""

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

LIMITS_MS = {"football_api": 50.0, "football_reader": 500.0, "football_dagster": 500.0, "football_mlflow": 500.0}
"""No statement of these roles may take longer: the service's, and what else somebody waits for at a screen; commands that show
something at a terminal ask as `football_reader`. The roles that load, transform and learn are shown and not judged: theirs are
whole tables' worth of work."""

POOLS = {"football_api": 8}
"""The connections that one worker of a program keeps at most (`serving.store.database`)."""

STATEMENTS: LiteralString = """
    select r.rolname as role, s.calls, s.total_exec_time as total_ms, s.mean_exec_time as mean_ms,
        s.max_plan_time + s.max_exec_time as max_ms, s.rows, regexp_replace(s.query, '\\s+', ' ', 'g') as statement
    from pg_stat_statements as s
    join pg_roles as r on r.oid = s.userid
    where r.rolname like 'football\\_%' and s.toplevel
        and s.dbid in (select oid from pg_database where datname in (current_database(), current_database() || '_dagster',
            current_database() || '_mlflow'))
    order by s.total_exec_time desc
"""

COUNTED: LiteralString = "select stats_reset::text as since, dealloc as n_forgotten from pg_stat_statements_info"
"""The server keeps so many statements; which it asked least it forgets, and with them their longest calls."""

# One that holds a key is needed, though nobody reads by it.
UNUSED_INDEXES: LiteralString = """
    select s.schemaname || '.' || s.relname as table, s.indexrelname as index, pg_relation_size(s.indexrelid) as n_bytes
    from pg_stat_user_indexes as s
    join pg_index as i using (indexrelid)
    where s.idx_scan = 0 and not i.indisunique and not i.indisexclusion
    order by n_bytes desc
"""

TABLES: LiteralString = """
    select relid, schemaname || '.' || relname as table, pg_total_relation_size(relid) as n_bytes,
        coalesce(100.0 * n_dead_tup / nullif(n_live_tup + n_dead_tup, 0), 0)::double precision as dead_percent
    from pg_stat_user_tables
    order by n_bytes desc
"""

BLOAT: LiteralString = "select dead_tuple_percent + approx_free_percent as percent from pgstattuple_approx(%s::oid::regclass)"

DATABASE: LiteralString = """
    select pg_database_size(datname) as n_bytes,
        100.0 * blks_hit / nullif(blks_hit + blks_read, 0)::double precision as hit_percent,
        temp_bytes, deadlocks, stats_reset::text as counted_since
    from pg_stat_database
    where datname = current_database()
"""

CONNECTIONS: LiteralString = """
    select usename as role, count(*) as open, count(*) filter (where state = 'active') as active,
        count(*) filter (where state like 'idle in transaction%%') as idle_in_transaction
    from pg_stat_activity
    where usename like 'football\\_%%'
    group by usename
    order by usename
"""

N_TABLES = 15
"""The biggest tables are looked through for dead rows; the others hold little."""

CUT_AT = 300
"""Characters of a statement that are shown: its literals are parameters already."""


class ReportError(Exception):
    """The statistics cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class Verdict:
    """The slowest call of a role beside its limit, both in milliseconds: planning and execution, each at its longest."""

    role: str
    limit_ms: float
    worst_ms: float
    n_statements: int
    n_above: int

    @property
    def is_met(self) -> bool | None:
        """None where nothing was asked: that is no verdict."""
        return self.n_above == 0 if self.n_statements else None


def examine(url: str) -> dict[str, Any]:
    """Everything the server counted for the edition at `url`, the monitor's address; times in ms, sizes in bytes, shares in %.

    Raises:
        ReportError: the server cannot be reached, or does not count statements.
    """
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10, row_factory=dict_row) as connection:
            # Looking through big tables has a bound, and is no reason for others to wait.
            connection.execute("set statement_timeout = '60s'; set lock_timeout = '2s'")
            return _examine(connection)
    except psycopg.errors.UndefinedTable as error:
        raise ReportError(
            "The server does not count statements: have an administrator add pg_stat_statements to shared_preload_libraries and "
            "`create extension pg_stat_statements` in the warehouse."
        ) from error
    except psycopg.OperationalError as error:
        raise ReportError(f"The database cannot be asked ({error}): football up starts it, and makes the role.") from error


def judge(statements: list[dict[str, Any]]) -> list[Verdict]:
    """One verdict for each role that has a limit, by the longest call of each of its statements."""
    verdicts = []
    for role, limit in LIMITS_MS.items():
        longest = [each["max_ms"] for each in statements if each["role"] == role]
        n_above = sum(ms > limit for ms in longest)
        verdicts.append(Verdict(role, limit, max(longest, default=0.0), len(longest), n_above))
    return verdicts


def forget(admin_url: str) -> None:
    """Have the server count statements from now on: what was mended would stay the longest call for ever.

    `admin_url` is a superuser's, in a database that has pg_stat_statements.
    """
    with psycopg.connect(admin_url, autocommit=True, connect_timeout=10) as admin:
        admin.execute("select pg_stat_statements_reset()")


def _examine(connection: psycopg.Connection[dict[str, Any]]) -> dict[str, Any]:
    statements = connection.execute(STATEMENTS).fetchall()
    for each in statements:
        each["statement"] = each["statement"][:CUT_AT]
    tables = connection.execute(TABLES).fetchall()
    has_scan = connection.execute("select 1 from pg_proc where proname = 'pgstattuple_approx'").fetchone() is not None
    for each in tables:
        each["method"] = "estimate: dead rows as the statistics count them"
        relation = each.pop("relid")
        if has_scan and each in tables[:N_TABLES]:
            found = connection.execute(BLOAT, [relation]).fetchone()
            if found is not None:
                each["dead_percent"], each["method"] = found["percent"], "pgstattuple_approx: dead and free space"
    maximum = connection.execute("select current_setting('max_connections')::int as n").fetchone()
    database = connection.execute(DATABASE).fetchone()
    connections = connection.execute(CONNECTIONS).fetchall()
    for each in connections:
        each["pool"] = POOLS.get(each["role"])
    return {
        "statements": statements,
        "verdicts": [vars(verdict) | {"is_met": verdict.is_met} for verdict in judge(statements)],
        "counted": connection.execute(COUNTED).fetchone(),
        "unused_indexes": connection.execute(UNUSED_INDEXES).fetchall(),
        "tables": tables,
        "database": database,
        "connections": connections,
        "max_connections": maximum["n"] if maximum else None,
    }
