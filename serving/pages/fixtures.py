"""The first page: the coming matches by day and competition.

Belongs here: the filters in the address, the pages, and how matches are grouped. Does not belong here: which rows a filter means
(`store.publications`).
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import QueryParameter
from litestar.response import Redirect
from msgspec import Struct, json

from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.pages.site import page
from serving.problems import NoPublication
from serving.routes.predictions import Cursor
from serving.schemas import Prediction
from serving.settings import Settings
from serving.store.publications import Filters, Publications
from serving.unknown import Unknown

MATCHES_ON_A_PAGE: Final = 60

Chosen = Annotated[str | None, QueryParameter(max_length=100, pattern=r"^[^\x00-\x1f]*$")]
"""A filter; a form sends those that are left empty too."""


class Group(Struct, frozen=True):
    """The matches of one competition on one day."""

    competition_id: str
    competition: str
    country: str
    matches: list[Prediction]


class Day(Struct, frozen=True):
    """One day's matches by competition."""

    day: date
    groups: list[Group]


@get("/", opt=allow(Permission.READ), include_in_schema=False)
async def fixtures_page(
    *,
    request: Request[Any, Any, Any],
    settings: NamedDependency[Settings],
    publications: NamedDependency[Publications],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    competition: Chosen = None,
    day: Annotated[str | None, QueryParameter(max_length=10)] = None,
    team: Chosen = None,
    information_set: Chosen = None,
    cursor: Annotated[str | None, QueryParameter(max_length=600)] = None,
) -> Response[Any]:
    """Show the coming matches."""
    given = {"competition": competition, "day": day, "team": team, "information_set": information_set}
    chosen = {name: value for name, value in given.items() if value}
    if "" in given.values():
        return Redirect(address(chosen), status_code=303)
    if (held := await current.hold()) is None:
        raise NoPublication
    since, until = _span(day, settings.now())
    publication, after = held.publication, None
    if cursor is not None:
        position = Cursor.decode(cursor)
        number = position.publication_id
        is_served = number == publication.publication_id
        earlier = publication if is_served else await unknown.publication(request.user.subject, number)
        if earlier is None or position.query != _digest(chosen):
            return Redirect(address(chosen), status_code=303)
        publication, after, since = earlier, (position.kickoff_at, position.prediction_id), position.kickoff_at
    filters = Filters(since=since, until=until, competition=competition, team=team, information_set=information_set)
    if publication.publication_id == held.publication.publication_id:
        found = [row.prediction for row in held.rows(filters, after, MATCHES_ON_A_PAGE + 1)]
        competitions = held.competitions
    else:
        found = await unknown.rows(
            request.user.subject,
            "predictions",
            (publication.publication_id, filters, after),
            lambda: publications.predictions(publication, filters, after, MATCHES_ON_A_PAGE + 1),
        )
        competitions = await publications.competitions(publication.publication_id)
    shown = found[:MATCHES_ON_A_PAGE]
    following = None
    if len(found) > len(shown):
        end = shown[-1]
        place = Cursor(publication.publication_id, _digest(chosen), end.kickoff_at, end.prediction_id)
        following = address({**chosen, "cursor": place.encode()})
    return page(
        request,
        "fixtures.html",
        twin=_twin(chosen),
        days=by_day(shown),
        competitions=sorted(competitions, key=lambda each: (each.country, each.tier or 0, each.name)),
        chosen=chosen,
        shown_publication=publication,
        following=following,
        beginning=address(chosen) if cursor is not None else None,
    )


def by_day(predictions: Iterable[Prediction]) -> list[Day]:
    """Predictions by kick-off, as days (UTC) and within a day by country and competition."""
    days = []
    for day, rows in groupby(predictions, key=lambda each: each.kickoff_at.date()):
        ordered = sorted(rows, key=lambda each: (each.country, each.competition_id, each.kickoff_at, each.home_team))
        groups = groupby(ordered, key=lambda each: (each.competition_id, each.competition, each.country))
        days.append(Day(day, [Group(*key, list(matches)) for key, matches in groups]))
    return days


def address(chosen: dict[str, str]) -> str:
    """The page with these filters."""
    return f"/?{urlencode(chosen)}" if chosen else "/"


def _span(day: str | None, now: datetime) -> tuple[datetime, datetime | None]:
    if day is None:
        return now, None
    try:
        start = datetime.combine(date.fromisoformat(day), time(), UTC)
        return start, start + timedelta(days=1)
    except (ValueError, OverflowError):
        raise ValidationException("A day is written as 2026-01-31.") from None


def _twin(chosen: dict[str, str]) -> str:
    day = chosen.get("day")
    wanted = {name: value for name, value in chosen.items() if name != "day"} | ({"from": day, "to": day} if day else {})
    return f"/v1/predictions?{urlencode(wanted)}" if wanted else "/v1/predictions"


def _digest(chosen: dict[str, str]) -> str:
    return hashlib.sha256(json.encode(chosen, order="sorted")).hexdigest()[:16]
