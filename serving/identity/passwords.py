"""Password hashing, at a cost that cannot starve the rest of the service.

Belongs here: which passwords are accepted, Argon2id and its limits, hashes brought from elsewhere. Does not belong here:
accounts, tokens, how often one may try.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from typing import Final, TypeVar

import anyio
import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from serving.identity.turns import Busy, Turns
from serving.refusals import refused_by

MINIMUM_LENGTH: Final = 12
MAXIMUM_LENGTH: Final = 1024
COMMON: Final = 10**7
"""Guesses within which a password must not fall: twice what the limit of logins allows in a year."""
JUDGED_LENGTH: Final = 72
"""Judging takes longer than in proportion to the length, and nobody's first ten million guesses are longer."""
BCRYPT: Final = ("$2a$", "$2b$", "$2y$")
BCRYPT_BYTES: Final = 72
"""Where bcrypt cut passwords off."""

# OWASP's recommended minimum: 19 MiB, two passes, one lane; some 28 ms of a core.
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


T = TypeVar("T")


class WeakPassword(ValueError):
    """The password cannot be accepted; the message says why."""


def hash_password(password: str) -> str:
    """The Argon2id hash of a new password, in its encoded form.

    Raises:
        WeakPassword: it is too short, too long or too common.
    """
    from zxcvbn import zxcvbn

    if not MINIMUM_LENGTH <= len(password) <= MAXIMUM_LENGTH:
        raise WeakPassword(f"A password has {MINIMUM_LENGTH} to {MAXIMUM_LENGTH} characters; this one has {len(password)}.")
    # Among the frequent ones, or put together from them, from rows of keys, from repetitions.
    if zxcvbn(password[:JUDGED_LENGTH], max_length=JUDGED_LENGTH)["guesses"] < COMMON:
        raise WeakPassword("This password is among the first that anyone would try. Choose one that is less common.")
    return HASHER.hash(password)


def matches(password_hash: str, password: str) -> bool:
    """Whether the password belongs to the hash: Argon2id, or bcrypt from elsewhere."""
    try:
        if password_hash.startswith(BCRYPT):
            return bcrypt.checkpw(password.encode()[:BCRYPT_BYTES], password_hash.encode())
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError, ValueError):
        return False


def is_of_today(password_hash: str) -> bool:
    """Whether the hash is by today's measure; else a better one should take its place."""
    return not password_hash.startswith(BCRYPT) and not HASHER.check_needs_rehash(password_hash)


@cache
def _hash_of_nobody() -> str:
    return HASHER.hash("the password of nobody")


class PasswordChecker:
    """Checks and hashes passwords in threads: at most `concurrency` at a time, with at most `waiting` others in the queue.

    Where other workers do it too, each is done in one of the `turns` that they share.
    """

    def __init__(self, concurrency: int = 1, waiting: int = 32, turns: Turns | None = None) -> None:
        self._concurrency = concurrency
        self._turns = turns
        self._maximum = concurrency + waiting
        self._n_present = 0
        self._limiter: anyio.CapacityLimiter | None = None
        self._nobody = _hash_of_nobody()

    async def check(self, password_hash: str | None, password: str) -> bool:
        """Whether the password belongs to the hash; None (nobody of that name) takes as long and is False.

        Raises:
            Busy: the queue is full, or does not move.
        """
        is_right = await self._in_turn(lambda: matches(password_hash or self._nobody, password))
        return is_right and password_hash is not None

    async def renewed(self, password_hash: str, password: str) -> str | None:
        """A better hash of a password that was found to belong to this one; None if this one is of today.

        Raises:
            Busy: the queue is full, or does not move.
        """
        return None if is_of_today(password_hash) else await self._in_turn(lambda: HASHER.hash(password))

    async def hash(self, password: str) -> str:
        """As `hash_password`.

        Raises:
            WeakPassword: it is too short, too long or too common.
            Busy: the queue is full, or does not move.
        """
        return await self._in_turn(lambda: hash_password(password))

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._limiter is None:  # made here because it belongs to the running event loop
            self._limiter = anyio.CapacityLimiter(self._concurrency)
        if self._n_present >= self._maximum:
            refused_by("busy")
            raise Busy
        self._n_present += 1
        try:
            return await anyio.to_thread.run_sync(lambda: self._at_ones_turn(work), limiter=self._limiter)
        except Busy:
            refused_by("busy")
            raise
        finally:
            self._n_present -= 1

    def _at_ones_turn(self, work: Callable[[], T]) -> T:
        with self._turns.one() if self._turns else nullcontext():
            return work()
