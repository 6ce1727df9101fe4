"""The structs that the service takes and gives; their field names are the JSON names.

Belongs here: shape and meaning of what is answered. Fields that come from a table of `published` bear the
column's name (a contract test compares them). Does not belong here: queries, HTTP, what is
rounded together (`rounding`).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, TypeVar, cast, get_type_hints

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct, structs

from serving.schemas.rounding import round_grid, round_probabilities, round_selections

T = TypeVar("T", bound=Struct)


def part(kind: type[T]) -> type[T]:
    """The struct with the same fields, none of which has to be there: what readers get who choose among them."""
    fields = [(name, hint, UNSET) for name, hint in get_type_hints(kind, include_extras=True).items()]
    namespace = {"__doc__": kind.__doc__}
    return cast(type[T], defstruct(kind.__name__, fields, module=kind.__module__, namespace=namespace, frozen=True, kw_only=True))


class Publication(Struct, frozen=True, kw_only=True):
    """One publication, without its manifest."""

    publication_id: int
    published_at: datetime
    confirmed_at: Annotated[datetime, Meta(description="When a run last found that nothing had to change.")]
    data_cutoff: Annotated[datetime, Meta(description="Nothing known at or after this moment was used.")]
    is_simulated: bool
    digest: str
    n_predictions: int
    note: str | None
    git_revision: str | None


class ManifestSummary(Struct, frozen=True, kw_only=True):
    """How much raw input stands behind a publication."""

    n_files: int


class PublicationAnswer(Publication, frozen=True, kw_only=True):
    """The publication being served, and its age."""

    edition: str
    age_seconds: Annotated[float, Meta(description="Since `published_at`.")]
    confirmed_age_seconds: Annotated[float, Meta(description="Since `confirmed_at`: how old the data may be.")]
    manifest: ManifestSummary


class ManifestAnswer(Struct, frozen=True, kw_only=True):
    """The raw files behind the publication being served."""

    is_simulated: bool
    publication_id: int
    manifest: Annotated[dict[str, Any], Meta(description="File key to the SHA-256 of its bytes.")]


class Competition(Struct, frozen=True, kw_only=True):
    """A competition as of the publication."""

    competition_id: str
    name: str
    country: str
    tier: int | None
    n_matches: Annotated[int, Meta(description="Matches with a known result.")]
    n_predictions: Annotated[int, Meta(description="Coming matches in this publication.")]
    latest_result_on: date | None


class CompetitionAnswer(Competition, frozen=True, kw_only=True):
    """One competition."""

    is_simulated: bool
    publication_id: int


class CompetitionList(Struct, frozen=True, kw_only=True):
    """All competitions of the publication being served."""

    is_simulated: bool
    publication_id: int
    competitions: list[Competition]


class Prediction(Struct, frozen=True, kw_only=True):
    """The forecast of one match. The three probabilities have six decimals and sum to exactly 1."""

    publication_id: int
    prediction_id: str
    match_id: str
    competition_id: str
    competition: str
    country: str
    season: Annotated[int, Meta(description="The year in which the season begins.")]
    kickoff_at: Annotated[datetime, Meta(description="In UTC.")]
    is_time_known: Annotated[bool, Meta(description="False: only the day is known and `kickoff_at` is its start.")]
    home_team_id: str
    home_team: str
    away_team_id: str
    away_team: str
    p_home: float
    p_draw: float
    p_away: float
    expected_home_goals: float
    expected_away_goals: float
    information_set: Annotated[
        str,
        Meta(
            description="What the model was allowed to know: `results`, prices of earlier matches too (`history`), or "
            "quotes of this match too (`market`)."
        ),
    ]
    is_best_informed: Annotated[bool, Meta(description="Of the match's forecasts the one that was allowed to know most.")]
    model_name: str
    model_version: int
    as_of: Annotated[datetime, Meta(description="Only what was known before this moment was used.")]
    issued_at: datetime
    strength_deviation: Annotated[
        float | None,
        Meta(
            description="How well the strengths of the two clubs are known from how they played: the standard deviation of their "
            "difference, in units of ln(p_home/p_away). Large where few matches are known, and after a long break."
        ),
    ]
    firmness: Annotated[
        str | None,
        Meta(
            description="Its level: firm (at most 0.53, a quarter of all matches), loose (above 0.74, a tenth, or where the two "
            "members of the model of earlier prices disagree) or usual; null in a prediction issued before there were levels."
        ),
    ]
    is_simulated: bool

    @classmethod
    def of(cls, row: Mapping[str, Any], is_simulated: bool) -> "Prediction":
        """The answer for a row of `published.prediction`, rounded."""
        p_home, p_draw, p_away = round_probabilities(row["p_home"], row["p_draw"], row["p_away"])
        rounded = {
            "p_home": p_home,
            "p_draw": p_draw,
            "p_away": p_away,
            "expected_home_goals": round(row["expected_home_goals"], 3),
            "expected_away_goals": round(row["expected_away_goals"], 3),
            "strength_deviation": _rounded(row["strength_deviation"]),
        }
        return cls(**{**row, **rounded}, is_simulated=is_simulated)


class Selection(Struct, frozen=True, kw_only=True):
    """What a bet could be placed on, and what the forecast says of it."""

    market: Annotated[
        str,
        Meta(
            description="1x2, double_chance, draw_no_bet, over_under, asian_handicap, both_teams_score, clean_sheet, "
            "winning_margin or correct_score."
        ),
    ]
    line: Annotated[
        float | None,
        Meta(
            description="Goals: the total of over_under, or the handicap of the selection's own side. Whole lines may return the "
            "stake, quarter lines half of it."
        ),
    ]
    selection: Annotated[str, Meta(examples=["home", "over", "2-1"])]
    probability: Annotated[
        float, Meta(ge=0, le=1, description="Where the stake may be returned: the share won of what is decided.")
    ]
    fair_odds: Annotated[float | None, Meta(description="Decimal odds without margin; null for what cannot happen.")]


class Contribution(Struct, frozen=True, kw_only=True):
    """What one kind of knowledge adds to the log-odds of a forecast."""

    group: Annotated[
        str,
        Meta(
            description="base (two average clubs meet: home advantage, the general level of draws), strength (ratings from "
            "results), play (ratings from shots, corners, cards and goals), form (last five matches), season (so far), "
            "rest, stakes (the table, and what can be won or lost), experience (how many matches of the clubs are known), "
            "occasion (level of the league, month), memory (prices of earlier matches), quotes (the average price of this match) "
            "or bookmakers (single ones and the handicap, where they stand apart from it)."
        ),
    ]
    side: Annotated[float, Meta(description="To ln(p_home/p_away): above 0 it speaks for the home side.")]
    draw: Annotated[float, Meta(description="To ln(p_draw/√(p_home·p_away)): above 0 it speaks for a draw.")]


class Change(Struct, frozen=True, kw_only=True):
    """What is otherwise than in the prediction of the same match and information set before this one."""

    prediction_id: Annotated[str, Meta(description="The one before.")]
    issued_at: datetime
    p_home: float
    p_draw: float
    p_away: float
    is_other_model: Annotated[bool, Meta(description="Whether it was made by another model, or another version.")]
    contributions: Annotated[
        list[Contribution] | None,
        Meta(description="By how much each group adds more now; null where that is not known of the one before."),
    ]


class Explanation(Struct, frozen=True, kw_only=True):
    """Why a forecast is what it is: the contributions add up to the two log-odds, to nine decimals."""

    side: Annotated[float, Meta(description="ln(p_home/p_away).")]
    draw: Annotated[float, Meta(description="ln(p_draw/√(p_home·p_away)).")]
    contributions: list[Contribution]
    change: Annotated[Change | None, Meta(description="null in the first prediction of a match.")]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Explanation":
        """From the column `explanation` of `published.prediction`, rounded."""
        contributions, change = content["contributions"], content["change"]
        return cls(
            side=round(sum(side for _, side, _ in contributions), 12),
            draw=round(sum(draw for _, _, draw in contributions), 12),
            contributions=_contributions(contributions),
            change=change and _change(change),
        )


def _contributions(rows: Sequence[tuple[str, float, float]]) -> list[Contribution]:
    return [Contribution(group=group, side=round(side, 12), draw=round(draw, 12)) for group, side, draw in rows]


def _change(content: Mapping[str, Any]) -> Change:
    p_home, p_draw, p_away = round_probabilities(content["p_home"], content["p_draw"], content["p_away"])
    return Change(
        prediction_id=content["prediction_id"],
        issued_at=datetime.fromisoformat(content["issued_at"]),
        p_home=p_home,
        p_draw=p_draw,
        p_away=p_away,
        is_other_model=content["is_other_model"],
        contributions=content["contributions"] and _contributions(content["contributions"]),
    )


class PredictionDetail(Prediction, frozen=True, kw_only=True):
    """The forecast of one match with every market, all from one distribution of the score, and why it is what it is."""

    expected_home_points: float | None
    expected_away_points: float | None
    scorelines: Annotated[
        list[list[float]] | None,
        Meta(description="Probabilities of the scores: home goals down, away goals across, 0 to 5, then 6 or more."),
    ]
    selections: Annotated[
        list[Selection] | None, Meta(description="null in a prediction that was published before there were any.")
    ]
    explanation: Annotated[Explanation | None, Meta(description="null in a prediction that was issued before there were any.")]

    @classmethod
    def of(cls, row: Mapping[str, Any], is_simulated: bool) -> "PredictionDetail":
        """The answer for a row of `published.prediction` with its columns `book` and `explanation`, rounded."""
        book: Mapping[str, Any] = row["book"] or {}
        head = Prediction.of({name: value for name, value in row.items() if name not in ("book", "explanation")}, is_simulated)
        outcomes = {"home": head.p_home, "draw": head.p_draw, "away": head.p_away}
        given = book.get("selections", ())
        selections = [
            _selection(market, line, name, p)
            for (market, line, name, _), p in zip(given, round_selections(given, outcomes), strict=True)
        ]
        return cls(
            **structs.asdict(head),
            expected_home_points=_rounded(book.get("expected_home_points")),
            expected_away_points=_rounded(book.get("expected_away_points")),
            scorelines=round_grid(book["scorelines"]) if book else None,
            selections=selections if book else None,
            explanation=Explanation.of(row["explanation"]) if row["explanation"] else None,
        )


def _selection(market: str, line: float | None, name: str, probability: float) -> Selection:
    odds = round(1.0 / probability, 3) if probability > 0 else None
    return Selection(market=market, line=line, selection=name, probability=probability, fair_odds=odds)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


class PredictionPage(Struct, frozen=True, kw_only=True):
    """One page of predictions by kick-off."""

    is_simulated: bool
    publication_id: int
    published_at: datetime
    note: str | None
    predictions: Sequence[Prediction]
    next_cursor: Annotated[str | None, Meta(description="Send it with the same filters for the next page; null at the end.")]


@part
class PartOfPrediction(Prediction, frozen=True, kw_only=True):
    """Of the forecast of one match what `fields` names."""


@part
class PartOfPredictionDetail(PredictionDetail, frozen=True, kw_only=True):
    """Of the forecast of one match with every market what `fields` names."""


class PageOfParts(PredictionPage, frozen=True, kw_only=True):
    """One page of predictions by kick-off, of each what `fields` names."""

    predictions: Sequence[PartOfPrediction]


class Liveness(Struct, frozen=True):
    """The process answers."""

    status: str


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether the service can do its work: `ready`, or `degraded` (it answers, but something is missing)."""

    status: str
    database: Annotated[str, Meta(description="`up` or `down` (reads go on from what is held in memory).")]
    redis: Annotated[str, Meta(description="`up`, `down` (reads go on, logins are limited per process) or `off`.")]
    is_simulated: bool
    publication_id: Annotated[int | None, Meta(description="null: nothing has been published yet.")]
    publication_age_seconds: float | None
    confirmed_age_seconds: float | None


class Problem(Struct, frozen=True, kw_only=True):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    is_simulated: bool
    errors: Annotated[list[dict[str, Any]] | UnsetType, Meta(description="What is wrong with which field.")] = UNSET
