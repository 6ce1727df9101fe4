"""Clubs and matches: what was played, what is to come, and what was said of a match over time."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter, QueryParameter
from msgspec.structs import asdict

from serving.answers import cacheable, tabular, to_json
from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.routes.documented import BEARER, NOT_MODIFIED, also_csv, problems
from serving.routes.paging import MAXIMUM_LIMIT, TEXT, after, moment_after, next_cursor, page
from serving.routes.predictions import FirstKickoff, LastKickoff, period
from serving.schemas.matches import (
    History,
    IssuedPrediction,
    Match,
    MatchAnswer,
    MatchPage,
    MatchRow,
    MatchStatus,
    Team,
    TeamAnswer,
    TeamPage,
)
from serving.store.matches import Matches, MatchFilters
from serving.unknown import Unknown

Limit = Annotated[int, QueryParameter(ge=1, le=MAXIMUM_LIMIT, description="At most so many.")]
CursorText = Annotated[
    str | None, QueryParameter(max_length=600, description="`next_cursor` of the page before, with the same filters.")
]


@get(
    "/teams",
    opt=allow(Permission.READ),
    security=BEARER,
    operation_class=also_csv(Team),
    tags=["matches"],
    summary="List the clubs",
    description="Every club that a match is known of, by id. `Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 503),
)
async def list_teams(
    *,
    request: Request[Any, Any, Any],
    matches: NamedDependency[Matches],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    competition: Annotated[
        str | None, QueryParameter(max_length=100, pattern=TEXT, description="Where the club's latest match was, e.g. E0.")
    ] = None,
    search: Annotated[
        str | None, QueryParameter(max_length=100, pattern=TEXT, description="A part of the name, in any case.")
    ] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Response[TeamPage]:
    """Answer with one page of clubs."""
    filters = {"competition": competition, "search": search}
    position = after(cursor, filters)
    behind = position.id if position else None
    found = await unknown.rows(
        request.user.subject,
        "teams",
        (competition, search, behind),
        lambda: matches.teams(competition, search, behind, limit + 1),
    )
    shown = found[:limit]
    answer = TeamPage(
        is_simulated=await _is_simulated(current),
        teams=shown,
        next_cursor=next_cursor(filters, None, shown[-1].team_id) if len(found) > limit else None,
    )
    return page(request, answer, shown, Team, filters, limit)


@get(
    "/teams/{team_id:str}",
    opt=allow(Permission.READ),
    security=BEARER,
    tags=["matches"],
    summary="Get one club",
    description="A club and its form: the last ten matches it played.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def get_team(
    request: Request[Any, Any, Any],
    matches: NamedDependency[Matches],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    team_id: Annotated[str, PathParameter(max_length=100, pattern=TEXT)],
) -> Response[TeamAnswer]:
    """Answer with one club."""
    team = await unknown.find(request.user.subject, "team", team_id, lambda: matches.team(team_id))
    if team is None:
        raise NotFoundException("There is no club of this id.")
    form = await matches.form(team_id)
    return cacheable(request, to_json(TeamAnswer(**asdict(team), is_simulated=await _is_simulated(current), form=form)))


@get(
    "/matches",
    opt=allow(Permission.READ),
    security=BEARER,
    operation_class=also_csv(MatchRow),
    tags=["matches"],
    summary="List matches",
    description="Matches with their results and what was last said of them before kick-off, by kick-off. With `team` and "
    "`opponent`: head to head. `Accept: text/csv` gives CSV; the header `Link` then leads to the next page.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 422, 503),
)
async def list_matches(
    *,
    request: Request[Any, Any, Any],
    matches: NamedDependency[Matches],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    competition: Annotated[
        str | None, QueryParameter(max_length=100, pattern=TEXT, description="A competition's id, e.g. E0.")
    ] = None,
    season: Annotated[int | None, QueryParameter(ge=1800, le=2999, description="The year in which the season begins.")] = None,
    team: Annotated[str | None, QueryParameter(max_length=100, pattern=TEXT, description="A club's id.")] = None,
    opponent: Annotated[str | None, QueryParameter(max_length=100, pattern=TEXT, description="The other club's id.")] = None,
    status: Annotated[MatchStatus | None, QueryParameter(description="How the match stands.")] = None,
    since: FirstKickoff = None,
    until: LastKickoff = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Response[MatchPage]:
    """Answer with one page of matches."""
    filters = {"competition": competition, "season": season, "team": team, "opponent": opponent}
    filters |= {"status": status, "from": since, "to": until}
    first, last = period(since, until)
    wanted = MatchFilters(
        since=first,
        until=last,
        competition=competition,
        season=season,
        team=team,
        opponent=opponent,
        status=status,
    )
    behind = moment_after(cursor, filters)
    found = await unknown.rows(
        request.user.subject, "matches", (wanted, behind), lambda: matches.matches(wanted, behind, limit + 1)
    )
    shown = found[:limit]
    answer = MatchPage(
        is_simulated=await _is_simulated(current),
        matches=shown,
        next_cursor=next_cursor(filters, shown[-1].kickoff_at, shown[-1].match_id) if len(found) > limit else None,
    )
    return page(request, answer, [MatchRow.of(each) for each in shown], MatchRow, filters, limit)


@get(
    "/matches/{match_id:str}",
    opt=allow(Permission.READ),
    security=BEARER,
    tags=["matches"],
    summary="Get one match",
    description="A match with its result and what was last said of it before kick-off.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def get_match(
    request: Request[Any, Any, Any],
    matches: NamedDependency[Matches],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    match_id: Annotated[str, PathParameter(max_length=200, pattern=TEXT)],
) -> Response[MatchAnswer]:
    """Answer with one match."""
    match = await _known(request, unknown, matches, match_id)
    said = {name: getattr(match, name) for name in Match.__struct_fields__}
    return cacheable(request, to_json(MatchAnswer(**said, is_simulated=await _is_simulated(current))))


@get(
    "/matches/{match_id:str}/predictions",
    opt=allow(Permission.READ),
    security=BEARER,
    operation_class=also_csv(IssuedPrediction),
    tags=["matches"],
    summary="Get the history of a match's predictions",
    description="Everything that was ever issued of a match, in that order, each beside the one of its information set that it "
    "took the place of. `Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 404, 503),
)
async def get_history(
    request: Request[Any, Any, Any],
    matches: NamedDependency[Matches],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    match_id: Annotated[str, PathParameter(max_length=200, pattern=TEXT)],
) -> Response[History]:
    """Answer with the ledger's rows of a match."""
    await _known(request, unknown, matches, match_id)
    predictions = await matches.history(match_id)
    answer = History(is_simulated=await _is_simulated(current), match_id=match_id, predictions=predictions)
    return tabular(request, answer, predictions, IssuedPrediction)


async def _known(request: Request[Any, Any, Any], unknown: Unknown, matches: Matches, match_id: str) -> Match:
    match = await unknown.find(request.user.subject, "match", match_id, lambda: matches.match(match_id))
    if match is None:
        raise NotFoundException("There is no match of this id.")
    return match


async def _is_simulated(current: CurrentPublication) -> bool:
    await current.get()
    return current.is_simulated
