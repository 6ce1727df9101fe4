"""What the service tells about itself: metrics and logs.

Belongs here: the layer around the whole app that counts, times and logs each request, the metrics' names, and the form
of the logs. Logged are method, route, path, status, time and request id; never a body, a query, a header or an address.
"""

import re
import time
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from serving.current import CurrentPublication

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"
"""Route and method labels for what is not ours, so that a scan of made-up addresses cannot fill the memory."""

ABANDONED: Final = 499
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

_log = structlog.get_logger("serving")


class Metrics:
    """The metrics of one app, in a registry of its own."""

    def __init__(self, current: CurrentPublication) -> None:
        self.registry = CollectorRegistry()
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nothing reads
        self.requests = Counter("serving_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "serving_request_seconds", "Time to answer.", ["method", "route"], buckets=BUCKETS, registry=self.registry
        )
        self.in_flight = Gauge("serving_requests_in_flight", "Requests being answered.", registry=self.registry)
        self.logins = Counter("serving_logins", "Logins by outcome.", ["outcome"], registry=self.registry)
        for name, moment, meaning in (
            ("serving_publication_age_seconds", "published_at", "Since the publication being served was made."),
            ("serving_publication_confirmed_age_seconds", "confirmed_at", "Since a run last confirmed the publication."),
        ):
            age = Gauge(name, meaning + " NaN: none is known.", registry=self.registry)
            age.set_function(partial(_age, current, moment))
        predictions = Gauge(
            "serving_publication_predictions", "Predictions in the publication being served.", registry=self.registry
        )
        predictions.set_function(lambda: current.last_known.n_predictions if current.last_known else 0)


class Telemetry:
    """The outermost layer: gives each request an id, then counts, times and logs its answer, routed or not."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        status = ABANDONED

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # Taken here: Litestar changes the path in the scope while it routes.
        method, path = scope["method"], scope["path"]
        request_id = scope["state"]["request_id"] = _request_id(scope)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id), self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, watch)
            finally:
                seconds = time.perf_counter() - started
                route = scope.get("path_template") or UNMATCHED
                verb = method if method in METHODS else UNMATCHED
                self._metrics.requests.labels(verb, route, status).inc()
                self._metrics.seconds.labels(verb, route).observe(seconds)
                _log.info("request", method=verb, route=route, path=path, status=status, milliseconds=round(seconds * 1000, 2))


def log_config() -> dict[str, Any]:
    """Logging for the whole process, granian's and the libraries' lines included: one JSON object a line, to stdout."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without the frames' variables: among them are passwords and tokens.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"handlers": ["stdout"], "level": "INFO"},
        "loggers": {"_granian": {"handlers": ["stdout"], "level": "INFO", "propagate": False}},
    }


def _age(current: CurrentPublication, moment: str) -> float:
    if current.last_known is None:
        return float("nan")
    since: datetime = getattr(current.last_known, moment)
    return (datetime.now(UTC) - since).total_seconds()


def _request_id(scope: Scope) -> str:
    """The caller's `X-Request-Id` where it is harmless, else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
