"""What is answered about clubs, matches and what was said of a match over time."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from serving.schemas import Contribution
from serving.schemas.rounding import round_probabilities


class Team(Struct, frozen=True, kw_only=True):
    """A club; its id stays the same through the tiers of its country."""

    team_id: Annotated[str, Meta(examples=["england-arsenal"])]
    name: Annotated[str, Meta(examples=["Arsenal"])]
    country: Annotated[str, Meta(examples=["England"])]
    competition_id: Annotated[str, Meta(description="In which its latest match was, or is to be.", examples=["E0"])]
    season: Annotated[int, Meta(description="Of that match: the year in which the season begins.", examples=[2025])]


class TeamPage(Struct, frozen=True, kw_only=True):
    """One page of clubs by their ids."""

    is_simulated: bool
    teams: list[Team]
    next_cursor: Annotated[str | None, Meta(description="Send it with the same filters for the next page; null at the end.")]


class Forecast(Struct, frozen=True, kw_only=True):
    """What was last said of a match before its kick-off, by the set that was allowed to know most."""

    prediction_id: str
    information_set: Annotated[str, Meta(examples=["market"])]
    issued_at: datetime
    p_home: float
    p_draw: float
    p_away: float


class MatchStatus(StrEnum):
    """How a match stands."""

    PLAYED = "played"
    SCHEDULED = "scheduled"
    VOID = "void"
    UNKNOWN = "unknown"
    """Its day has passed, and no source says more."""


class Match(Struct, frozen=True, kw_only=True):
    """A match, played or not."""

    match_id: Annotated[str, Meta(examples=["e0-2025-arsenal-chelsea-1"])]
    competition_id: Annotated[str, Meta(examples=["E0"])]
    season: Annotated[int, Meta(description="The year in which the season begins.", examples=[2025])]
    kickoff_at: Annotated[datetime, Meta(description="In UTC.")]
    is_time_known: Annotated[bool, Meta(description="False: only the day is known and `kickoff_at` is its start.")]
    status: Annotated[MatchStatus, Meta(description="unknown: its day has passed, and no source says more.")]
    home_team_id: str
    home_team: str
    away_team_id: str
    away_team: str
    home_goals: Annotated[int | None, Meta(description="null until played.")]
    away_goals: int | None
    home_half_time_goals: Annotated[int | None, Meta(description="null where no source says.")]
    away_half_time_goals: int | None
    forecast: Annotated[Forecast | None, Meta(description="null where none was issued before kick-off.")]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Match":
        """From a match joined with the prediction that counts, whose columns are null where there is none."""
        forecast = None
        if row["prediction_id"] is not None:
            p_home, p_draw, p_away = round_probabilities(row["p_home"], row["p_draw"], row["p_away"])
            forecast = Forecast(
                prediction_id=row["prediction_id"],
                information_set=row["information_set"],
                issued_at=row["issued_at"],
                p_home=p_home,
                p_draw=p_draw,
                p_away=p_away,
            )
        own = [name for name in cls.__struct_fields__ if name != "forecast"]
        return cls(**{name: row[name] for name in own}, forecast=forecast)


class MatchRow(Struct, frozen=True, kw_only=True):
    """A match as a line of CSV, the forecast's columns empty where there is none."""

    match_id: str
    competition_id: str
    season: int
    kickoff_at: datetime
    is_time_known: bool
    status: str
    home_team_id: str
    home_team: str
    away_team_id: str
    away_team: str
    home_goals: int | None
    away_goals: int | None
    prediction_id: str | None
    p_home: float | None
    p_draw: float | None
    p_away: float | None

    @classmethod
    def of(cls, match: Match) -> "MatchRow":
        """The line of a match."""
        cells: dict[str, Any] = {
            name: getattr(match, name, getattr(match.forecast, name, None)) for name in cls.__struct_fields__
        }
        return cls(**cells)


class MatchPage(Struct, frozen=True, kw_only=True):
    """One page of matches by kick-off."""

    is_simulated: bool
    matches: list[Match]
    next_cursor: Annotated[str | None, Meta(description="Send it with the same filters for the next page; null at the end.")]


class TeamAnswer(Team, frozen=True, kw_only=True):
    """A club and its last matches, the latest first."""

    is_simulated: bool
    form: Annotated[list[Match], Meta(description="The last ten played, the latest first.")]


class MatchAnswer(Match, frozen=True, kw_only=True):
    """One match."""

    is_simulated: bool


class IssuedPrediction(Struct, frozen=True, kw_only=True):
    """What the ledger was told of a match at one moment by one information set."""

    prediction_id: str
    information_set: str
    model_name: str
    model_version: int
    kickoff_at: Annotated[datetime, Meta(description="As it was known then.")]
    as_of: datetime
    issued_at: datetime
    p_home: float
    p_draw: float
    p_away: float
    expected_home_goals: float
    expected_away_goals: float
    firmness: str | None
    supersedes: Annotated[str | None, Meta(description="The prediction of the same set that this one took the place of.")]
    change_home: Annotated[float | None, Meta(description="p_home less that of the one before; null in the first of its set.")]
    change_draw: float | None
    change_away: float | None
    is_other_model: Annotated[bool | None, Meta(description="Whether another model, or version, said this than the one before.")]
    contributions: Annotated[
        list[Contribution] | None, Meta(description="What adds up to its log-odds; null where issued before it was kept.")
    ]


class History(Struct, frozen=True, kw_only=True):
    """All that was ever said of a match, in the order in which it was said."""

    is_simulated: bool
    match_id: str
    predictions: list[IssuedPrediction]


def issued(row: Mapping[str, Any], before: IssuedPrediction | None) -> IssuedPrediction:
    """A row of `published.issued_prediction` behind the one of its set before it."""
    p = round_probabilities(row["p_home"], row["p_draw"], row["p_away"])
    change: list[float | None] = [None] * 3
    if before:
        change = [round(now - then, 6) for now, then in zip(p, (before.p_home, before.p_draw, before.p_away), strict=True)]
    contributions = row["contributions"]
    return IssuedPrediction(
        prediction_id=row["prediction_id"],
        information_set=row["information_set"],
        model_name=row["model_name"],
        model_version=row["model_version"],
        kickoff_at=row["kickoff_at"],
        as_of=row["as_of"],
        issued_at=row["issued_at"],
        p_home=p[0],
        p_draw=p[1],
        p_away=p[2],
        expected_home_goals=round(row["expected_home_goals"], 3),
        expected_away_goals=round(row["expected_away_goals"], 3),
        firmness=row["firmness"],
        supersedes=before.prediction_id if before else None,
        change_home=change[0],
        change_draw=change[1],
        change_away=change[2],
        is_other_model=(before.model_name, before.model_version) != (row["model_name"], row["model_version"]) if before else None,
        contributions=contributions
        and [Contribution(group=group, side=round(side, 12), draw=round(draw, 12)) for group, side, draw in contributions],
    )
