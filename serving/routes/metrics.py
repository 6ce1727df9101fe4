"""The metrics, for Prometheus."""

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST

from serving.identity.roles import Permission, allow
from serving.telemetry import Metrics


@get("/metrics", opt=allow(Permission.PUBLIC), include_in_schema=False)
async def expose(metrics: NamedDependency[Metrics]) -> Response[bytes]:
    """All metrics as text. They name no account; a proxy to the outside should not pass this path on."""
    return Response(await metrics.text(), media_type=CONTENT_TYPE_LATEST)
