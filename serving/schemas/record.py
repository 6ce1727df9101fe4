"""What is answered about the record: how good the forecasts were that were really issued, and that none was changed."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct


class LedgerState(Struct, frozen=True, kw_only=True):
    """What came of verifying the ledger: the faults stand at `/v1/record/verification`."""

    verified_at: datetime
    n_predictions: int
    is_intact: bool


class ScoreboardRow(Struct, frozen=True, kw_only=True):
    """The scores of a group of forecasts, beside the closing odds of the same matches."""

    information_set: str
    horizon_hours: Annotated[int, Meta(description="The last forecast issued so many hours before kick-off; 0 is the record.")]
    group_by: Annotated[str, Meta(description="all, competition, season, competition_season, month or firmness.")]
    group_name: Annotated[str, Meta(examples=["E0", "2026-02"])]
    n: int
    log_loss: Annotated[float, Meta(description="In nats; the smaller the better, as all scores here.")]
    rps: float
    brier: float
    n_market: Annotated[int, Meta(description="Matches with closing odds: those of the next four fields.")]
    market_log_loss: float | None
    difference: Annotated[float | None, Meta(description="Log loss above that of the closing odds.")]
    difference_low: Annotated[float | None, Meta(description="95 % interval, resampled by match-day.")]
    difference_high: float | None


class CalibrationBin(Struct, frozen=True, kw_only=True):
    """Forecasts of about the same probability, and how often they came true."""

    information_set: str
    outcome: Annotated[str, Meta(description="home, draw or away.")]
    bin: int
    n: int
    p_mean: Annotated[float, Meta(description="What was said.")]
    frequency: Annotated[float, Meta(description="What came.")]
    frequency_low: Annotated[float, Meta(description="95 % interval (Wilson).")]
    frequency_high: float


class RecordAnswer(Struct, frozen=True, kw_only=True):
    """The record so far."""

    is_simulated: bool
    scoreboard: list[ScoreboardRow]
    calibration: Annotated[list[CalibrationBin], Meta(description="Of the last forecasts before kick-off.")]
    ledger: Annotated[LedgerState | None, Meta(description="null before it was verified first.")]


class CalibrationAnswer(Struct, frozen=True, kw_only=True):
    """How often what was said came true."""

    is_simulated: bool
    calibration: list[CalibrationBin]


class DayDistance(Struct, frozen=True, kw_only=True):
    """The matches of a day, and all up to it: by how much forecasts lost more than the closing odds."""

    information_set: str
    day: Annotated[datetime, Meta(description="Of kick-off, in UTC.")]
    n: Annotated[int, Meta(description="Matches of the day with closing odds.")]
    distance: Annotated[float, Meta(description="Sum of their log losses above those of the closing odds, in nats.")]
    total: Annotated[float, Meta(description="The same of all days up to this one: below 0 is ahead of the market.")]
    low: Annotated[float | None, Meta(description="95 % interval of the total, from how much days differ; null on the first.")]
    high: float | None


class DistanceAnswer(Struct, frozen=True, kw_only=True):
    """How far the record is from the market, day by day."""

    is_simulated: bool
    days: list[DayDistance]


class SettledPrediction(Struct, frozen=True, kw_only=True):
    """A forecast whose match was played, and its scores."""

    score_id: str
    prediction_id: str
    match_id: str
    information_set: str
    horizon_hours: int
    competition_id: str
    season: int
    kickoff_at: datetime
    issued_at: datetime
    p_home: float
    p_draw: float
    p_away: float
    outcome: Annotated[str, Meta(description="home, draw or away.")]
    log_loss: float
    rps: float
    brier: float
    market_log_loss: Annotated[float | None, Meta(description="Of the closing odds without their margin.")]
    firmness: str | None


class SettledPage(Struct, frozen=True, kw_only=True):
    """One page of settled predictions by kick-off."""

    is_simulated: bool
    predictions: list[SettledPrediction]
    next_cursor: Annotated[str | None, Meta(description="Send it with the same filters for the next page; null at the end.")]


class VerificationAnswer(Struct, frozen=True, kw_only=True):
    """What came of computing the links of the ledger anew, behind the last run."""

    is_simulated: bool
    verified_at: datetime
    n_predictions: int
    head_sequence: int | None
    head_link: Annotated[str | None, Meta(description="Depends on every prediction before it: note it, and compare later.")]
    is_intact: bool
    faults: list[str]
