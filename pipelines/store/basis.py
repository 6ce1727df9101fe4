"""What issued predictions rest on: enough to make them again from the bytes in the landing zone.

Belongs here: noting it at the moment of issue, and reading it back. A publication's manifest names the newest bytes of each file
at its own moment; an issue names every file version that its features were made of, in the order in which they came, for an
earlier version may speak where a later one was cut short, and a quote is as old as its first sighting. Does not belong here:
making anything again (`pipelines.reproduction`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import class_row

from pipelines.store.revision import git_revision, lock_digest, platform_name
from pipelines.store.silver import Silver
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Basis:
    """What the predictions of one issue rest on.

    `data_cutoff` is the moment from which on facts were hidden from the features, `through_file_id` the last file version among
    them; `files_sha256` binds which bytes those versions are.
    """

    data_cutoff: datetime
    through_file_id: int
    files_sha256: str
    git_revision: str | None
    platform: str
    lock_sha256: str | None


@dataclass(frozen=True)
class FileVersion:
    """One version of a file, and the moment at which bronze took it in."""

    source: str
    key: str
    sha256: str
    fetched_at: datetime
    ingested_at: datetime


@dataclass(frozen=True)
class Issued:
    """A prediction as the ledger has it, as it was first published, and what it rests on; frames of one row.

    `before` is the prediction of the same match and information set that it followed, empty for the first; `published` is empty
    if it never was, else `manifest` is that publication's. `feature_names` are those of its feature row, None if none was kept.
    """

    prediction: "pd.DataFrame"
    before: str
    published: "pd.DataFrame"
    manifest: Mapping[str, str]
    basis: Basis
    feature_names: tuple[str, ...] | None


class NotRebuildable(LookupError):
    """There is no such prediction, or what it rests on is not known; the message is for a person."""


def present(warehouse: Warehouse) -> Basis:
    """What a prediction rests on that is made of silver and gold as they stand.

    The cut-off is the latest `as_of`: a match's is the earlier of its own last moment and the cut-off. Only if none is coming
    that has its last moment still ahead is the cut-off later, and then no prediction could look at what lies between.

    Raises:
        HalfMade: they are nothing whole.
    """
    through = Silver(warehouse.url).require_whole()
    with warehouse.connect() as connection:
        row = connection.execute("select max(as_of) from gold.fct_match").fetchone()
        files_sha256 = _files_sha256(connection, through)
    assert row is not None  # noqa: S101 - an aggregate always gives one
    return Basis(row[0], through, files_sha256, git_revision(), platform_name(), lock_digest())


def files_sha256(warehouse: Warehouse, through: int) -> str:
    """Digest of source, key, version and SHA-256 of every file version up to `through`, in the order in which they came."""
    with warehouse.connect() as connection:
        return _files_sha256(connection, through)


def note(connection: psycopg.Connection, basis: Basis, prediction_ids: Sequence[str]) -> None:
    """Keep what these predictions rest on, which were written one after the other in the connection's transaction."""
    connection.execute(
        """
        insert into forecast.issue
            (first_sequence, last_sequence, data_cutoff, through_file_id, files_sha256, git_revision, platform, lock_sha256)
        select min(sequence), max(sequence), %s, %s, %s, %s, %s, %s
        from forecast.prediction where prediction_id = any(%s)
        having count(*) > 0
        """,
        (
            basis.data_cutoff,
            basis.through_file_id,
            basis.files_sha256,
            basis.git_revision,
            basis.platform,
            basis.lock_sha256,
            list(prediction_ids),
        ),
    )


def issued(warehouse: Warehouse, prediction_id: str) -> Issued:
    """A prediction with what it rests on.

    Raises:
        NotRebuildable: there is no such prediction, or what it rests on was not noted.
    """
    named = {"prediction_id": prediction_id}
    prediction = warehouse.read("select * from forecast.prediction where prediction_id = %(prediction_id)s", named)
    if prediction.empty:
        raise NotRebuildable(f"There is no prediction {prediction_id} in the ledger.")
    published = warehouse.read(
        "select * from published.prediction where prediction_id = %(prediction_id)s order by publication_id limit 1", named
    )
    with warehouse.connect() as connection, connection.cursor(row_factory=class_row(Basis)) as cursor:
        basis = cursor.execute(
            """
            select data_cutoff, through_file_id, files_sha256, git_revision, platform, lock_sha256
            from forecast.issue
            join forecast.prediction on sequence between first_sequence and last_sequence
            where prediction_id = %(prediction_id)s
            """,
            named,
        ).fetchone()
        manifest = connection.execute(
            """
            select manifest from published.publication
            where publication_id = (
                select min(publication_id) from published.prediction where prediction_id = %(prediction_id)s
            )
            """,
            named,
        ).fetchone()
        before = connection.execute(
            """
            select earlier.prediction_id
            from forecast.prediction as earlier
            join forecast.prediction as it using (match_id, information_set)
            where it.prediction_id = %(prediction_id)s and earlier.sequence < it.sequence
            order by earlier.sequence desc limit 1
            """,
            named,
        ).fetchone()
        names = connection.execute(
            """
            select names from forecast.feature_row join forecast.feature_list using (names_sha256)
            where prediction_id = %(prediction_id)s
            """,
            named,
        ).fetchone()
    if basis is None:
        raise NotRebuildable(
            f"Prediction {prediction_id} cannot be rebuilt: it was issued before it was noted what predictions rest on."
        )
    return Issued(
        prediction=prediction,
        before=before[0] if before else "",
        published=published,
        manifest=manifest[0] if manifest else {},
        basis=basis,
        feature_names=tuple(names[0]) if names else None,
    )


def versions(warehouse: Warehouse, through: int) -> list[FileVersion]:
    """Every file version up to the `file_id` called `through`, in the order in which they came.

    Of a version that brought neither a line nor anything set aside, the moment of taking in was kept nowhere and says nothing:
    its fetching stands for it.
    """
    with warehouse.connect() as connection, connection.cursor(row_factory=class_row(FileVersion)) as cursor:
        return cursor.execute(
            """
            with brought as (
                select file_id, ingested_at from bronze.football_data_match
                union all
                select file_id, ingested_at from bronze.openfootball_match
                union all
                select file_id, ingested_at from bronze.international_match
                union all
                select file_id, ingested_at from bronze.football_data_org_match
                union all
                select file_id, ingested_at from bronze.stream_message
                union all
                select file_id, quarantined_at from bronze.quarantine
            ),

            taken_in as (
                select file_id, min(ingested_at) as ingested_at from brought group by file_id
            )

            select source, key, sha256, fetched_at, coalesce(ingested_at, fetched_at) as ingested_at
            from bronze.source_file
            left join taken_in using (file_id)
            where file_id <= %s
            order by file_id
            """,
            (through,),
        ).fetchall()


def _files_sha256(connection: psycopg.Connection, through: int) -> str:
    row = connection.execute(
        """
        select encode(sha256(convert_to(coalesce(
            string_agg(concat_ws(e'\\x1f', source, key, version, sha256), e'\\n' order by file_id), ''), 'UTF8')), 'hex')
        from bronze.source_file where file_id <= %s
        """,
        (through,),
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always gives one
    return str(row[0])
