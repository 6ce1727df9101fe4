"""Traces of requests, for whoever collects them: what of an answer's time went to Redis and what to PostgreSQL.

Off, and not even imported, unless `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector (redis-py loads OpenTelemetry for itself, and
does nothing with it): then no layer is in a request's way. Belongs here: everything that knows OpenTelemetry. Spans hold routes,
statements without their values and names of commands: no address, no token, no query string.
"""

from typing import TYPE_CHECKING, Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from serving.telemetry import METHODS, UNMATCHED

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from serving.store.database import Database

SEND_SECONDS = 5
"""How long a collector may take to accept spans; what it does not accept is dropped."""


class RequestsOnly(Sampler):
    """What is asked behind the requests' back, every half second, is no trace of its own."""

    def should_sample(
        self, parent_context: Any, trace_id: int, name: str, kind: Any = None, *rest: Any, **more: Any
    ) -> SamplingResult:
        """Begin a trace at a request alone."""
        return SamplingResult(Decision.RECORD_AND_SAMPLE if kind is SpanKind.SERVER else Decision.DROP)

    def get_description(self) -> str:
        """For the record."""
        return "RequestsOnly"


class Traces:
    """Where spans go, and what makes them: `close` sends what is left."""

    def __init__(self, endpoint: str, edition: str) -> None:
        resource = Resource.create({"service.name": "football-api", "deployment.environment.name": edition})
        self.provider = TracerProvider(resource=resource, sampler=ParentBased(RequestsOnly()))
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_SECONDS)
        self.provider.add_span_processor(BatchSpanProcessor(exporter))

    def of(self, database: "Database", *clients: "Redis | None") -> None:
        """Let each statement and each command be a span of the request that wanted it."""
        # It says that it knows SQLAlchemy below 2.1; it listens to events that 2.1 has, too, which a test sees.
        SQLAlchemyInstrumentor().instrument(skip_dep_check=True, engine=database.engine, tracer_provider=self.provider)
        for client in filter(None, clients):
            RedisInstrumentor.instrument_client(client, tracer_provider=self.provider)

    def close(self) -> None:
        """Send what is left, within `SEND_SECONDS`."""
        self.provider.shutdown()


class Traced:
    """The layer that makes a span of each request: a child of the caller's, if `traceparent` names one."""

    def __init__(self, app: ASGIApp, traces: Traces) -> None:
        self._app = app
        self._tracer = traces.provider.get_tracer("football")
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        carrier = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name.startswith(b"trace")
        }
        method = scope["method"] if scope["method"] in METHODS else UNMATCHED
        attributes = {"http.request.method": method}
        with self._tracer.start_as_current_span(
            method, self._propagator.extract(carrier), SpanKind.SERVER, attributes, record_exception=False
        ) as span:

            async def watch(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            await self._app(scope, receive, watch)
            route = scope.get("path_template") or UNMATCHED
            span.set_attribute("http.route", route)
            span.update_name(f"{method} {route}")
