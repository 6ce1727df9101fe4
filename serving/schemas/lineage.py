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


class FirstPublished(Struct, frozen=True, kw_only=True):
    """The publication that first said it, and the raw files behind that one."""

    publication_id: int
    published_at: datetime
    git_revision: str | None
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
    model: Annotated[ModelVersion | None, Meta(description="null where it was last served before that was kept.")]
    basis: Annotated[Basis | None, Meta(description="null where it was issued before that was noted.")]
