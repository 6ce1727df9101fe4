"""The metrics, for Prometheus."""

from contextlib import suppress

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.store.database import StoreUnavailable
from serving.telemetry import Metrics


@get("/metrics", opt=allow(Permission.PUBLIC), include_in_schema=False)
async def expose(metrics: NamedDependency[Metrics], current: NamedDependency[CurrentPublication]) -> Response[bytes]:
    """All metrics as text. They name no account; a proxy to the outside should not pass this path on."""
    # Asked so that the ages are right on a service that nobody uses; without an answer the ages of what was known last go
    # on growing, which is what an alert needs.
    with suppress(StoreUnavailable):
        await current.get()
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
