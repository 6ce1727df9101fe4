"""Password hashing, at a cost that cannot starve the rest of the service.

Belongs here: Argon2id and its limits. Does not belong here: accounts, tokens, how often one may try.
"""

from typing import Final

import anyio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MINIMUM_LENGTH: Final = 12
MAXIMUM_LENGTH: Final = 1024

# OWASP's recommended minimum: 19 MiB, two passes, one lane; some 28 ms of a core.
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class WeakPassword(ValueError):
    """The password cannot be accepted; the message says why."""


class Busy(Exception):
    """Too many passwords are waiting to be checked."""


def hash_password(password: str) -> str:
    """The Argon2id hash of a new password, in its encoded form.

    Raises:
        WeakPassword: it is too short or too long.
    """
    if not MINIMUM_LENGTH <= len(password) <= MAXIMUM_LENGTH:
        raise WeakPassword(f"A password has {MINIMUM_LENGTH} to {MAXIMUM_LENGTH} characters; this one has {len(password)}.")
    return HASHER.hash(password)


class PasswordChecker:
    """Checks passwords in threads: at most `concurrency` at a time, with at most `waiting` others in the queue."""

    def __init__(self, concurrency: int = 1, waiting: int = 32) -> None:
        self._concurrency = concurrency
        self._maximum = concurrency + waiting
        self._n_present = 0
        self._limiter: anyio.CapacityLimiter | None = None
        self._nobody = HASHER.hash("the password of nobody")

    async def check(self, password_hash: str | None, password: str) -> bool:
        """Whether the password belongs to the hash; None (nobody of that name) takes as long and is False.

        Raises:
            Busy: the queue is full.
        """
        if self._limiter is None:  # made here because it belongs to the running event loop
            self._limiter = anyio.CapacityLimiter(self._concurrency)
        if self._n_present >= self._maximum:
            raise Busy
        self._n_present += 1
        try:
            is_right = await anyio.to_thread.run_sync(matches, password_hash or self._nobody, password, limiter=self._limiter)
        finally:
            self._n_present -= 1
        return is_right and password_hash is not None


def matches(password_hash: str, password: str) -> bool:
    """Whether the password belongs to the hash; takes some 28 ms of a core."""
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
