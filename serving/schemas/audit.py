"""What is answered about the audit: who changed what."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One write: who, what, when, and what was there before and after."""

    sequence: Annotated[int, Meta(description="Counts from 1 and leaves no number out.")]
    at: datetime
    actor: Annotated[str, Meta(examples=["account:7", "cli:root"])]
    action: Annotated[str, Meta(examples=["publication.pin"])]
    object: Annotated[str, Meta(examples=["publication/41"])]
    before: Annotated[dict[str, Any] | None, Meta(description="null: there was nothing. Secrets and personal data are masked.")]
    after: Annotated[dict[str, Any] | None, Meta(description="null: nothing is left.")]
    request_id: Annotated[str | None, Meta(description="That of the answer and of the log; null for a command.")]
    address: Annotated[str | None, Meta(description="The network of the client: three bytes of IPv4, six of IPv6.")]
    link: Annotated[str, Meta(description="SHA-256 of the row and of the link before it.")]


class AuditPage(Struct, frozen=True, kw_only=True):
    """One page of the audit, the latest write first."""

    is_simulated: bool
    entries: list[AuditEntry]
    next_cursor: Annotated[str | None, Meta(description="Send it with the same filters for the next page; null at the end.")]
