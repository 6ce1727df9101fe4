"""What is answered about where a prediction comes from, from the answer back to the bytes that were downloaded."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from serving.schemas.models import ModelVersion


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """Where the prediction stands in the ledger, and which feature row the model saw."""

    sequence: int
    link: Annotated[str, Meta(description="SHA-256 of the row and of the link before it.")]
    match_id: str
    information_set: str
    as_of: datetime
    issued_at: datetime
    features_digest: Annotated[str, Meta(description="SHA-256 of the feature row.")]


class Basis(Struct, frozen=True, kw_only=True):
    """What the predictions that were issued together rest on: enough to make them again."""

    data_cutoff: Annotated[datetime, Meta(description="Facts known at or after it were hidden from the features.")]
    through_file_id: Annotated[int, Meta(description="The last file version that the features were made of.")]
    files_sha256: Annotated[str, Meta(description="Of source, key, version and SHA-256 of all file versions up to it.")]
    git_revision: str | None
    platform: str
    lock_sha256: Annotated[str | None, Meta(description="Of the file that fixes every library's version.")]


class CheckResult(Struct, frozen=True, kw_only=True):
    """What a check said of a table, in the last run that made or confirmed a publication."""

    asset: Annotated[str, Meta(description="Schema and table: of bronze, silver and gold, and the forecasts.")]
    name: str
    passed: bool
    is_blocking: Annotated[bool, Meta(description="Whether nothing would have been published, had it failed.")]
    description: Annotated[str | None, Meta(description="What it found, in words.")]
    checked_at: datetime


class ChecksAnswer(Struct, frozen=True, kw_only=True):
    """What the checks said of the tables behind the publication being served."""

    is_simulated: bool
    publication_id: int
    checks: list[CheckResult]


class DbtModel(Struct, frozen=True, kw_only=True):
    """A model or seed of the dbt project."""

    name: Annotated[str, Meta(description="Schema and table that it makes.")]
    kind: Annotated[str, Meta(description="`model`, or `seed` for a file of constants.")]
    file: Annotated[str, Meta(description="In the repository.")]
    sha256: Annotated[str, Meta(description="Of the file, as dbt computes it.")]
    made_of: Annotated[list[str], Meta(description="Schemas and tables that it reads.")]


class Transformation(Struct, frozen=True, kw_only=True):
    """What stands between the raw rows and the feature row."""

    project_sha256: Annotated[str, Meta(description="Of all files of the dbt project.")]
    models: Annotated[list[DbtModel], Meta(description="From the feature row back to the raw rows.")]


class Outline(Struct, frozen=True, kw_only=True):
    """Where a prediction comes from, in numbers."""

    sequence: int
    publication_id: int | None
    published_at: datetime | None
    n_models: int | None
    n_checks: int
    n_passed: int
    n_files: int


class FirstPublished(Struct, frozen=True, kw_only=True):
    """The publication that first said it, and the raw files behind that one."""

    publication_id: int
    published_at: datetime
    git_revision: str | None
    transformation: Annotated[
        Transformation | None, Meta(description="The dbt models that made the feature row; null where they were not kept.")
    ]
    files: Annotated[dict[str, str], Meta(description="File key to the SHA-256 of its bytes.")]
    checks: Annotated[
        list[CheckResult], Meta(description="What dbt's tests, the expectations and the rest said of the tables in between.")
    ]


class LineageAnswer(Struct, frozen=True, kw_only=True):
    """Where a prediction comes from."""

    is_simulated: bool
    prediction_id: str
    publication: Annotated[FirstPublished | None, Meta(description="null where it never was published.")]
    ledger: LedgerEntry
    features: Annotated[
        dict[str, float | None] | None,
        Meta(
            description="The feature row itself, in the order in which the model saw it: null for what was not known. Its digest "
            "is of the row's bytes, each number a little-endian double, and a NaN where null stands here: usually the one of the "
            "bytes 00 00 00 00 00 00 f8 7f. null as a whole where it was issued before rows were kept."
        ),
    ]
    model: Annotated[ModelVersion | None, Meta(description="null where it was last served before that was kept.")]
    basis: Annotated[Basis | None, Meta(description="null where it was issued before that was noted.")]
