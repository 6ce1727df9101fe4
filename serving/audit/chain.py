"""The chain of the audit: each row is linked to the one before it, so that nobody changes, adds or takes away one unseen.

Belongs here: what a link is made of, computing all of them anew, and the head that is kept outside the database: without it
nobody could see that the end was cut off, or every link made anew. Does not belong here: the queries.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct, structs
from msgspec import json as encoded


class Linked(Struct, frozen=True):
    """A row as it stands in the database: its link, and what the link is made of, in this order."""

    link: str
    sequence: int
    at: datetime
    actor: str
    action: str
    object: str
    before: str | None
    after: str | None
    request_id: str | None
    address: str | None


class Head(Struct, frozen=True):
    """Where the audit ends: the last row's number and its link, which depends on every row before it."""

    sequence: int
    link: str

    @classmethod
    def read(cls, path: Path) -> "Head | None":
        """The head that was kept, None if none ever was."""
        return encoded.decode(path.read_bytes(), type=cls) if path.exists() else None

    def keep(self, path: Path) -> None:
        """Write it unless one further on was kept meanwhile, in one step: a head cut short would accuse an intact audit.

        Several workers verify, and the slower one saw fewer rows: of those in between the end could be cut off unseen.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.parent):
            if (kept := self.read(path)) is not None and kept.sequence >= self.sequence:
                return
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                file.write(encoded.encode(self))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Verification(Struct, frozen=True):
    """What was found: `faults` are sentences, none if every link holds."""

    head: Head | None
    faults: list[str]


async def verify(rows: AsyncIterator[Linked], kept: Head | None) -> Verification:
    """Compute every link anew, and look for the head that was kept outside.

    Args:
        rows: all of them, by `sequence`.
        kept: the head of an earlier verification; None where there was none.
    """
    faults = []
    before, sequence = "", 0
    at_kept: str | None = None
    async for row in rows:
        if row.sequence > sequence + 1:  # the database leaves no number out
            gone = f"Row {sequence + 1} is" if row.sequence == sequence + 2 else f"Rows {sequence + 1} to {row.sequence - 1} are"
            faults.append(f"{gone} missing.")
        if row.link != link_of(before, row):
            faults.append(
                f"Row {row.sequence} does not follow from the one before it: one of the two was changed, or one was added, moved "
                "or taken away between them."
            )
        if kept is not None and row.sequence == kept.sequence:
            at_kept = row.link
        before, sequence = row.link, row.sequence
    if kept is not None and at_kept is None:
        faults.append(f"Row {kept.sequence}, at which the audit ended when its head was kept, is missing: its end was cut off.")
    elif kept is not None and at_kept != kept.link:
        faults.append(f"Up to row {kept.sequence} this is not the audit whose head was kept: its links were made anew.")
    return Verification(Head(sequence, before) if sequence else None, faults)


def link_of(before: str, row: Linked) -> str:
    """What the trigger computes: SHA-256 of a JSON array of the link before and the row, moments as microseconds since 1970."""
    _, sequence, at, *rest = structs.astuple(row)
    microseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    text = json.dumps([before, sequence, microseconds, *rest], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
