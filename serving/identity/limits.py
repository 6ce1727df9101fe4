"""How often one may try to log in, and stay in.

Belongs here: which attempts count against whom. Does not belong here: passwords, HTTP, how tokens are counted and how many
requests of any kind one may make (`buckets`).
"""

import math
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from serving.addresses import parsed
from serving.identity.buckets import Buckets, Rate

OF_AN_ACCOUNT: Final = Rate(per_second=10 / 60, burst=10)
OF_AN_ADDRESS: Final = Rate(per_second=60 / 60, burst=60)
OF_LOGINS: Final = Rate(per_second=1 / 3, burst=30)
"""How often an account may log in, with the right password each time: each is a session, and a row of the audit, which stays.
Wrong ones, of which there may be fewer, cannot use it up."""
OF_REFRESHES: Final = Rate(per_second=10, burst=100)
"""How often the sessions of an account may be carried on: each time is a row of the audit, which all who write wait for."""
OF_CHANGES: Final = Rate(per_second=1, burst=100)
"""How often an account may make and revoke keys, end sessions, pin and release, for the same reason: all of its 50 keys replaced
at once."""


@lru_cache(4096)
def subscriber(host: str) -> str:
    """Whose an address is: an IPv6 one stands for its /64, which one subscriber has to himself."""
    address = parsed(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Address(address.packed[:8] + bytes(8)))
    return host if address is None else str(address)


class LoginLimit:
    """A bucket of attempts for each account and each address.

    A token is taken before the password is looked at, so that parallel guesses cannot slip past, and given back when it was
    right. How often it may be right is counted apart.
    """

    def __init__(self, redis: "Redis | None", edition: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._of_accounts = Buckets(redis, f"{edition}:login:account", OF_AN_ACCOUNT, clock)
        self._of_addresses = Buckets(redis, f"{edition}:login:address", OF_AN_ADDRESS, clock)
        self._of_logins = Buckets(redis, f"{edition}:login", OF_LOGINS, clock)

    async def take(self, username: str, address: str) -> int:
        """Count an attempt; seconds to wait if account or address has had too many, else 0.

        What is refused by its address is no attempt of the account's: else it would lock out the owner all the same.
        """
        taken = (self._of_addresses, subscriber(address)), (self._of_accounts, username), (self._of_logins, username)
        for buckets, whose in taken:
            is_let_through, lease = await buckets.take(whose)
            if not is_let_through:
                if buckets is self._of_logins:  # nobody looks at the password: it was no guess, yet the address sent it
                    await self._of_accounts.give_back(username)
                return max(1, math.ceil(lease.refused_until - self._clock()))
        return 0

    async def give_back(self, username: str, address: str) -> None:
        """The attempt was right after all: it was a login, and no guess."""
        await self._of_accounts.give_back(username)
        await self._of_addresses.give_back(subscriber(address))

    async def take_back(self, username: str, address: str) -> None:
        """The attempt came to nothing, for a reason of ours: it was neither a guess nor a login."""
        await self.give_back(username, address)
        await self._of_logins.give_back(username)

    async def redis_state(self) -> str:
        """`up`, `down`, or `off` where none is configured."""
        if self._redis is None:
            return "off"
        try:
            await self._redis.ping()
        except (RedisError, OSError):
            return "down"
        return "up"

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._redis is not None:
            await self._redis.aclose()
