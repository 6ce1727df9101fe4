"""Answers that are ready: given where they lie, behind everything that every request passes.

Belongs here: the layer that finds an answer made before, and making those that most will ask for. Does not belong here: who may
ask (the layers before and the handler's own guards), making any other answer (the handlers).
"""

import time
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from litestar.types import ASGIApp, Receive, Scope, Send

from serving.answers import Answer, prefers_csv
from serving.current import CurrentPublication
from serving.headers import header
from serving.held import HeldPublication, Key
from serving.settings import Settings
from serving.telemetry import Metrics

FROM_MEMORY: Final = {"is_ready_perhaps": True}
"""Option of a handler whose answers depend on address, query, `Accept` and the publication alone: never on who asks."""


def key_of(scope: Scope) -> Key:
    """What the answer to this request depends on, as it was written."""
    return Key(scope["path"], scope["query_string"], prefers_csv(header(scope, b"accept")))


def made_once(
    scope: Scope, held: HeldPublication, meant: Key, now: datetime, make: Callable[[], Answer], until: float = float("inf")
) -> Answer:
    """The answer to this request, ready from now on for the next who asks the same, however written.

    `meant` is what the handler understood, written as it would write it: kept under the request's own words, an answer would lie
    there under as many addresses as somebody can make up, and drive out those that others ask for. Other words are learnt, but
    for those in which the query names what the handler has not, or a name twice: they can only be a mistake, or made up. Who asks
    in the handler's words, or in some that were learnt, never comes as far as here.
    """
    answer = held.answers.get(meant, now.timestamp())
    if answer is None:
        answer = make()
        held.answers.keep(meant, answer, until)
    written = key_of(scope)
    # What takes CSV alone must not be given JSON that is ready for who would rather have had CSV.
    if written != meant and written.is_csv == meant.is_csv and _is_declared(scope):
        held.answers.learn(written, meant)
    return answer


def _is_declared(scope: Scope) -> bool:
    names = [part.partition(b"=")[0] for part in scope["query_string"].split(b"&")] if scope["query_string"] else []
    return _declared(scope["route_handler"]).issuperset(names) and len(set(names)) == len(names)


@cache
def _declared(handler: BaseRouteHandler) -> frozenset[bytes]:
    """The names of a handler's parameters in the query, as they are written there."""
    parameters = handler.parsed_fn_signature.parameters.items()
    asked = ((name, field.kwarg_definition) for name, field in parameters)
    return frozenset((kind.name or name).encode() for name, kind in asked if isinstance(kind, QueryParameter))


class ReadyAnswers:
    """Gives the answer that was made before to a bearer whom the handler's guards let pass; else the handler answers."""

    def __init__(self, app: ASGIApp, current: CurrentPublication, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._current = current
        self._fixed_moment = settings.data_cutoff
        self._hit, self._miss = metrics.looked_up("answer")
        self._encoded, self._not_encoded = metrics.looked_up("encoding")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        handler: Any = scope["route_handler"]
        if scope["type"] != ScopeType.HTTP or "is_ready_perhaps" not in handler.opt:
            await self._app(scope, receive, send)
            return
        held = self._current.held
        now = time.time() if self._fixed_moment is None else self._fixed_moment.timestamp()
        answer = held.answers.get(key_of(scope), now) if held is not None else None
        if answer is None:
            self._miss.inc()
            await self._app(scope, receive, send)
            return
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        for guard in handler.resolve_guards():
            await guard(connection, handler)
        self._hit.inc()
        n_before = answer.n_encodings
        status, headers, body = answer.sent(scope["headers"])
        (self._encoded if answer.n_encodings == n_before else self._not_encoded).inc()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def seconds(moment: datetime | None) -> float:
    """A moment as the seconds until which an answer is right; None: for as long as the publication is served."""
    return float("inf") if moment is None else moment.timestamp()
