"""Word of a new publication to whoever serves it, by Redis.

Belongs here: saying the number, once, without waiting long. The service looks into the database every second anyway: nothing is
lost where nobody can be told. Does not belong here: publishing.
"""

from typing import Final

PATIENCE_SECONDS: Final = 0.5


def channel(edition: str) -> str:
    """Where the service of an edition listens."""
    return f"football:{edition}:publication"


def announce(redis_url: str, edition: str, publication_id: int) -> bool:
    """Say that there is a new publication; False where Redis does not answer, or none is named. Never fails."""
    if not redis_url:
        return False
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry

    try:
        with Redis.from_url(
            redis_url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS, retry=Retry(NoBackoff(), 0)
        ) as client:
            client.publish(channel(edition), publication_id)
    except (RedisError, OSError, ValueError):  # the last: an address that is none
        return False
    return True
