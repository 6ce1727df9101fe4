"""The predictions: a list in pages, and one by its id.

A cursor stays in the publication it began in, and a page begins behind the row at which the page before ended, so that
walking the pages shows every row once, whatever is published or kicks off meanwhile. The publication being served is answered
from memory, an earlier one that somebody is still walking from the database.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, cast
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, NotFoundException, ValidationException
from litestar.params import PathParameter, QueryParameter
from litestar.utils import normalize_path
from msgspec import DecodeError, Meta, Raw, Struct, json, structs

from serving.answers import CSV, Answer, only, to_csv, to_json, wants_csv
from serving.current import CurrentPublication
from serving.earlier import Earlier
from serving.held import HeldPublication, Key, Row
from serving.identity.roles import Permission, allow
from serving.problems import NoPublication
from serving.ready import FROM_MEMORY, made_once, seconds
from serving.routes.documented import BEARER, NOT_MODIFIED, also_csv, problems
from serving.routes.paging import MAXIMUM_LIMIT, TEXT
from serving.schemas import PageOfParts, PartOfPredictionDetail, Prediction, PredictionDetail, PredictionPage, Publication
from serving.settings import Settings
from serving.store.publications import Filters, Publications
from serving.unknown import Unknown

DEFAULT_LIMIT: Final = 50

FirstKickoff = Annotated[
    str | None, QueryParameter(name="from", max_length=40, description="First kick-off: a day (UTC) or an instant.")
]
LastKickoff = Annotated[
    str | None,
    QueryParameter(name="to", max_length=40, description="Last kick-off: a day (UTC), inclusive, or an instant, exclusive."),
]
"""What `period` understands, of lists that begin at the first kick-off there is."""

Fields = Annotated[
    str | None,
    QueryParameter(
        max_length=1000,
        pattern=r"^[a-z_]+(,[a-z_]+)*$",
        description="Only these fields of each prediction, by their names with commas between. Default: all.",
    ),
]
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
            cursor = json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=cls)
            return structs.replace(cursor, kickoff_at=cursor.kickoff_at.astimezone(UTC))
        except (DecodeError, ValueError, OverflowError):
            raise ValidationException("This cursor is not one that the service gave out.") from None


class Query(Struct, frozen=True, kw_only=True):
    """What a reader asks of the list, each thing written in one way, however the reader wrote it."""

    competition: str | None = None
    since: str | None = None
    until: str | None = None
    team: str | None = None
    information_set: str | None = None
    fields: str | None = None
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def digest(self) -> str:
        """Recognises the filters a cursor was given for."""
        filters = (self.competition, self.since, self.until, self.team, self.information_set)
        return hashlib.sha256(json.encode(filters)).hexdigest()[:16]

    def written(self) -> str:
        """As the query of an address; what goes without saying is not said."""
        given = {
            "competition": self.competition,
            "from": self.since,
            "to": self.until,
            "team": self.team,
            "information_set": self.information_set,
            "fields": self.fields,
            "limit": None if self.limit == DEFAULT_LIMIT else self.limit,
            "cursor": self.cursor,
        }
        return urlencode({name: value for name, value in given.items() if value is not None})

    def following(self, path: str, cursor: str) -> str:
        """The address of the next page."""
        return f"{path}?{structs.replace(self, cursor=cursor).written()}"


@get(
    "/predictions",
    opt=allow(Permission.READ) | FROM_MEMORY,
    security=BEARER,
    operation_class=also_csv(Prediction),
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
    unknown: NamedDependency[Unknown],
    competition: Annotated[
        str | None, QueryParameter(max_length=100, pattern=TEXT, description="A competition's id, e.g. E0.")
    ] = None,
    since: Annotated[
        str | None,
        QueryParameter(name="from", max_length=40, description="First kick-off: a day (UTC) or an instant. Default: now."),
    ] = None,
    until: LastKickoff = None,
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
    limit: Annotated[int, QueryParameter(ge=1, le=MAXIMUM_LIMIT, description="At most so many predictions.")] = DEFAULT_LIMIT,
    fields: Fields = None,
    cursor: Annotated[
        str | None, QueryParameter(max_length=600, description="`next_cursor` of the page before, with the same filters.")
    ] = None,
) -> Response[PredictionPage | PageOfParts]:
    """Answer with one page of predictions."""
    is_csv, path, now = wants_csv(request), normalize_path(request.scope["path"]), settings.now()
    first, last = period(since, until)
    chosen = _fields(fields, Prediction)
    usual = None if chosen is None else _in_order(chosen, Prediction)
    shown = chosen if is_csv else usual  # members of an object have no order, columns stand as the reader likes
    query = Query(
        competition=competition,
        since=_written(first),
        until=_written(last, is_end=True),
        team=team and team.lower(),  # as names are compared; ids are in lower case
        information_set=information_set,
        fields=None if shown is None else ",".join(shown),
        limit=limit,
    )
    held = await current.hold()

    def answered(held: HeldPublication, after: tuple[datetime, str] | None, filters: Filters, until: float) -> Response[Any]:
        def make() -> Answer:
            return page(held.publication, query, held.rows(filters, after, limit + 1), path, is_csv)

        # Of columns there are more orders than anybody wants: only the usual one is kept ready.
        if shown != usual:
            return make().response(request)
        key = Key(path, query.written().encode(), is_csv)
        return made_once(request.scope, held, key, now, make, until).response(request)

    if cursor is None:
        if held is None:
            raise NoPublication
        # By default the list begins now: it stays what it is until the next match kicks off.
        return answered(held, None, _filters(query, now), seconds(held.next_kickoff(now) if since is None else None))

    position = Cursor.decode(cursor)
    if position.query != query.digest():
        raise ValidationException("This cursor belongs to another query: send the filters it was given for.")
    query = structs.replace(query, cursor=position.encode())
    filters, after = _filters(query, position.kickoff_at), (position.kickoff_at, position.prediction_id)
    if held is not None and held.publication.publication_id == position.publication_id:
        return answered(held, after, filters, seconds(None))
    if (publication := await unknown.publication(request.user.subject, position.publication_id)) is None:
        raise HTTPException("The publication that this cursor walks is no longer kept. Begin again.", status_code=410)
    found = await unknown.rows(
        request.user.subject,
        "predictions",
        (position.publication_id, filters, after),
        lambda: publications.predictions(publication, filters, after, limit + 1),
    )
    return page(publication, query, [Row(each, to_json(each)) for each in found], path, is_csv).response(request)


@get(
    "/predictions/{prediction_id:str}",
    opt=allow(Permission.READ) | FROM_MEMORY,
    security=BEARER,
    tags=["predictions"],
    summary="Get one prediction",
    description="A prediction by its id: its scorelines, what they mean for every market, what adds up to its log-odds, and what "
    "changed since the prediction before. Of the publication being served, or else as it was published first.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def get_prediction(
    request: Request[Any, Any, Any],
    settings: NamedDependency[Settings],
    current: NamedDependency[CurrentPublication],
    earlier: NamedDependency[Earlier],
    prediction_id: Annotated[str, PathParameter(max_length=100, pattern=TEXT)],
    fields: Fields = None,
) -> Response[PredictionDetail | PartOfPredictionDetail]:
    """Answer with one prediction."""
    if (held := await current.hold()) is None:
        raise NoPublication
    chosen = _fields(fields, PredictionDetail)
    chosen = None if chosen is None else _in_order(chosen, PredictionDetail)
    encoded = held.detail(prediction_id)
    if encoded is None:
        if (found := await earlier.find(request.user.subject, prediction_id)) is None:
            raise NotFoundException("No prediction of this id was published.")
        return _detailed(to_json(found), chosen).response(request)
    written = urlencode({"fields": ",".join(chosen)}) if chosen else ""
    key = Key(normalize_path(request.scope["path"]), written.encode(), is_csv=False)
    return made_once(request.scope, held, key, settings.now(), lambda: _detailed(encoded, chosen)).response(request)


def _detailed(encoded: bytes, chosen: list[str] | None) -> Answer:
    return Answer(encoded if chosen is None else only(encoded, chosen))


def prepare(held: HeldPublication, path: str, now: datetime) -> None:
    """Make the lists that most will ask for: all that is to come, and each competition's."""
    until_when = seconds(held.next_kickoff(now))
    for competition in (None, *(each.competition_id for each in held.competitions)):
        query = Query(competition=competition)
        answer = page(held.publication, query, held.rows(_filters(query, now), None, query.limit + 1), path, is_csv=False)
        held.answers.keep(Key(path, query.written().encode(), is_csv=False), answer, until_when)


def page(publication: Publication, query: Query, found: Sequence[Row], path: str, is_csv: bool) -> Answer:
    """The answer that shows the rows found, but for the one beyond the limit, which only tells that there is a next page."""
    shown, fields = found[: query.limit], query.fields.split(",") if query.fields else None
    headers: dict[str, str] = {}
    next_cursor = None
    if len(found) > query.limit:
        end = shown[-1].prediction
        next_cursor = Cursor(publication.publication_id, query.digest(), end.kickoff_at, end.prediction_id).encode()
        headers["Link"] = f'<{query.following(path, next_cursor)}>; rel="next"'
    if is_csv:
        return Answer(to_csv(Prediction, (row.prediction for row in shown), fields), CSV, headers)
    encoded = [Raw(row.encoded if fields is None else only(row.encoded, fields)) for row in shown]
    answer = PredictionPage(
        is_simulated=publication.is_simulated,
        publication_id=publication.publication_id,
        published_at=publication.published_at,
        note=publication.note,
        predictions=cast(Sequence[Prediction], encoded),  # they are JSON already
        next_cursor=next_cursor,
    )
    return Answer(to_json(answer), headers=headers)


def _filters(query: Query, first: datetime) -> Filters:
    """What the query means for a list that begins at `first` unless the query says otherwise (and no cursor does)."""
    since, until = period(query.since if query.cursor is None else None, query.until)
    return Filters(
        since=since or first, until=until, competition=query.competition, team=query.team, information_set=query.information_set
    )


def _fields(text: str | None, kind: type[Struct]) -> list[str] | None:
    """The fields that a reader wants, each once and in the reader's order; None for all."""
    if text is None:
        return None
    wanted = list(dict.fromkeys(text.split(",")))
    if unknown := [name for name in wanted if name not in kind.__struct_fields__]:
        raise ValidationException(f"`fields` names what a prediction has not: {', '.join(unknown)}.")
    return None if wanted == [*kind.__struct_fields__] else wanted


def _in_order(fields: list[str], kind: type[Struct]) -> list[str]:
    """These fields as the whole has them."""
    return [name for name in kind.__struct_fields__ if name in fields]


def period(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """The instants that `from` and `to` stand for, in UTC: a day is all of it. None where nothing is given.

    Raises:
        ValidationException: one of them is neither a day nor an instant.
        HTTPException: 422, where it ends before it begins.
    """
    first = None if since is None else _moment("from", since)
    last = None if until is None else _moment("to", until, whole_day=True)
    if first is not None and last is not None and last <= first:
        raise HTTPException("`to` has to be later than `from`.", status_code=422)
    return first, last


def _written(moment: datetime | None, is_end: bool = False) -> str | None:
    """How `from`, or with `is_end` `to`, says this instant: as a day where that is the same."""
    if moment is None:
        return None
    if moment.time() == time() and (not is_end or moment.date() > date.min):
        return (moment.date() - timedelta(days=int(is_end))).isoformat()
    return moment.isoformat().replace("+00:00", "Z")


def _moment(name: str, text: str, whole_day: bool = False) -> datetime:
    """The instant that a day (its start, or with `whole_day` the start of the next) or an instant stands for."""
    try:
        if len(text) == len("2026-01-31"):
            day = date.fromisoformat(text)
            return datetime.combine(day + timedelta(days=int(whole_day)), time(), UTC)
        # A plus sign that was not percent-encoded arrives as a space.
        instant = datetime.fromisoformat(text.replace(" ", "+"))
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationException(f"`{name}` should be a day (2026-01-31) or an instant (2026-01-31T15:00Z).") from None
