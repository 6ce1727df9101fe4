"""What is answered about the state of the service and of its data."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from serving.schemas import Publication
from serving.schemas.publications import Pin
from serving.schemas.record import LedgerState


class ChecksSummary(Struct, frozen=True, kw_only=True):
    """What the checks of the last run said, in numbers: each stands at `/v1/publication/checks`."""

    n_checks: int
    n_passed: int
    checked_at: Annotated[datetime, Meta(description="The last of them.")]


class BackupState(Struct, frozen=True, kw_only=True):
    """The newest backup that was found whole."""

    taken_at: datetime
    n_bytes: int
    verified_at: datetime
    restored_at: Annotated[datetime | None, Meta(description="When a server was last started from it; null: never.")]


class StatusAnswer(Struct, frozen=True, kw_only=True):
    """How the service and its data stand."""

    is_simulated: bool
    edition: str
    rehearsed_at: Annotated[datetime | None, Meta(description="The moment that is rehearsed; null where the clock's counts.")]
    publication: Annotated[Publication | None, Meta(description="null: nothing has been published yet.")]
    n_files: Annotated[int | None, Meta(description="Raw files that the publication rests on.")]
    pin: Annotated[Pin | None, Meta(description="null while the latest publication is served.")]
    checks: Annotated[ChecksSummary | None, Meta(description="null where the run kept none.")]
    ledger: Annotated[LedgerState | None, Meta(description="null before it was verified first.")]
    backup: Annotated[BackupState | None, Meta(description="null: there is no verified one.")]
    unknown: Annotated[
        list[str], Meta(description="Of `backup`, `checks`, `ledger` what nobody can tell now: its null says nothing.")
    ]
    database: Annotated[str, Meta(description="`up`, or `down`: what is known goes on being told, nobody can log in.")]
    redis: Annotated[str, Meta(description="`up`, `down` (reads go on, logins are limited per process) or `off`.")]
