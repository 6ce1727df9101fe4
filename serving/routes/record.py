"""The record: how good the issued forecasts were, each of them, and whether any was changed."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import QueryParameter

from serving.answers import CSV, cacheable, to_csv, to_json, wants_csv
from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.routes.documented import BEARER, BEHIND, NOT_MODIFIED, also_csv, problems
from serving.routes.paging import MAXIMUM_LIMIT, TEXT, moment_after, next_cursor, page
from serving.schemas.record import RecordAnswer, ScoreboardRow, SettledPage, SettledPrediction, VerificationAnswer
from serving.store.record import Record, RecordFilters

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
    "intervals, and how often what was said came true. `Accept: text/csv` gives the scoreboard.",
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
        QueryParameter(max_length=20, pattern=TEXT, description="all, competition, month or firmness. Default: all."),
    ] = None,
) -> Response[RecordAnswer]:
    """Answer with the summaries."""
    board = await record.scoreboard(information_set, group_by)
    if wants_csv(request):
        return cacheable(request, to_csv(ScoreboardRow, board), CSV)
    await current.get()
    calibration = await record.calibration(information_set)
    return cacheable(request, to_json(RecordAnswer(is_simulated=current.is_simulated, scoreboard=board, calibration=calibration)))


@get(
    "/record/predictions",
    opt=allow(BEHIND),
    security=BEARER,
    operation_class=also_csv(SettledPrediction),
    tags=["record"],
    summary="List settled predictions",
    description="Each forecast that counts with its scores, by kick-off. `Accept: text/csv` gives CSV; the header `Link` then "
    "leads to the next page.",
    responses=NOT_MODIFIED | problems(400, 401, 403, 503),
)
async def list_settled(
    *,
    request: Request[Any, Any, Any],
    record: NamedDependency[Record],
    current: NamedDependency[CurrentPublication],
    competition: Annotated[
        str | None, QueryParameter(max_length=100, pattern=TEXT, description="A competition's id, e.g. E0.")
    ] = None,
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
    filters = {"competition": competition, "information_set": information_set, "horizon_hours": horizon_hours}
    wanted = RecordFilters(competition=competition, information_set=information_set, horizon_hours=horizon_hours)
    found = await record.settled(wanted, moment_after(cursor, filters), limit + 1)
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
