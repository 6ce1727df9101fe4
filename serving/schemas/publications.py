"""What is answered about publications other than the one being served, and about pinning one."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from serving.schemas import Publication


class Pin(Struct, frozen=True, kw_only=True):
    """That a publication is served whatever is published after it, since when, and why."""

    publication_id: int
    reason: str
    pinned_at: datetime
    pinned_by: Annotated[str, Meta(description="The account's number, also where a key of its own did it.", examples=["7"])]


class PinRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which publication is to be served until it is released."""

    publication_id: Annotated[int, Meta(ge=1, le=2**63 - 1, examples=[41])]
    reason: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]+$", examples=["Prices of 42 were wrong."])]


class PublicationPage(Struct, frozen=True, kw_only=True):
    """One page of publications, the latest first."""

    is_simulated: bool
    served_publication_id: Annotated[int | None, Meta(description="null: nothing has been published yet.")]
    pin: Annotated[Pin | None, Meta(description="null while the latest is served.")]
    publications: list[Publication]
    next_cursor: Annotated[str | None, Meta(description="Send it for the next page; null at the end.")]
