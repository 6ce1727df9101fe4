"""Replacing and retiring the secrets that sign tokens, as the audit tells of it.

Belongs here: changing their file and writing the row of it together. Does not belong here: what is in the file, for how long a
secret verifies (`signing_keys`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from serving.audit.entries import Actor
from serving.identity import signing_keys
from serving.identity.signing_keys import SigningKey
from serving.store.audit import audited
from serving.store.database import Database


async def rotate(path: Path, now: datetime, database: Database, by: Actor) -> SigningKey:
    """Have a new secret sign.

    Raises:
        StoreUnavailable: the database does not answer; then the file is as it was.
    """
    _, after = await _change(path, "signing_key.rotate", lambda keys: signing_keys.rotated(keys, now), database, by)
    return after[-1]


async def retire(path: Path, database: Database, by: Actor) -> int:
    """Drop all secrets but the newest, and whatever they signed with them; how many those were.

    Raises:
        StoreUnavailable: the database does not answer; then the file is as it was.
    """
    before, after = await _change(path, "signing_key.retire", lambda keys: keys[-1:], database, by)
    return len(before) - len(after)


async def _change(
    path: Path, action: str, change: Callable[[list[SigningKey]], list[SigningKey]], database: Database, by: Actor
) -> tuple[list[SigningKey], list[SigningKey]]:
    before = signing_keys.read(path)  # what is wrong with the file is said before the database is asked
    is_written = False
    try:
        async with audited(database, by) as write:
            before = signing_keys.read(path)  # as it is now that whoever changed it at the same time is done
            after = change(before)
            if after != before:
                await write.tell(action, f"signing_key/{after[-1].key_id}", _told(before), _told(after))
                is_written = True
                signing_keys.write(path, after)
    except Exception:
        # A row of a change that was not made, where the answer alone got lost, is better than a change without a row.
        if is_written:
            signing_keys.write(path, before)
        raise
    return before, after


def _told(keys: Sequence[SigningKey]) -> dict[str, Any]:
    """The ids alone, which every token bears in the clear: the newest last."""
    return {"key_ids": [key.key_id for key in keys]}
