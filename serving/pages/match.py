"""One match: all that is said of it, and why.

Belongs here: the order and grouping of what the forecast says. Does not belong here: computing any of it.
"""

from datetime import datetime
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter, QueryParameter
from msgspec import Struct

from serving.current import CurrentPublication
from serving.identity.roles import Permission, allow
from serving.pages.site import page
from serving.pages.wording import MARKETS
from serving.parts import known
from serving.problems import NoPublication
from serving.routes.documented import BEHIND
from serving.routes.paging import TEXT
from serving.schemas import Change, Contribution, Selection
from serving.schemas.matches import IssuedPrediction
from serving.settings import Settings
from serving.store.lineage import Lineages
from serving.store.matches import Matches

PAIRED: Final = ("over_under", "asian_handicap")
"""Markets of two selections a line: they are listed as one row."""

OPEN: Final = 0.1
"""Lines on which one side's probability is below this are left to the JSON answer."""

FORM: Final = 6
"""Results listed of each club, and of both against each other."""

WORTH_TELLING: Final = 0.005
"""Changes of a group's contribution below this (in log-odds; an eighth of a percentage point at most) are not listed."""


class Market(Struct, frozen=True):
    """The selections of one market; in pairs where it has two a line."""

    name: str
    selections: list[Selection]
    pairs: list[tuple[Selection, Selection]]


@get("/matches/{match_id:str}", opt=allow(Permission.READ), include_in_schema=False)
async def match_page(
    *,
    request: Request[Any, Any, Any],
    matches: NamedDependency[Matches],
    lineages: NamedDependency[Lineages],
    settings: NamedDependency[Settings],
    current: NamedDependency[CurrentPublication],
    match_id: Annotated[str, PathParameter(max_length=100, pattern=TEXT)],
    information_set: Annotated[str | None, QueryParameter(max_length=100, pattern=TEXT)] = None,
) -> Response[Any]:
    """Show what the present publication says of a match, and around it what is known besides."""
    if (held := await current.hold()) is None:
        raise NoPublication
    forecasts = held.of_match(match_id)
    match = next((each for each in forecasts if information_set in (None, each.information_set)), None)
    if match is None:
        raise NotFoundException("The current publication says nothing of this match.")
    before = FORM, match.kickoff_at
    parts, unknown = await known(
        history=matches.history(match_id),
        outline=lineages.outline(match.prediction_id),
        home_form=matches.form(match.home_team_id, *before),
        away_form=matches.form(match.away_team_id, *before),
        meetings=matches.form(match.home_team_id, *before, match.away_team_id),
    )
    history = [each for each in parts.pop("history") or [] if each.information_set == match.information_set]
    now = min(settings.now(), match.kickoff_at)
    return page(
        request,
        "match.html",
        twin=f"/v1/predictions/{match.prediction_id}",
        match=match,
        forecasts=forecasts,
        markets=markets(match.selections or []),
        reasons=by_weight(match.explanation.contributions) if match.explanation else [],
        change=match.explanation.change if match.explanation else None,
        shifts=shifts(match.explanation.change if match.explanation else None),
        most_likely=max(max(row) for row in match.scorelines) if match.scorelines else 0.0,
        may_see_behind=BEHIND in request.user.permissions,
        history=history,
        curves=curves(history, match.home_team, match.away_team),
        # To the day, not the second: a browser that has the page need not be sent it again.
        shown_until=max([each.issued_at for each in history] + [now.replace(hour=0, minute=0, second=0, microsecond=0)]),
        unknown=unknown,
        **parts,
    )


def curves(history: list[IssuedPrediction], home: str, away: str) -> list[tuple[str, str, list[tuple[datetime, float]]]]:
    """Home, draw and away over time: class, label and points."""
    return [
        (name, label, [(each.issued_at, getattr(each, f"p_{name}")) for each in history])
        for name, label in (("home", home[:10]), ("draw", "Draw"), ("away", away[:10]))
    ]


def markets(selections: list[Selection]) -> list[Market]:
    """Selections by market, in the order of `wording.MARKETS`."""
    of_market: dict[str, list[Selection]] = {name: [] for name in MARKETS}
    for each in selections:
        of_market.setdefault(each.market, []).append(each)
    return [_market(name, listed) for name, listed in of_market.items() if listed]


def _market(name: str, selections: list[Selection]) -> Market:
    if name not in PAIRED:
        return Market(name, selections, [])
    pairs = zip(selections[::2], selections[1::2], strict=True)
    return Market(name, [], [pair for pair in pairs if all(each.probability >= OPEN for each in pair)])


def by_weight(contributions: list[Contribution]) -> list[Contribution]:
    """Those that speak loudest for a side first."""
    return sorted(contributions, key=lambda each: -abs(each.side))


def shifts(change: Change | None) -> list[Contribution]:
    """The groups whose contribution is worth telling to have changed."""
    contributions = (change and change.contributions) or []
    return [each for each in by_weight(contributions) if abs(each.side) >= WORTH_TELLING]
