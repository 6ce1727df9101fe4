"""What `published` holds beside the publications, brought up to date inside the database.

Belongs here: which rows of `gold` and `forecast` the service may read, copied there where they changed and by the server
alone, and what the pipelines ask of it. Does not belong here: the publications themselves (`publication`), or making any of
these rows.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql
from psycopg.types.json import Jsonb

from pipelines.store import published_tables as tables
from pipelines.store.backups import Backup
from pipelines.store.ledger import Verification
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy as sa

    from pipelines.store.registry import ModelVersion


def refresh_matches(warehouse: Warehouse) -> int:
    """Make `match` and `team` what gold says; returns how many matches were added, changed or taken away."""
    with warehouse.connect() as connection:
        n_changed = _mirror(connection, tables.published_match, sql.SQL("gold.fct_match"))
        if n_changed:
            _mirror(connection, tables.published_team, _LATEST_OF_TEAMS)
    return n_changed


# `offset 0`: not to be read along kick-off, which for a club long gone means almost the whole table.
_LATEST_OF_TEAMS = sql.SQL(
    """(
        select t.team_id, t.name, t.country, latest.competition_id, latest.season
        from gold.dim_team as t
        cross join lateral (
            select * from (
                select competition_id, season, kickoff_at from published.match
                where home_team_id = t.team_id or away_team_id = t.team_id
                offset 0
            ) as own
            order by kickoff_at desc
            limit 1
        ) as latest
    )"""
)


class Awaited(NamedTuple):
    """A match whose result is awaited; it should end two hours after kick-off, or with its day where no hour is known."""

    competition_id: str
    season: int
    full_time_at: datetime


def awaited(warehouse: Warehouse, now: datetime) -> list[Awaited]:
    """Matches of the two days before `now` that a forecast was issued of and no source has a result of yet.

    Not of the publication in force: one made after kick-off has no forecast of the match any more.
    """
    with warehouse.connect() as connection:
        rows = connection.execute(
            """
            select competition_id, season, kickoff_at + case when is_time_known then interval '2 hours' else interval '1 day' end
            from published.match
            where kickoff_at between %(now)s - interval '2 days' and %(now)s and status = 'scheduled'
                and exists (select from published.issued_prediction as issued where issued.match_id = match.match_id)
            order by kickoff_at, match_id
            """,
            {"now": now},
        ).fetchall()
    return [Awaited(*row) for row in rows]


def refresh_issued(warehouse: Warehouse) -> int:
    """Add what the ledger was told since it was last looked at; returns the number of predictions."""
    with warehouse.connect() as connection:
        n_new = connection.execute(
            """
            insert into published.issued_prediction
            select
                prediction_id, sequence, match_id, information_set, model_name, model_version, kickoff_at, as_of, issued_at,
                p_home, p_draw, p_away, expected_home_goals, expected_away_goals, features_digest, link,
                strength_deviation, firmness, contributions
            from forecast.prediction
            left join forecast.explanation using (prediction_id)
            where sequence > (select coalesce(max(sequence), 0) from published.issued_prediction)
            order by sequence
            """
        ).rowcount
        connection.execute(
            """
            insert into published.issue
            select * from forecast.issue
            where first_sequence > (select coalesce(max(first_sequence), 0) from published.issue)
            """
        )
    return n_new


def refresh_record(warehouse: Warehouse) -> int:
    """Bring the scores and their summaries up to date; returns how many rows changed."""
    return _mirror_all(warehouse, (tables.published_score, tables.published_scoreboard, tables.published_calibration))


def refresh_seasons(warehouse: Warehouse) -> int:
    """Bring the outlook on the seasons under way up to date; returns how many rows changed."""
    return _mirror_all(warehouse, (tables.published_season_outlook,))


class CheckResult(NamedTuple):
    """What a check said of an asset."""

    asset: str
    name: str
    passed: bool
    is_blocking: bool
    description: str | None
    checked_at: datetime


def refresh_checks(warehouse: Warehouse, publication_id: int, results: "Iterable[CheckResult]") -> None:
    """Keep what the checks said in the run that made or confirmed a publication, in the place of what each said earlier.

    Checks that this run did not ask, because it made only a part, stand as they were.
    """
    results = list(results)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "delete from published.check_result where publication_id = %s "
            "and (asset, name) in (select * from unnest(%s::text[], %s::text[]))",
            (publication_id, [each.asset for each in results], [each.name for each in results]),
        )
        cursor.executemany(
            "insert into published.check_result values (%s, %s, %s, %s, %s, %s, %s)",
            [(publication_id, *each) for each in results],
        )


def keep_transformation(warehouse: Warehouse, publication_id: int, project_sha256: str, models: "Iterable[NamedTuple]") -> None:
    """Keep which dbt models stand behind a publication; one that is confirmed keeps those it was first said with."""
    with warehouse.connect() as connection:
        connection.execute(
            "insert into published.transformation values (%s, %s, %s) on conflict do nothing",
            (publication_id, project_sha256, Jsonb([each._asdict() for each in models])),
        )


def refresh_models(warehouse: Warehouse, champions: "Iterable[ModelVersion]") -> None:
    """Note who is champion now, and what was decided since this was last looked at."""
    known = ("recipe", "git_revision", "data_sha256", "features_sha256")
    with warehouse.connect() as connection:
        connection.execute(
            """
            insert into published.model_evidence
            select evidence_id, model_name, model_version, decided_at, decision, reasons, figures from forecast.model_evidence
            where evidence_id > (select coalesce(max(evidence_id), 0) from published.model_evidence)
            """
        )
        for model in champions:
            connection.execute(
                "update published.model set is_champion = false where model_name = %s and model_version <> %s and is_champion",
                (model.name, model.version),
            )
            connection.execute(
                """
                insert into published.model (model_name, model_version, information_set, registry_run_id, is_champion,
                    recipe, git_revision, data_sha256, features_sha256)
                values (%s, %s, %s, %s, true, %s, %s, %s, %s)
                on conflict (model_name, model_version) do update set is_champion = true where not model.is_champion
                """,
                (
                    model.name,
                    model.version,
                    model.tags["information_set"],
                    model.run_id,
                    *(model.tags.get(name) for name in known),
                ),
            )


def add_verification(warehouse: Warehouse, found: Verification, at: datetime) -> None:
    """Say what came of verifying the ledger."""
    head = found.head
    with warehouse.connect() as connection:
        connection.execute(
            """
            insert into published.ledger_verification
                (verified_at, n_predictions, head_sequence, head_link, is_intact, faults)
            values (%s, %s, %s, %s, %s, %s)
            """,
            (
                at,
                head.n_predictions if head else 0,
                head.sequence if head else None,
                head.link if head else None,
                not found.faults,
                Jsonb(list(found.faults)),
            ),
        )


def add_backup(warehouse: Warehouse, found: Backup) -> None:
    """Say that a backup was found whole, and, once it was, that it was restored."""
    with warehouse.connect() as connection:
        connection.execute(
            """
            insert into published.backup (taken_at, n_bytes, verified_at, restored_at) values (%s, %s, %s, %s)
            on conflict (taken_at) do update set verified_at = excluded.verified_at, restored_at = excluded.restored_at
            """,
            (found.taken_at, found.n_bytes, found.verified_at, found.restored_at),
        )


def _mirror_all(warehouse: Warehouse, mirrored: "Iterable[sa.Table]") -> int:
    """Make each table what the one of its name in `forecast` is, all in one transaction."""
    with warehouse.connect() as connection:
        return sum(_mirror(connection, table, sql.Identifier("forecast", table.name)) for table in mirrored)


def _mirror(connection: "psycopg.Connection", table: "sa.Table", source: sql.Composable) -> int:
    """Make `table` what `source` is in the columns of `table`; rows that are so already are not written."""
    (key,) = table.primary_key.columns
    names = [column.name for column in table.columns]

    def columns(of: str) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(of, name) for name in names)

    parts = {
        "table": sql.Identifier("published", table.name),
        "source": source,
        "key": sql.Identifier(key.name),
        "names": sql.SQL(", ").join(map(sql.Identifier, names)),
        "wanted": columns("wanted"),
        "there": columns("there"),
    }
    is_filled = connection.execute(sql.SQL("select exists (select from {table})").format(**parts)).fetchone()
    if is_filled == (False,):
        return connection.execute(sql.SQL("insert into {table} select {wanted} from {source} as wanted").format(**parts)).rowcount
    connection.execute("drop table if exists pg_temp.changed")
    n_changed = connection.execute(
        sql.SQL(
            """
            create temporary table changed on commit drop as
            select coalesce(wanted.{key}, there.{key}) as old_key, wanted.{key} is not null as is_wanted, {wanted}
            from {source} as wanted
            full join {table} as there on wanted.{key} = there.{key}
            where ({wanted}) is distinct from ({there})
            """
        ).format(**parts)
    ).rowcount
    if n_changed:
        connection.execute(
            sql.SQL("delete from {table} using pg_temp.changed where {table}.{key} = changed.old_key").format(**parts)
        )
        connection.execute(sql.SQL("insert into {table} select {names} from pg_temp.changed where is_wanted").format(**parts))
    return n_changed
