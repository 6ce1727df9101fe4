"""The predictions: a list in pages, and one by its id.

A cursor stays in the publication it began in, and a page begins behind the row at which the page before ended, so that
walking the pages shows every row once, whatever is published or kicks off meanwhile.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, NotFoundException, ValidationException
from litestar.params import PathParameter, QueryParameter
from msgspec import DecodeError, Meta, Struct, json

from serving.answers import CSV, JSON, cacheable, to_csv, to_json, wants_csv
from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.problems import NoPublication
from serving.routes.documented import BEARER, NOT_MODIFIED, problems
from serving.schemas import Prediction, PredictionDetail, PredictionPage
from serving.settings import Settings
from serving.store.publications import Filters, Publications

MAXIMUM_LIMIT: Final = 200
TEXT: Final = r"^[^\x00-\x1f]+$"  # PostgreSQL's text knows no NUL

Identifier = Annotated[str, Meta(max_length=100, pattern=TEXT)]
Instant = Annotated[datetime, Meta(tz=True)]


class Cursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where the next page begins."""

    publication_id: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    query: Annotated[str, Meta(max_length=32)]
    kickoff_at: Instant
    prediction_id: Identifier

    def encode(self) -> str:
        """The cursor as clients see it."""
        return urlsafe_b64encode(json.encode(self)).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Read a cursor from a client.

        Raises:
            ValidationException: it is not one of ours.
        """
        try:
            return json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=cls)
        except (DecodeError, ValueError):
            raise ValidationException("This cursor is not one that the service gave out.") from None


@get(
    "/predictions",
    opt=allow(Permission.READ),
    security=BEARER,
    tags=["predictions"],
    summary="List predictions",
    description="The coming matches of the publication being served, by kick-off. `Accept: text/csv` gives CSV; the header "
    "`Link` then leads to the next page. `If-None-Match` with a known `ETag` is answered by 304.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 410, 422, 503),
)
async def list_predictions(
    *,
    request: Request[Any, Any, Any],
    settings: NamedDependency[Settings],
    publications: NamedDependency[Publications],
    current: NamedDependency[CurrentPublication],
    competition: Annotated[
        str | None, QueryParameter(max_length=100, pattern=TEXT, description="A competition's id, e.g. E0.")
    ] = None,
    since: Annotated[
        str | None,
        QueryParameter(name="from", max_length=40, description="First kick-off: a day (UTC) or an instant. Default: now."),
    ] = None,
    until: Annotated[
        str | None,
        QueryParameter(name="to", max_length=40, description="Last kick-off: a day (UTC), inclusive, or an instant, exclusive."),
    ] = None,
    team: Annotated[
        str | None, QueryParameter(max_length=100, pattern=TEXT, description="A team's id, or its name in any case.")
    ] = None,
    information_set: Annotated[
        str | None,
        QueryParameter(
            max_length=100,
            pattern=TEXT,
            description="`results`, `history` or `market`: what the forecast was allowed to know. Default: of each match the "
            "best informed forecast.",
        ),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAXIMUM_LIMIT, description="At most so many predictions.")] = 50,
    cursor: Annotated[
        str | None, QueryParameter(max_length=600, description="`next_cursor` of the page before, with the same filters.")
    ] = None,
) -> Response[PredictionPage]:
    """Answer with one page of predictions."""
    query = _digest(competition, since, until, team, information_set)
    if cursor is None:
        publication, after = await current.get(), None
        if publication is None:
            raise NoPublication
        first = settings.now() if since is None else _moment("from", since)
    else:
        position = Cursor.decode(cursor)
        if position.query != query:
            raise ValidationException("This cursor belongs to another query: send the filters it was given for.")
        publication, after = await current.numbered(position.publication_id), (position.kickoff_at, position.prediction_id)
        if publication is None:
            raise HTTPException("The publication that this cursor walks is no longer kept. Begin again.", status_code=410)
        first = position.kickoff_at
    last = None if until is None else _moment("to", until, whole_day=True)
    if cursor is None and since is not None and last is not None and last <= first:
        raise HTTPException("`to` has to be later than `from`.", status_code=422)

    filters = Filters(since=first, until=last, competition=competition, team=team, information_set=information_set)
    found = await publications.predictions(publication, filters, after, limit + 1)
    shown = found[:limit]
    headers: dict[str, str] = {}
    next_cursor = None
    if len(found) > limit:
        end = shown[-1]
        next_cursor = Cursor(publication.publication_id, query, end.kickoff_at, end.prediction_id).encode()
        filtered = {"competition": competition, "from": since, "to": until, "team": team, "information_set": information_set}
        given = {**filtered, "limit": limit, "cursor": next_cursor}
        address = urlencode({name: value for name, value in given.items() if value is not None})
        headers["Link"] = f'<{request.url.path}?{address}>; rel="next"'
    if wants_csv(request):
        return cacheable(request, to_csv(Prediction, shown), CSV, headers)
    page = PredictionPage(
        is_simulated=publication.is_simulated,
        publication_id=publication.publication_id,
        published_at=publication.published_at,
        note=publication.note,
        predictions=shown,
        next_cursor=next_cursor,
    )
    return cacheable(request, to_json(page), JSON, headers)


@get(
    "/predictions/{prediction_id:str}",
    opt=allow(Permission.READ),
    security=BEARER,
    tags=["predictions"],
    summary="Get one prediction",
    description="A prediction of the publication being served, by its id: its scorelines, what they mean for every market, what "
    "adds up to its log-odds, and what changed since the prediction before.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def get_prediction(
    request: Request[Any, Any, Any],
    publications: NamedDependency[Publications],
    current: NamedDependency[CurrentPublication],
    prediction_id: Annotated[str, PathParameter(max_length=100, pattern=TEXT)],
) -> Response[PredictionDetail]:
    """Answer with one prediction."""
    if (publication := await current.get()) is None:
        raise NoPublication
    prediction = await publications.prediction(publication, prediction_id)
    if prediction is None:
        raise NotFoundException("The current publication has no prediction of this id.")
    return cacheable(request, to_json(prediction))


def _moment(name: str, text: str, whole_day: bool = False) -> datetime:
    """The instant that a day (its start, or with `whole_day` the start of the next) or an instant stands for, in UTC."""
    try:
        if len(text) == len("2026-01-31"):
            day = date.fromisoformat(text)
            return datetime.combine(day + timedelta(days=int(whole_day)), time(), UTC)
        # A plus sign that was not percent-encoded arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationException(f"`{name}` should be a day (2026-01-31) or an instant (2026-01-31T15:00Z).") from None


def _digest(*filters: str | None) -> str:
    """Recognises the filters a cursor was given for, as the client wrote them."""
    return hashlib.sha256(json.encode(filters)).hexdigest()[:16]
