"""The record: how good the issued forecasts were, each of them, and whether any was changed."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import QueryParameter
from msgspec import convert

from serving.answers import cacheable, tabular, to_json
from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.routes.documented import BEARER, BEHIND, NOT_MODIFIED, also_csv, problems
from serving.routes.paging import MAXIMUM_LIMIT, TEXT, moment_after, next_cursor, page
from serving.routes.predictions import FirstKickoff, LastKickoff, period
from serving.schemas.record import (
    CalibrationAnswer,
    CalibrationBin,
    DayDistance,
    DistanceAnswer,
    LedgerState,
    RecordAnswer,
    ScoreboardRow,
    SettledPage,
    SettledPrediction,
    VerificationAnswer,
)
from serving.store.record import Record, RecordFilters
from serving.unknown import Unknown

InformationSet = Annotated[
    str | None, QueryParameter(max_length=100, pattern=TEXT, description="`results`, `history` or `market`. Default: all.")
]


@get(
    "/record",
    opt=allow(Permission.READ),
    security=BEARER,
    operation_class=also_csv(ScoreboardRow),
    tags=["record"],
    summary="Get the record",
    description="The scores of the forecasts that were really issued, beside the closing odds of the same matches with 95 % "
    "intervals, how often what was said came true, and whether the ledger of them is intact. `Accept: text/csv` gives the "
    "scoreboard, and at `/v1/record/calibration` the second.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 503),
)
async def get_record(
    *,
    request: Request[Any, Any, Any],
    record: NamedDependency[Record],
    current: NamedDependency[CurrentPublication],
    information_set: InformationSet = None,
    group_by: Annotated[
        str | None,
        QueryParameter(
            max_length=20,
            pattern=TEXT,
            description="all, competition, season, competition_season (`E0 2025`), month or firmness. Default: every group.",
        ),
    ] = None,
) -> Response[RecordAnswer]:
    """Answer with the summaries."""
    await current.get()
    ledger = await record.verification()
    answer = RecordAnswer(
        is_simulated=current.is_simulated,
        scoreboard=await record.scoreboard(information_set, group_by),
        calibration=await record.calibration(information_set),
        ledger=convert(ledger, LedgerState) if ledger else None,
    )
    return tabular(request, answer, answer.scoreboard, ScoreboardRow)


@get(
    "/record/calibration",
    opt=allow(Permission.READ),
    security=BEARER,
    operation_class=also_csv(CalibrationBin),
    tags=["record"],
    summary="Get the calibration",
    description="How often what was said came true, by outcome and the probability that was given to it, with 95 % intervals: of "
    "the last forecasts before kick-off. `Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 503),
)
async def get_calibration(
    request: Request[Any, Any, Any],
    record: NamedDependency[Record],
    current: NamedDependency[CurrentPublication],
    information_set: InformationSet = None,
) -> Response[CalibrationAnswer]:
    """Answer with the table."""
    await current.get()
    answer = CalibrationAnswer(is_simulated=current.is_simulated, calibration=await record.calibration(information_set))
    return tabular(request, answer, answer.calibration, CalibrationBin)


@get(
    "/record/distance",
    opt=allow(Permission.READ),
    security=BEARER,
    operation_class=also_csv(DayDistance),
    tags=["record"],
    summary="Get the distance to the market",
    description="By day of kick-off, by how much the forecasts of an information set lost more than the closing odds, and the "
    "running sum with its 95 % interval: what the page of the record draws. `Accept: text/csv` gives CSV.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 503),
)
async def get_distance(
    request: Request[Any, Any, Any],
    record: NamedDependency[Record],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    information_set: Annotated[
        str, QueryParameter(max_length=100, pattern=TEXT, description="`results`, `history` or `market`. Default: `history`.")
    ] = "history",
) -> Response[DistanceAnswer]:
    """Answer with the days."""
    await current.get()
    days = await unknown.rows(request.user.subject, "distances", (information_set,), lambda: record.distances(information_set))
    answer = DistanceAnswer(is_simulated=current.is_simulated, days=days)
    return tabular(request, answer, answer.days, DayDistance)


@get(
    "/record/predictions",
    opt=allow(BEHIND),
    security=BEARER,
    operation_class=also_csv(SettledPrediction),
    tags=["record"],
    summary="List settled predictions",
    description="Each forecast that counts with its scores, by kick-off. `Accept: text/csv` gives CSV; the header `Link` then "
    "leads to the next page.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 422, 503),
)
async def list_settled(
    *,
    request: Request[Any, Any, Any],
    record: NamedDependency[Record],
    current: NamedDependency[CurrentPublication],
    unknown: NamedDependency[Unknown],
    competition: Annotated[
        str | None, QueryParameter(max_length=100, pattern=TEXT, description="A competition's id, e.g. E0.")
    ] = None,
    team: Annotated[str | None, QueryParameter(max_length=100, pattern=TEXT, description="A club's id.")] = None,
    since: FirstKickoff = None,
    until: LastKickoff = None,
    information_set: InformationSet = None,
    horizon_hours: Annotated[
        int | None, QueryParameter(ge=0, le=1000, description="0 (the record), 24 or 72 hours before kick-off. Default: all.")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAXIMUM_LIMIT, description="At most so many.")] = 50,
    cursor: Annotated[
        str | None, QueryParameter(max_length=600, description="`next_cursor` of the page before, with the same filters.")
    ] = None,
) -> Response[SettledPage]:
    """Answer with one page of settled predictions."""
    filters = {
        "competition": competition,
        "team": team,
        "from": since,
        "to": until,
        "information_set": information_set,
        "horizon_hours": horizon_hours,
    }
    first, last = period(since, until)
    wanted = RecordFilters(
        since=first,
        until=last,
        competition=competition,
        team=team,
        information_set=information_set,
        horizon_hours=horizon_hours,
    )
    behind = moment_after(cursor, filters)
    found = await unknown.rows(
        request.user.subject, "settled", (wanted, behind), lambda: record.settled(wanted, behind, limit + 1)
    )
    shown = found[:limit]
    await current.get()
    answer = SettledPage(
        is_simulated=current.is_simulated,
        predictions=shown,
        next_cursor=next_cursor(filters, shown[-1].kickoff_at, shown[-1].score_id) if len(found) > limit else None,
    )
    return page(request, answer, shown, SettledPrediction, filters, limit)


@get(
    "/record/verification",
    opt=allow(Permission.READ),
    security=BEARER,
    tags=["record"],
    summary="Get the state of the ledger",
    description="Predictions are linked, each to the one before it. Behind every run all links are computed anew and compared "
    "with a head that is kept outside the database: what was found, and up to which prediction.",
    responses=NOT_MODIFIED | problems(401, 403, 404, 503),
)
async def get_verification(
    request: Request[Any, Any, Any], record: NamedDependency[Record], current: NamedDependency[CurrentPublication]
) -> Response[VerificationAnswer]:
    """Answer with the last verdict."""
    if (found := await record.verification()) is None:
        raise NotFoundException("The ledger was not verified yet: that is done behind each run.")
    await current.get()
    return cacheable(request, to_json(VerificationAnswer(is_simulated=current.is_simulated, **found)))
