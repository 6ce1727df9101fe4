"""What the service tells about itself: metrics and logs.

Belongs here: the layer around the whole app that names, counts, times and logs each request and puts the common headers on its
answer, the metrics' names, and the form of the logs.
"""

import asyncio
import itertools
import os
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from structlog.typing import EventDict

from serving.access_log import AccessLog, Line, masked
from serving.answers import SECURITY_HEADERS, Complete
from serving.current import CurrentPublication
from serving.headers import header
from serving.identity.opaque import without_secrets
from serving.refusals import REFUSED_BY, answering
from serving.settings import shared_dir
from serving.standing import Standing
from serving.tally import Tally

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"
"""Route and method labels for what is not ours, so that a scan of made-up addresses cannot fill the memory."""

LIMITED: Final = "limited"
"""Route label of what was refused for its address: nobody looked which route it was for: in a flood, each time."""

ABANDONED: Final = 499
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)
ANONYMOUS: Final = "anonymous"
TOLD_SECONDS: Final = 1.0
"""For how long the text of the metrics is told again: anybody may ask for it, and it takes tens of milliseconds to make."""

HANDED_OVER_SECONDS: Final = 0.5

LIMIT_STATE: Final = "limit"
"""Where in a request's state lies what makes the headers about the limit it was counted against, and of what."""

# A request's id need not be secret, only new: half says which process, half which of its requests.
_numbers = itertools.count(1)
_PROCESS = secrets.token_hex(8)


def _begin_process() -> None:
    global _PROCESS, _numbers
    _PROCESS, _numbers = secrets.token_hex(8), itertools.count(1)


os.register_at_fork(after_in_child=_begin_process)

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_COMMON_HEADERS: Final = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


class Metrics:
    """The metrics of one app, in a registry of its own; of all workers where they share a folder."""

    def __init__(self, current: CurrentPublication, standing: Standing) -> None:
        self._current = current
        self._standing = standing
        self.registry = CollectorRegistry()
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nothing reads
        labels = ["method", "route", "status", "role"]
        self._requests = Counter(
            "serving_requests",
            f"Requests answered. The route is a template, `{UNMATCHED}` where there is none, `{LIMITED}` where the address had "
            "sent too many for anybody to look.",
            labels,
            registry=self.registry,
        )
        self._seconds = Histogram(
            "serving_request_seconds",
            "Time to answer, by the status' first digit (2xx …).",
            labels,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._lookups = Counter(
            "serving_cache_lookups", "Looks into a cache, by layer and outcome.", ["layer", "outcome"], registry=self.registry
        )
        in_flight = Gauge(
            "serving_requests_in_flight", "Requests being answered.", registry=self.registry, multiprocess_mode="livesum"
        )
        self._connections = Gauge(
            "serving_database_connections",
            "Connections to the database that are in use, and requests that wait for one.",
            ["state"],
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.logins = Counter(
            "serving_logins",
            "Logins by outcome: `accepted`, `refused` (name or password wrong), `limited` (too many of the account or address), "
            "`busy` (too many passwords were being checked).",
            ["outcome"],
            registry=self.registry,
        )
        self.limited = Counter(
            "serving_limited",
            "Requests refused by a limit: `address` and `account` (requests of any kind), `changes` (of keys, sessions, "
            "the pin), `refreshes` (of an account's sessions), `lookups` (credentials that are nobody's), `unknown` (ids "
            "of nothing), `busy` (passwords to check). Logins beyond theirs are counted as `limited` by `serving_logins`.",
            ["limit"],
            registry=self.registry,
        )
        for state in ("in_use", "waiting"):
            self._connections.labels(state)
        # Looking children up by their labels costs more than counting: those of a kind of request are found at once.
        self._of_kind: dict[tuple[str, str, int, str], tuple[Tally, Histogram]] = {}
        self._tallies: list[Tally] = []
        self.in_flight = self._tally(in_flight.inc)
        self._told: asyncio.Task[bytes] | None = None
        self._told_at = 0.0

    def looked_up(self, layer: str) -> tuple[Tally, Tally]:
        """The counters of what a layer of cache had and had not."""
        return self._tally(self._lookups.labels(layer, "hit").inc), self._tally(self._lookups.labels(layer, "miss").inc)

    def connections(self, state: str, change: int) -> None:
        """So many more connections to the database are `in_use`, or so many more requests `waiting` for one."""
        self._connections.labels(state).inc(change)

    def answered(self, method: str, route: str, status: int, role: str, seconds: float) -> None:
        """Count and time one answer. The arguments are of bounded number: see `UNMATCHED`."""
        kind = (method, route, status, role)
        found = self._of_kind.get(kind)
        if found is None:
            seconds_of = self._seconds.labels(method, route, f"{status // 100}xx", role)
            found = self._of_kind[kind] = (self._tally(self._requests.labels(*kind).inc), seconds_of)
        found[0].inc()
        found[1].observe(seconds)

    def _tally(self, give: Callable[[float], None]) -> Tally:
        self._tallies.append(Tally(give))
        return self._tallies[-1]

    async def follow(self) -> None:
        """Hand over what was counted, again and again, for ever: other workers tell of it, too."""
        while True:
            await asyncio.sleep(HANDED_OVER_SECONDS)
            self.hand_over()

    def hand_over(self) -> None:
        """Add what was counted to the metrics."""
        for tally in self._tallies:
            tally.hand_over()

    async def text(self) -> bytes:
        """All metrics in Prometheus' format: counts of all workers, ages as this one knows them, `TOLD_SECONDS` old at most; what
        others count comes up to `HANDED_OVER_SECONDS` later."""
        now = time.monotonic()
        if self._told is None or (self._told.done() and now - self._told_at >= TOLD_SECONDS):
            self.hand_over()
            self._told, self._told_at = asyncio.create_task(asyncio.to_thread(self._tell)), now
        return await asyncio.shield(self._told)  # a client that goes away must not take the others' answer with it

    def _tell(self) -> bytes:
        registry = self.registry
        if shared_dir():
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        now = _Moment(self._current, self._standing)
        return generate_latest(registry) + generate_latest(_HitRatios(registry)) + generate_latest(now)


class _HitRatios:
    """How much of what is looked for each layer of cache has, since the start: reckoned from what all workers counted."""

    def __init__(self, counted: CollectorRegistry) -> None:
        self._counted = counted

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauge."""
        ratios = GaugeMetricFamily("serving_cache_hit_ratio", "Hits among the looks into a cache.", labels=["layer"])
        hits: dict[str, float] = defaultdict(float)
        looks: dict[str, float] = defaultdict(float)
        for family in self._counted.collect():
            for sample in family.samples if family.name == "serving_cache_lookups" else ():
                if sample.name.endswith("_total"):
                    looks[sample.labels["layer"]] += sample.value
                    hits[sample.labels["layer"]] += sample.value * (sample.labels["outcome"] == "hit")
        for layer, n in looks.items():
            ratios.add_metric([layer], hits[layer] / n if n else float("nan"))
        yield ratios


class _Moment:
    """Gauges of what is being served and of what stands, reckoned when they are asked for."""

    def __init__(self, current: CurrentPublication, standing: Standing) -> None:
        self._current = current
        self._standing = standing

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges."""
        yield from self._served()
        yield from self._standing_now()

    def _served(self) -> Iterator[GaugeMetricFamily]:
        known, now = self._current.last_known, datetime.now(UTC)
        for name, moment, meaning in (
            ("serving_publication_age_seconds", "published_at", "Since the publication being served was made."),
            ("serving_publication_confirmed_age_seconds", "confirmed_at", "Since a run last confirmed it."),
        ):
            age = (now - getattr(known, moment)).total_seconds() if known else float("nan")
            yield GaugeMetricFamily(name, meaning + " NaN: none is known.", value=age)
        n = known.n_predictions if known else 0
        yield GaugeMetricFamily("serving_publication_predictions", "Predictions in the publication being served.", value=n)
        up = float(self._current.database_answers)
        yield GaugeMetricFamily("serving_database_up", "Whether the database answered when last asked.", value=up)

    def _standing_now(self) -> Iterator[GaugeMetricFamily]:
        standing, now = self._standing, datetime.now(UTC)
        pinned = float(standing.pin is not None)
        yield GaugeMetricFamily("serving_publication_pinned", "Whether an operator has a publication served.", value=pinned)
        for name, what, verified in (("ledger", "predictions", standing.ledger), ("audit", "rows", standing.audit)):
            age = (now - verified.at).total_seconds() if verified else float("nan")
            is_intact = float(verified.is_intact) if verified else float("nan")
            meaning = f"Since the {name} was verified. NaN: it never was."
            yield GaugeMetricFamily(f"serving_{name}_verified_age_seconds", meaning, value=age)
            meaning = f"Whether every link of the {name} held. NaN: it was never verified."
            yield GaugeMetricFamily(f"serving_{name}_intact", meaning, value=is_intact)
            n = verified.n if verified else 0
            yield GaugeMetricFamily(f"serving_{name}_{what}", f"How many {what} of the {name} were verified.", value=n)
        is_known = float("nan") if standing.is_audits_end_known is None else float(standing.is_audits_end_known)
        meaning = "Whether a head kept outside the database told where the audit ended. NaN: it was never verified."
        yield GaugeMetricFamily("serving_audit_end_known", meaning, value=is_known)
        age = (now - standing.backup_taken_at).total_seconds() if standing.backup_taken_at else float("nan")
        meaning = "Since the newest verified backup was taken. NaN: there is none."
        yield GaugeMetricFamily("serving_backup_age_seconds", meaning, value=age)
        loss = GaugeMetricFamily("serving_record_log_loss", "Mean of the forecasts that count.", labels=["information_set"])
        for row in standing.scores:
            loss.add_metric([row.information_set], row.log_loss)
        yield loss


def forget_dead_workers() -> None:
    """Workers that died leave what they were doing in the shared folder: take it out."""
    if not (folder := shared_dir()):
        return
    for number in {path.stem.rpartition("_")[2] for path in Path(folder).glob("gauge_live*_*.db")}:
        with suppress(PermissionError):
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                mark_process_dead(int(number), folder)  # type: ignore[no-untyped-call]


class Telemetry:
    """The outermost layer: gives each request an id, then counts, times and logs its answer, routed or not."""

    def __init__(self, app: ASGIApp, metrics: Metrics, current: CurrentPublication, log: AccessLog) -> None:
        self._app = app
        self._metrics = metrics
        self._current = current
        self._log = log

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
                message["headers"] = self._stamped(message.get("headers", ()), request_id, scope["state"].get(LIMIT_STATE))
            await send(message)

        # Taken here: Litestar changes the path in the scope while it routes.
        method, path = scope["method"], scope["path"]
        request_id = scope["state"]["request_id"] = _request_id(scope)
        state = scope["state"]
        begun = answering.set(state)  # what is logged meanwhile names it; structlog's own way costs six times as much
        self._metrics.in_flight.inc()
        started = time.perf_counter()
        try:
            await self._app(scope, receive, watch)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.in_flight.inc(-1)
            answering.reset(begun)
            if (limit := state.get(REFUSED_BY)) is not None:
                self._metrics.limited.labels(limit).inc()
            route = scope.get("path_template") or UNMATCHED
            verb = method if method in METHODS else UNMATCHED
            user = scope.get("user")
            role = str(user.role) if user is not None else ANONYMOUS
            self._metrics.answered(verb, route, status, role, seconds)
            client = scope.get("client")
            address = masked(client[0]) if client else ""
            milliseconds = round(seconds * 1000, 2)
            told = without_secrets(path)  # whoever revokes a key may send the whole of it
            self._log.add(Line(datetime.now(UTC), verb, route, told, status, milliseconds, role, address, request_id))

    def _stamped(self, headers: Any, request_id: str, limit: Any) -> list[tuple[bytes, bytes]]:
        """The headers with the common ones that are not among them."""
        stamped = list(headers)
        if not isinstance(headers, Complete):
            given = {name for name, _ in headers}
            stamped.extend(each for each in _COMMON_HEADERS if each[0] not in given)
        stamped.append((b"x-request-id", request_id.encode()))
        if limit is not None:
            told, lease = limit
            stamped.extend(told(lease))
        if self._current.is_simulated:
            stamped.append((b"is-simulated", b"true"))
        return stamped


def log_config() -> dict[str, Any]:
    """Logging for the whole process, granian's and the libraries' lines included: one JSON object a line, to stdout."""
    shared: list[Any] = [
        _with_request_id,
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


def _with_request_id(_: Any, __: str, event: EventDict) -> EventDict:
    if (state := answering.get(None)) is not None:
        event["request_id"] = state["request_id"]
    return event


def _request_id(scope: Scope) -> str:
    """The caller's `X-Request-Id` where it is harmless, else a new one."""
    given = header(scope, b"x-request-id")
    return given.decode() if given and _REQUEST_ID.fullmatch(given) else f"{_PROCESS}{next(_numbers):016x}"
