"""How many requests a client may make a second.

Belongs here: the two layers that refuse what is too much, what is told about the limits (`RateLimit-Policy` and `RateLimit`, as
the IETF's draft of structured fields has them), and whose address counts behind proxies. Does not belong here: the buckets.
"""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from math import ceil
from typing import Any, Final

from litestar import Request
from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.types import ASGIApp, Receive, Scope, Send

from serving.addresses import parsed
from serving.identity.buckets import Buckets, Lease, Rate
from serving.identity.limits import subscriber
from serving.problems import http_error
from serving.telemetry import LIMIT_STATE, LIMITED, Metrics

BURST_SECONDS: Final = 2
"""What may come at once, in seconds of the rate."""

ACCOUNTS_PER_ADDRESS: Final = 5
"""So many times as much may come from one address: several people sit behind it."""


def account_rate(per_second: int) -> Rate:
    """What an account may do, its keys included."""
    return Rate(float(per_second), BURST_SECONDS * per_second)


def address_rate(per_second: int) -> Rate:
    """What may come from an address, where an account may make so many requests a second."""
    return account_rate(ACCOUNTS_PER_ADDRESS * per_second)


class _Limit:
    """Takes tokens, tells of them, and says no."""

    def __init__(self, name: str, buckets: Buckets, metrics: Metrics) -> None:
        rate = buckets.rate
        self._name = name.encode()
        self._buckets = buckets
        self._policy = (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (self._name, rate.burst, ceil(rate.burst / rate.per_second)))
        self._refused = metrics.limited.labels(name)

    async def take(self, scope: Scope, subject: str) -> None:
        """Count a request.

        Raises:
            TooManyRequestsException: there were too many.
        """
        is_let_through, lease = await self._buckets.take(subject)
        scope["state"][LIMIT_STATE] = self._headers, lease  # made when the answer begins: the next limit may take their place
        if not is_let_through:
            self._refused.inc()
            seconds = max(1, ceil(lease.refused_until - self._buckets.clock()))
            raise TooManyRequestsException("Too many requests. Send fewer.", headers={"Retry-After": str(seconds)})

    def _headers(self, lease: Lease) -> tuple[tuple[bytes, bytes], ...]:
        now = self._buckets.clock()
        left = b'"%b";r=%d;t=%d' % (self._name, lease.remaining(now), lease.seconds_until_full(now))
        return self._policy, (b"ratelimit", left)


class AddressLimit:
    """The layer around everything: what comes from one address, whoever asks, whatever for, routed or not."""

    def __init__(self, app: ASGIApp, buckets: Buckets, metrics: Metrics) -> None:
        self._app = app
        self._limit = _Limit("address", buckets, metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == ScopeType.HTTP and (client := scope.get("client")):
            try:
                await self._limit.take(scope, subscriber(client[0]))
            except TooManyRequestsException as refusal:
                scope["path_template"] = LIMITED  # where metrics, log and traces look for the route
                request: Request[Any, Any, Any] = Request(scope, receive, send)
                await http_error(request, refusal).to_asgi_response(None, request)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class AccountLimit:
    """The layer behind authentication and before ready answers: what one account asks for, from wherever and by whichever key.

    A key has no bucket of its own: an account would have as many times its rate as it makes keys.
    """

    def __init__(self, app: ASGIApp, buckets: Buckets, metrics: Metrics) -> None:
        self._app = app
        self._limit = _Limit("account", buckets, metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if (bearer := scope.get("user")) is not None:
            await self._limit.take(scope, bearer.subject)
        await self._app(scope, receive, send)


class TrustedProxies:
    """The outermost layer where there are proxies: for all behind it, address and scheme are the client's, as they tell them."""

    def __init__(self, app: ASGIApp, networks: Iterable[str]) -> None:
        self._app = app
        self._networks = [ip_network(each) for each in networks]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == ScopeType.HTTP and (client := scope.get("client")):
            told = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
            schemes = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
            if schemes and self._is_trusted(client[0]):
                # The right-most, too: what our proxy itself says of the connection that it took.
                scheme = schemes[-1].rpartition(b",")[2].strip().lower()
                scope["scheme"] = scheme.decode() if scheme in (b"http", b"https") else scope["scheme"]
            scope["client"] = (self._client(client[0], ",".join(told)), client[1])
        await self._app(scope, receive, send)

    def _client(self, peer: str, told: str) -> str:
        """The right-most address that is none of our proxies': what stands to its left, anybody may have written."""
        found = peer
        for each in reversed(told.split(",")):
            if not self._is_trusted(found):
                break
            try:
                found = str(ip_address(each.strip()))
            except ValueError:
                break
        return found

    def _is_trusted(self, host: str) -> bool:
        address = parsed(host)
        return address is not None and any(address in network for network in self._networks)
