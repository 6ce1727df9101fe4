"""How often an account may change its keys and sessions, and which publication is pinned.

Belongs here: refusing what is beyond. Does not belong here: the changes. Each is a row of the audit, which stays for ever and
which all who write wait for; so an attempt counts, whatever comes of it. Ids that there is nothing of are looked for no more
often either.
"""

from litestar.exceptions import TooManyRequestsException

from serving.identity.buckets import Buckets
from serving.identity.roles import Principal
from serving.refusals import refused_by


class Changes:
    """Counts those of each account: by whichever worker, and whosever key or session it is, or if it is the pin."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    async def count(self, by: Principal) -> None:
        """Count one.

        Raises:
            TooManyRequestsException: there were too many.
        """
        if not (await self._buckets.take(by.subject))[0]:
            refused_by("changes")
            detail = "You changed keys, sessions or the pin too often. Try again soon."
            raise TooManyRequestsException(detail, headers={"Retry-After": "1"})
