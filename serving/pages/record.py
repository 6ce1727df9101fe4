"""The track record: how good the forecasts were that were really issued.

Belongs here: what is drawn of the record. Does not belong here: scoring, which the pipeline does.
"""

from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.pages.site import page
from serving.routes.paging import TEXT
from serving.store.record import Record


@get("/record", opt=allow(Permission.READ), include_in_schema=False)
async def record_page(
    *,
    request: Request[Any, Any, Any],
    record: NamedDependency[Record],
    current: NamedDependency[CurrentPublication],
    information_set: Annotated[str | None, QueryParameter(max_length=100, pattern=TEXT)] = None,
) -> Response[Any]:
    """Show the record of one information set."""
    held = await current.hold()
    rows = [each for each in await record.scoreboard(None, None) if each.horizon_hours == 0]
    totals = {each.information_set: each for each in rows if each.group_by == "all"}
    largest = max(totals.values(), key=lambda each: each.n, default=None)
    chosen = information_set if information_set in totals else largest and largest.information_set
    bins = await record.calibration(chosen) if chosen else []
    of_set = [each for each in rows if each.information_set == chosen]
    return page(
        request,
        "record.html",
        twin=f"/v1/record?{urlencode({'information_set': chosen})}" if chosen else "/v1/record",
        chosen=chosen,
        sets=list(totals),
        total=totals.get(chosen) if chosen else None,
        by_competition=[each for each in of_set if each.group_by == "competition"],
        by_month=[each for each in of_set if each.group_by == "month"],
        names={each.competition_id: each.name for each in held.competitions} if held else {},
        bins=bins,
        points=[(each.outcome, each.p_mean, each.frequency, each.frequency_low, each.frequency_high) for each in bins],
        distance=[
            (each.day, each.total, each.low, each.high)
            for each in (await record.distances(chosen) if chosen else [])
            if each.low is not None
        ],
        verification=await record.verification(),
    )
