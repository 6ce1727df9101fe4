"""The application, put together.

Belongs here: which parts there are and how they are joined. Does not belong here: what any of them does.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, ExternalDocumentation, SecurityScheme
from litestar.types import ASGIApp

from serving.access_log import AccessLog
from serving.announcements import Announcements
from serving.answers import HeadAsGet
from serving.common_reads import CommonReads
from serving.current import CurrentPublication
from serving.earlier import Earlier
from serving.ending import close, end
from serving.examples import Document
from serving.headers import AnyHostRequest
from serving.identity import limits
from serving.identity.bearers import BearerAuthentication
from serving.identity.buckets import Buckets
from serving.identity.changes import Changes
from serving.identity.credentials import Credentials
from serving.identity.login import PasswordLogin
from serving.identity.lookups import MADE_UP, Lookups
from serving.identity.passwords import PasswordChecker
from serving.identity.roles import Permission, allow, authorise, require_declarations
from serving.identity.sessions import SessionKeeper
from serving.identity.tokens import Tokens
from serving.identity.turns import Turns
from serving.pages import site
from serving.pages.fixtures import fixtures_page
from serving.pages.league import league_page, leagues_page
from serving.pages.login import ONCE, login_form, sign_in, sign_in_once, sign_out
from serving.pages.match import match_page
from serving.pages.record import record_page
from serving.pages.reference import ReferencePage, no_such_page
from serving.pages.status import status_page
from serving.problems import EXCEPTION_HANDLERS
from serving.rate_limits import AccountLimit, AddressLimit, TrustedProxies, account_rate, address_rate
from serving.ready import ReadyAnswers
from serving.redis_clients import clients
from serving.routes.audit import list_audit
from serving.routes.auth import change_password, create_token, log_out, refresh_token
from serving.routes.competitions import get_competition, list_competitions
from serving.routes.forms import refuse_tables_of_none
from serving.routes.health import live, ready
from serving.routes.keys import create_key, list_keys, revoke_key
from serving.routes.lineage import get_lineage
from serving.routes.matches import get_history, get_match, get_team, list_matches, list_teams
from serving.routes.metrics import expose
from serving.routes.models import get_evidence, list_models
from serving.routes.predictions import get_prediction, list_predictions, prepare
from serving.routes.publication import get_checks, get_manifest, get_publication
from serving.routes.publications import get_numbered_publication, list_publications, pin_publication, release_publication
from serving.routes.record import get_calibration, get_distance, get_record, get_verification, list_settled
from serving.routes.seasons import get_season
from serving.routes.sessions import end_session, list_sessions
from serving.routes.status import get_status
from serving.routes.users import (
    change_user,
    create_user,
    end_session_of_user,
    get_user,
    list_keys_of_user,
    list_sessions_of_user,
    list_users,
    revoke_key_of_user,
)
from serving.settings import Settings, shared_dir
from serving.shared import SharedReads
from serving.standing import Standing
from serving.store.accounts import Accounts
from serving.store.audit import Audit
from serving.store.database import Database
from serving.store.endings import Endings
from serving.store.keys import Keys
from serving.store.lineage import Lineages
from serving.store.matches import Matches
from serving.store.models import Models
from serving.store.pins import Pins
from serving.store.publications import Publications
from serving.store.record import Record
from serving.store.seasons import Seasons
from serving.store.sessions import Sessions
from serving.telemetry import Metrics, Telemetry
from serving.unknown import Unknown

if TYPE_CHECKING:
    from serving.tracing import Traces

MAXIMUM_BODY_BYTES = 16 * 1024
PREDICTIONS_PATH = "/v1/predictions"


def create_app(settings: Settings) -> Litestar:
    """The service for these settings. Connections are opened when first used and closed at shutdown.

    Raises:
        ImproperlyConfiguredException: the token secret is too short, or a handler declares no permission.
    """
    # What is asked for ever, of endings and publications, waits for none of those who wait for a connection or a lock.
    database, watch = Database(settings.database_url), Database(settings.database_url, pool_size=2)
    accounts = Accounts(database)
    current = CurrentPublication(
        Publications(watch), settings.is_simulated, prepare=lambda held: prepare(held, PREDICTIONS_PATH, settings.now())
    )
    unknown, pins, audit = Unknown(current), Pins(database), Audit(database)
    standing = Standing(Record(database), pins, audit, settings.audit_head)
    metrics = Metrics(current, standing)
    database.tell = watch.tell = metrics.connections
    access_log = AccessLog()
    guard, counter, listener, cache = clients(settings.redis_url, 4)
    # Whatever everybody may read and the publication in memory does not tell; nothing of accounts, and no pin. What is asked for
    # one by one, or with free filters, has a weight of its own.
    looked_up = metrics.looked_up("shared")
    reads, lists = (SharedReads(database, cache, settings.edition, current, looked_up, kind) for kind in ("common", "lists"))
    current.earlier = Publications(lists)
    record, seasons, models = Record(reads, lists, reads.asked_first), Seasons(reads), Models(reads)
    lineages = Lineages(lists, common=reads)
    logins = limits.LoginLimit(guard, settings.edition)
    refreshes = Buckets(guard, f"{settings.edition}:refresh", limits.OF_REFRESHES)
    of_addresses = Buckets(counter, f"{settings.edition}:address", address_rate(settings.rate_per_second))
    of_accounts = Buckets(counter, f"{settings.edition}:account", account_rate(settings.rate_per_second))
    announcements = Announcements(listener, settings.edition)
    tokens, sessions, keys = Tokens.from_file(settings.jwt_secret_file, settings.edition), Sessions(database), Keys(database)
    lookups = Lookups(Buckets(None, "lookups", MADE_UP))
    credentials = Credentials(tokens, sessions, keys, Endings(watch), lookups)
    traces = _traces(settings)
    if traces is not None:
        traces.of(database, guard, counter, cache)
    # One core is left to readers, however many guess passwords at however many workers.
    at_once = max(1, (os.cpu_count() or 1) - 1)
    passwords = PasswordChecker(at_once, turns=Turns(Path(folder), at_once) if (folder := shared_dir()) else None)

    @asynccontextmanager
    async def connections(_: Litestar) -> AsyncIterator[None]:
        access_log.open()
        await credentials.hear()  # before anyone is let in, where the database answers: what was taken back stays so
        for_ever = (announcements.listen(), current.follow(announcements.wait), credentials.follow(), standing.follow())
        following = [asyncio.create_task(each) for each in (*for_ever, metrics.follow())]
        if cache is not None:
            following.append(asyncio.create_task(CommonReads(current, seasons, record, models, lineages).follow()))
        yield
        await end(following)
        metrics.hand_over()
        await asyncio.gather(reads.close(), lists.close())
        of_redis = (redis.aclose for redis in (counter, listener, cache) if redis is not None)
        await close(credentials.close, database.close, watch.close, logins.close, *of_redis)
        if traces is not None:
            await asyncio.to_thread(traces.close)
        access_log.close()

    provided = {
        "settings": settings,
        "publications": current.earlier,
        "matches": Matches(lists),
        "seasons": seasons,
        "record": record,
        "models": models,
        "lineages": lineages,
        "pins": pins,
        "audit": audit,
        "current": current,
        "standing": standing,
        "unknown": unknown,
        "earlier": Earlier(current.earlier, current, unknown),
        "metrics": metrics,
        "logins": logins,
        "password_login": PasswordLogin(accounts, passwords, logins, metrics),
        "accounts": accounts,
        "passwords": passwords,
        "sessions": sessions,
        "keys": keys,
        "credentials": credentials,
        "changes": Changes(Buckets(guard, f"{settings.edition}:change", limits.OF_CHANGES)),
        "keeper": SessionKeeper(tokens, sessions, refreshes, lookups),
    }
    app = Litestar(
        route_handlers=[
            Router(
                "/v1",
                before_request=refuse_tables_of_none,
                route_handlers=[
                    create_token,
                    refresh_token,
                    log_out,
                    change_password,
                    list_sessions,
                    end_session,
                    list_keys,
                    create_key,
                    revoke_key,
                    list_users,
                    create_user,
                    get_user,
                    change_user,
                    list_sessions_of_user,
                    end_session_of_user,
                    list_keys_of_user,
                    revoke_key_of_user,
                    list_competitions,
                    get_competition,
                    list_predictions,
                    get_prediction,
                    get_publication,
                    get_checks,
                    get_manifest,
                    get_status,
                    list_teams,
                    get_team,
                    list_matches,
                    get_match,
                    get_history,
                    get_season,
                    get_record,
                    get_calibration,
                    get_distance,
                    list_settled,
                    get_verification,
                    list_models,
                    get_evidence,
                    get_lineage,
                    list_publications,
                    get_numbered_publication,
                    pin_publication,
                    release_publication,
                    list_audit,
                ],
            ),
            live,
            ready,
            expose,
            site.static_file,
            fixtures_page,
            match_page,
            record_page,
            leagues_page,
            league_page,
            status_page,
            login_form,
            sign_in,
            sign_in_once,
            sign_out,
        ],
        template_config=site.templates(),
        dependencies={name: _provide(part) for name, part in provided.items()},
        state=State({"current": current, "standing": standing}),
        lifespan=[connections],
        middleware=[
            DefineMiddleware(BearerAuthentication, credentials=credentials),
            DefineMiddleware(AccountLimit, buckets=of_accounts, metrics=metrics),
            # The innermost: whatever is put before a handler is before its ready answers too.
            DefineMiddleware(ReadyAnswers, current=current, settings=settings, metrics=metrics),
        ],
        guards=[authorise],
        request_class=AnyHostRequest,
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=MAXIMUM_BODY_BYTES,
        openapi_config=_openapi(settings),
        logging_config=None,
    )
    require_declarations(app.routes)
    # Around everything, so that requests which no route matches are counted and logged as well.
    limited = AddressLimit(HeadAsGet(app.asgi_handler, but_not_at={ONCE}), of_addresses, metrics)
    app.asgi_handler = _outermost(Telemetry(limited, metrics, current, access_log), settings, traces)
    return app


def _outermost(app: ASGIApp, settings: Settings, traces: "Traces | None") -> ASGIApp:
    """The layers that are there only where they are wanted."""
    if traces is not None:
        from serving.tracing import Traced

        app = Traced(app, traces)
    return TrustedProxies(app, settings.trusted_proxies) if settings.trusted_proxies else app


def _traces(settings: Settings) -> "Traces | None":
    if not settings.otlp_endpoint:
        return None
    from serving.tracing import Traces  # OpenTelemetry is loaded by whom it serves alone

    return Traces(settings.otlp_endpoint, settings.edition)


def _provide(part: Any) -> Provide:
    return Provide(lambda: part, sync_to_thread=False)


_BEARER = SecurityScheme(
    type="http",
    scheme="bearer",
    bearer_format="JWT, or API key",
    description="An access token (from `/v1/auth/token` or `/v1/auth/refresh`), or an API key: `fb_…`, from `/v1/keys`.",
)


def _openapi(settings: Settings) -> OpenAPIConfig:
    simulated = " **The matches of this edition are simulated.**" if settings.is_simulated else ""
    return OpenAPIConfig(
        title="Football predictions",
        version="1",
        description="Probabilities for coming football matches. Moments are in UTC; probabilities sum to exactly 1; errors are "
        "problem details (RFC 9457). `RateLimit` tells how many requests may follow at once; after 429, wait for `Retry-After`. "
        "Answers are `application/json`, lists by `Accept` also `text/csv`, which alone is answered by 406 where there is none. "
        "Log in at `/v1/auth/token` and send `Authorization: Bearer …` with the access token, or with an API key (`fb_…`) "
        "made at `/v1/keys`. Each operation names as `x-permission` what it asks for: viewers have `own` and `read`, analysts "
        "`analyse` too, operators also `operate`, admins also `administer`. "
        "Within `/v1` fields and operations are only added: read past what you do not know. What is to go is marked `deprecated` "
        "here and answered with the headers `Deprecation` and `Sunset` for at least six months before." + simulated,
        components=Components(security_schemes={"bearer": _BEARER}),
        external_docs=ExternalDocumentation(url=settings.docs_url) if settings.docs_url else None,
        render_plugins=[ReferencePage(), Document()],
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            include_in_schema=False,
            opt=allow(Permission.PUBLIC),
            after_request=no_such_page,
        ),
    )
