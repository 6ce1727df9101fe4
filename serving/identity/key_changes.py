"""Replacing and retiring the secrets that sign tokens, as the audit tells of it.

Belongs here: writing the row of a change, and then their file. Does not belong here: what is in the file, for how long a
secret verifies (`signing_keys`).
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from serving.audit.entries import Actor
from serving.identity import signing_keys
from serving.identity.signing_keys import SigningKey
from serving.store.audit import audited
from serving.store.database import Database, StoreUnavailable

NOT_WRITTEN: Final = "signing_key.not_written"
"""What the row says, which follows that of a change, if the change was not made."""


class NotWritten(Exception):
    """The file could not be replaced: it is as it was, though the audit has a row of the change."""


async def rotate(path: Path, now: datetime, database: Database, by: Actor) -> SigningKey:
    """Have a new secret sign.

    Raises:
        StoreUnavailable: the database does not answer; then the file is as it was.
        NotWritten: the file cannot be written, which the audit tells in a second row.
    """
    _, after = await _change(path, "signing_key.rotate", lambda keys: signing_keys.rotated(keys, now), database, by)
    return after[-1]


async def retire(path: Path, database: Database, by: Actor) -> int:
    """Drop all secrets but the newest, and whatever they signed with them; how many those were.

    Raises:
        StoreUnavailable: the database does not answer; then the file is as it was.
        NotWritten: the file cannot be written, which the audit tells in a second row.
    """
    before, after = await _change(path, "signing_key.retire", lambda keys: keys[-1:], database, by)
    return len(before) - len(after)


async def _change(
    path: Path, action: str, change: Callable[[list[SigningKey]], list[SigningKey]], database: Database, by: Actor
) -> tuple[list[SigningKey], list[SigningKey]]:
    signing_keys.read(path)  # what is wrong with the file is said before anybody waits, and before the database is asked
    with _alone(path):
        before = signing_keys.read(path)
        after = change(before)
        if after != before:
            what = f"signing_key/{after[-1].key_id}"
            # The row is there before the file changes: whatever ends this in between, Ctrl-C, a kill, an answer of the database
            # that got lost, leaves a row of a change that was not made, never a change without a row.
            async with audited(database, by) as write:
                await write.tell(action, what, _told(before), _told(after))
            try:
                signing_keys.write(path, after)
            except Exception as error:
                in_audit = "the audit has a row of the change, and one that it was not made"
                try:
                    async with audited(database, by) as write:
                        await write.tell(NOT_WRITTEN, what, _told(after), _told(before))
                except StoreUnavailable:
                    in_audit = "the audit has a row of the change, and could not be told that it was not made"
                raise NotWritten(f"{path} could not be written ({error}). The keys are as they were; {in_audit}.") from error
    return before, after


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else changes the file until the block ends. The folder is locked, for the file itself is replaced."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _told(keys: Sequence[SigningKey]) -> dict[str, Any]:
    """The ids alone, which every token bears in the clear: the newest last."""
    return {"key_ids": [key.key_id for key in keys]}
