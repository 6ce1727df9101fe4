"""What bronze holds of the delivered files, and in what state.

Belongs here: the questions that are asked about file versions and their lines, and noting that checks accepted them, or do no
more. Does not belong here: writing versions (`bronze`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd
from psycopg import sql

from pipelines.store.encoding import table_of
from pipelines.store.warehouse import Warehouse

_JUDGED: Final = sql.SQL("""
    with quarantined as (
        select file_id, sum(n_lines) as n_lines from bronze.quarantine group by file_id
    ),
    standing as (
        select source, key, count(*) as n_rows
        from (
            select source, key from bronze.football_data_match where until_version is null
            union all
            select source, key from bronze.openfootball_match where until_version is null
            union all
            select source, key from bronze.international_match where until_version is null
            union all
            select source, key from bronze.football_data_org_match where until_version is null
            union all
            select source, key from bronze.stream_message where until_version is null
        ) as rows
        group by source, key
    ),
    counted as (
        select
            source_file.*,
            coalesce(quarantined.n_lines, 0) as n_in_quarantine,
            coalesce(standing.n_rows, 0) as n_standing,
            version = max(version) over (partition by source, key) as is_latest
        from bronze.source_file
        left join quarantined using (file_id)
        left join standing using (source, key)
    ),
    judged as (
        select
            *,
            case
                when n_lines <> n_header + n_loaded + n_quarantined + n_blank
                    then 'lines are not header + loaded + quarantined + blank'
                when n_in_quarantine <> n_quarantined then 'the quarantine holds another number of lines'
                when is_latest and state = 'intact' and n_standing < n_loaded then 'rows are missing'
                when is_latest and state = 'intact' and n_quarantined = 0 and n_standing > n_loaded
                    then 'rows stand that the file no longer has'
            end as fault
        from counted
    )
""")
"""Every file version, with the reason in `fault` where it does not add up."""


@dataclass(frozen=True)
class Latest:
    """The latest version of a file, what was made of it, and the validators to send along when asking for it again.

    A version that is not intact has none: it is asked for in full.
    """

    sha256: str
    state: str
    etag: str | None
    last_modified: str | None
    version: int
    n_loaded: int
    n_quarantined: int


@dataclass(frozen=True)
class Delivered:
    """A version of a file as it came."""

    source: str
    key: str
    sha256: str
    size_bytes: int
    n_loaded: int


def delivered(warehouse: Warehouse, file_ids: Sequence[int]) -> list[Delivered]:
    """These versions, in order of source and key."""
    with warehouse.connect() as connection:
        rows = connection.execute(
            """
            select source, key, sha256, size_bytes, n_loaded from bronze.source_file where file_id = any(%s)
            order by source, key, version
            """,
            (list(file_ids),),
        ).fetchall()
    return [Delivered(*facts) for facts in rows]


def latest(warehouse: Warehouse, source: str) -> dict[str, Latest]:
    """Key to what is known of its latest version."""
    with warehouse.connect() as connection:
        rows = connection.execute(
            """
            select distinct on (key)
                key, sha256, state,
                case when state = 'intact' then etag end, case when state = 'intact' then last_modified end,
                version, n_loaded, n_quarantined
            from bronze.source_file where source = %s order by key, version desc
            """,
            (source,),
        ).fetchall()
    return {key: Latest(*facts) for key, *facts in rows}


def standing(warehouse: Warehouse, source: str, layout: str, keys: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """Key to the cells of the lines that stand in a file of that source and layout; a file without any is missing."""
    query = sql.SQL(
        "select key, jsonb_agg(cells) from {} where source = %s and key = any(%s) and until_version is null group by key"
    ).format(sql.Identifier("bronze", table_of(layout)))
    with warehouse.connect() as connection:
        return dict(connection.execute(query, (source, list(keys))).fetchall())


def manifest(warehouse: Warehouse, through: int) -> dict[str, str]:
    """`source/key` to the SHA-256 of the latest version of which anything was usable, in order of the former.

    Of the versions up to the `file_id` called `through`: what came later is in nothing yet. A stream has a file for each batch of
    messages, and so many in a year that each partition is named by its last.
    """
    with warehouse.connect() as connection:
        rows = connection.execute(
            """
            select distinct on (name) name, sha256
            from (
                select
                    source || '/' || case when layout = 'stream' then substring(key from '(.*)/') else key end as name,
                    sha256,
                    case when layout = 'stream' then file_id else version end as nth
                from bronze.source_file
                where state <> 'refused' and file_id <= %s
            ) as known
            order by name, nth desc
            """,
            (through,),
        ).fetchall()
    return dict(sorted(rows))


def reconciliation(warehouse: Warehouse) -> pd.DataFrame:
    """The file versions that do not add up, with the reason in `fault`; empty when every line is accounted for.

    Counts must sum to the file's lines; the quarantine must hold as many lines as were counted; an intact version in
    force must have every row it brought, and no more unless a quarantined line keeps an earlier state standing.
    """
    return warehouse.read(
        _JUDGED
        + sql.SQL("""
        select
            source, key, version, state, n_lines, n_header, n_loaded, n_quarantined, n_blank,
            n_in_quarantine, n_standing, fault
        from judged
        where fault is not null
        order by source, key, version
        """)
    )


def refuse_unreconciled(warehouse: Warehouse) -> None:
    """Take back what was accepted of files that have a version which does not add up: nobody may publish what is made of them."""
    with warehouse.connect() as connection:
        connection.execute(
            _JUDGED
            + sql.SQL("""
            update bronze.source_file set accepted_at = null
            where accepted_at is not null and (source, key) in (select source, key from judged where fault is not null)
            """)
        )


def unaccepted_rows(
    warehouse: Warehouse, layouts: Sequence[str], columns: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, list[int]]:
    """The standing rows of all files of these layouts whose latest usable version no expectation has accepted yet.

    Returns the frame (`file` and `line_number`, then `columns` as for a suite: its column to the names that column may have in a
    file) and the file versions to `accept` where the verdict is good.
    """
    with warehouse.connect() as connection:
        found = connection.execute(
            """
            select file_id, source, key
            from (
                select distinct on (source, key) file_id, source, key, layout, accepted_at
                from bronze.source_file where state <> 'refused' order by source, key, version desc
            ) as latest
            where accepted_at is null and layout = any(%s)
            """,
            (list(layouts),),
        ).fetchall()
    picked = sql.SQL(", ").join(
        sql.SQL("coalesce({}) as {}").format(
            sql.SQL(", ").join(sql.SQL("cells ->> {}").format(name) for name in names), sql.Identifier(column)
        )
        for column, names in columns.items()
    )
    query = sql.SQL(
        """
        select source || '/' || key as file, line_number, {} from {}
        join unnest(%(sources)s::text[], %(keys)s::text[]) as file (source, key) using (source, key)
        where until_version is null
        """
    ).format(picked, sql.Identifier("bronze", table_of(layouts[0])))
    parameters = {"sources": [source for _, source, _ in found], "keys": [key for _, _, key in found]}
    return warehouse.read(query, parameters), [file_id for file_id, _, _ in found]


def accept(warehouse: Warehouse, file_ids: Sequence[int], now: datetime) -> None:
    """Note that the expectations were met with these versions in force, but of files whose lines are not accounted for: whichever
    of the checks says its word first, those are not accepted."""
    with warehouse.connect() as connection:
        connection.execute(
            _JUDGED
            + sql.SQL("""
            update bronze.source_file set accepted_at = %s
            where file_id = any(%s) and (source, key) not in (select source, key from judged where fault is not null)
            """),
            (now, list(file_ids)),
        )


def not_accepted(warehouse: Warehouse, through: int) -> list[str]:
    """`source/key` of the files whose latest usable version up to the `file_id` called `through` the checks have not accepted."""
    with warehouse.connect() as connection:
        rows = connection.execute(
            """
            select source || '/' || key
            from (
                select distinct on (source, key) source, key, accepted_at
                from bronze.source_file where state <> 'refused' and file_id <= %s order by source, key, version desc
            ) as latest
            where accepted_at is null order by source, key
            """,
            (through,),
        ).fetchall()
    return [name for (name,) in rows]


def in_quarantine(warehouse: Warehouse) -> pd.DataFrame:
    """What is set aside of the latest versions: `source, key, reason, n_lines, explanation`, most lines first.

    No later version mends a batch of a stream: what was set aside of one is told for a week.
    """
    return warehouse.read(
        """
        select f.source, f.key, q.reason, sum(q.n_lines)::int as n_lines, min(q.explanation) as explanation
        from bronze.quarantine as q
        join (select distinct on (source, key) * from bronze.source_file order by source, key, version desc) as f using (file_id)
        where f.layout <> 'stream' or q.quarantined_at > now() - interval '7 days'
        group by f.source, f.key, q.reason
        order by n_lines desc, f.source, f.key, q.reason
        """
    )


def unusable_cells(warehouse: Warehouse) -> pd.DataFrame:
    """The cells that say nothing usable: `source, key, column_name, content, reason, n_cells`, most cells first.

    Of each file's latest version of which anything was used: a refused one leaves the lines before it standing.
    """
    return warehouse.read(
        """
        select f.source, f.key, c.column_name, c.content, c.reason, sum(c.n_cells)::int as n_cells
        from bronze.unusable_cell as c
        join (
            select distinct on (source, key) file_id, source, key
            from bronze.source_file where state <> 'refused' order by source, key, version desc
        ) as f using (file_id)
        group by f.source, f.key, c.column_name, c.content, c.reason
        order by n_cells desc, f.source, f.key, c.column_name, c.content
        """
    )


def latest_versions(warehouse: Warehouse, through: int | None = None) -> pd.DataFrame:
    """The latest version of each file but batches of a stream: `source, key, version, state, n_loaded, n_quarantined`.

    Of the versions up to the `file_id` called `through`, if one is given.
    """
    return warehouse.read(
        """
        select distinct on (source, key) source, key, version, state, n_loaded, n_quarantined
        from bronze.source_file
        where layout <> 'stream' and file_id <= coalesce(%(through)s::bigint, file_id)
        order by source, key, version desc
        """,
        {"through": through},
    )


def headers(
    warehouse: Warehouse, *, usual_until: datetime, news_since: datetime
) -> list[tuple[str, str, int, list[str], str, dict[str, str], bool]]:
    """`source, key, version, header, layout, kinds, is_usual` of three versions of each file, of those with a header: its latest,
    the usable one that was in force at `usual_until`, and its first usable one.

    A batch of a stream has one only where its fields are not the contract's, and no later batch mends it: of each partition the
    last such one since `news_since`, and the last until `usual_until`, under the partition's name, their `file_id` as versions.
    """
    with warehouse.connect() as connection:
        return connection.execute(
            """
            select source, key, version, header, layout, coalesce(kinds, '{}'), is_usual
            from (
                select
                    *,
                    row_number() over (partition by source, key order by version desc) as nth_latest,
                    row_number() over (partition by source, key, is_usual order by version desc) as nth_usual,
                    row_number() over (partition by source, key, is_usable order by version) as nth_usable
                from (
                    select
                        *,
                        state <> 'refused' as is_usable,
                        state <> 'refused' and fetched_at <= %(usual_until)s as is_usual
                    from bronze.source_file where header is not null and layout <> 'stream'
                ) as judged
            ) as known
            where nth_latest = 1 or is_usual and nth_usual = 1 or is_usable and nth_usable = 1

            union all

            (
                select distinct on (source, place, is_new)
                    source, place, file_id, header, layout, coalesce(kinds, '{}'), not is_new
                from (
                    select
                        *,
                        substring(key from '(.*)/') as place,
                        fetched_at > %(news_since)s as is_new,
                        bool_or(fetched_at > %(news_since)s) over (partition by source, substring(key from '(.*)/')) as is_told
                    from bronze.source_file
                    where header is not null and layout = 'stream'
                        and (fetched_at > %(news_since)s or fetched_at <= %(usual_until)s)
                ) as batch
                where is_told
                order by source, place, is_new, file_id desc
            )
            order by source, key, version
            """,
            {"usual_until": usual_until, "news_since": news_since},
        ).fetchall()
