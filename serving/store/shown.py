"""What is known besides the predictions of a publication, as the pages show it: results, the ledger, the record, the seasons.

Belongs here: queries over those tables of `published` that do not depend on a publication. Does not belong here: arithmetic.
"""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct, convert, json
from sqlalchemy.dialects.postgresql import JSONB

from serving.store.database import Database


class Result(Struct, frozen=True, kw_only=True):
    """A match that was played."""

    match_id: str
    competition_id: str
    season: int
    kickoff_at: datetime
    home_team_id: str
    home_team: str
    away_team_id: str
    away_team: str
    home_goals: int
    away_goals: int


class Issued(Struct, frozen=True, kw_only=True):
    """A prediction of the ledger."""

    prediction_id: str
    information_set: str
    model_name: str
    model_version: int
    kickoff_at: datetime
    issued_at: datetime
    p_home: float
    p_draw: float
    p_away: float


class Outlook(Struct, frozen=True, kw_only=True):
    """How the season of a club may end."""

    team_id: str
    team: str
    season: int
    points: int
    expected_points: float
    n_left: int
    p_title: float
    p_top_four: float
    p_relegated: float
    n_relegated: int
    places: list[float] | None


class Scoreboard(Struct, frozen=True, kw_only=True):
    """The scores of a group of forecasts, and the closing odds' on the same matches."""

    information_set: str
    group_by: str
    group_name: str
    n: int
    log_loss: float
    rps: float
    brier: float
    n_market: int
    market_log_loss: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None


class Bin(Struct, frozen=True, kw_only=True):
    """Forecasts that said about the same, and how often it came true."""

    outcome: str
    n: int
    p_mean: float
    frequency: float
    frequency_low: float
    frequency_high: float


class Verification(Struct, frozen=True, kw_only=True):
    """What came of computing the ledger's links anew."""

    verified_at: datetime
    n_predictions: int
    head_link: str | None
    is_intact: bool
    faults: list[str]


def _published(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns), schema="published")


_MATCH: Final = (
    "match_id",
    "competition_id",
    "season",
    "kickoff_at",
    "status",
    "home_team_id",
    "away_team_id",
    "home_goals",
    "away_goals",
)
_match = _published("match", *_MATCH)
_team = _published("team", "team_id", "name", "competition_id", "season")
_issued = _published("issued_prediction", "match_id", "sequence", *Issued.__struct_fields__)
_outlook = _published("season_outlook", "competition_id", *(name for name in Outlook.__struct_fields__ if name != "team"))
_scoreboard = _published("scoreboard", "horizon_hours", *Scoreboard.__struct_fields__)
_calibration = _published("calibration", "information_set", "bin", *Bin.__struct_fields__)
_score = _published("score", "information_set", "horizon_hours", "kickoff_at", "log_loss", "market_log_loss")
_verification = sa.table(
    "ledger_verification",
    *(sa.column(name) for name in Verification.__struct_fields__ if name != "faults"),
    sa.column("faults", JSONB),
    schema="published",
)


class Shown:
    """The queries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def form(self, team_id: str, before: datetime, limit: int) -> list[Result]:
        """The last results of a club, the latest first."""
        plays = sa.or_(_match.c.home_team_id == team_id, _match.c.away_team_id == team_id)
        return await self._results(plays, _match.c.kickoff_at < before, limit=limit)

    async def meetings(self, one: str, other: str, before: datetime, limit: int) -> list[Result]:
        """The last results of two clubs against each other, the latest first."""
        home, away = _match.c.home_team_id, _match.c.away_team_id
        met = sa.or_(sa.and_(home == one, away == other), sa.and_(home == other, away == one))
        return await self._results(met, _match.c.kickoff_at < before, limit=limit)

    async def season(self, competition_id: str, season: int) -> list[Result]:
        """The results of a season, the latest first."""
        return await self._results(_match.c.competition_id == competition_id, _match.c.season == season)

    async def latest_season(self, competition_id: str) -> int | None:
        """The season that a competition's last result belongs to."""
        played = (_match.c.competition_id == competition_id, _match.c.status == "played")
        rows = await self._database.rows(sa.select(sa.func.max(_match.c.season).label("season")).where(*played))
        return rows[0]["season"] if rows else None

    async def history(self, match_id: str) -> list[Issued]:
        """All that was ever said of a match, the first first."""
        columns = [_issued.c[name] for name in Issued.__struct_fields__]
        query = sa.select(*columns).where(_issued.c.match_id == match_id).order_by(_issued.c.sequence)
        return [Issued(**row) for row in await self._database.rows(query)]

    async def outlook(self, competition_id: str) -> list[Outlook]:
        """How the clubs of a competition may end, the most expected points first; nothing between seasons."""
        columns = [_outlook.c[name] for name in Outlook.__struct_fields__ if name != "team"]
        query = (
            sa.select(*columns, _team.c.name.label("team"))
            .join_from(_outlook, _team, _team.c.team_id == _outlook.c.team_id)
            .where(_outlook.c.competition_id == competition_id)
            .order_by(_outlook.c.expected_points.desc(), _team.c.name)
        )
        rows = await self._database.rows(query)
        return [convert(row | {"places": row["places"] and json.decode(row["places"])}, Outlook) for row in rows]

    async def scoreboard(self) -> list[Scoreboard]:
        """The record: the last forecasts before kick-off, summed up."""
        columns = [_scoreboard.c[name] for name in Scoreboard.__struct_fields__]
        query = sa.select(*columns).where(_scoreboard.c.horizon_hours == 0)
        query = query.order_by(_scoreboard.c.information_set, _scoreboard.c.group_by, _scoreboard.c.group_name)
        return [Scoreboard(**row) for row in await self._database.rows(query)]

    async def calibration(self, information_set: str) -> list[Bin]:
        """How often what was said came true, the least probable first."""
        columns = [_calibration.c[name] for name in Bin.__struct_fields__]
        query = sa.select(*columns).where(_calibration.c.information_set == information_set)
        query = query.order_by(_calibration.c.outcome, _calibration.c.bin)
        return [Bin(**row) for row in await self._database.rows(query)]

    async def distances(self, information_set: str) -> list[tuple[datetime, float, int]]:
        """By day of kick-off: the day, the sum of the log losses above the closing odds', and of how many matches."""
        day = sa.func.date_trunc("day", _score.c.kickoff_at).label("day")
        query = (
            sa.select(day, sa.func.sum(_score.c.log_loss - _score.c.market_log_loss).label("total"), sa.func.count().label("n"))
            .where(
                _score.c.information_set == information_set, _score.c.horizon_hours == 0, _score.c.market_log_loss.is_not(None)
            )
            .group_by(day)
            .order_by(day)
        )
        return [(row["day"], row["total"], row["n"]) for row in await self._database.rows(query)]

    async def verification(self) -> Verification | None:
        """The last time that the ledger's links were computed anew."""
        query = sa.select(_verification).order_by(_verification.c.verified_at.desc()).limit(1)
        rows = await self._database.rows(query)
        return Verification(**rows[0]) if rows else None

    async def _results(self, *conditions: sa.ColumnElement[Any], limit: int | None = None) -> list[Result]:
        home, away = _team.alias("home"), _team.alias("away")
        query = (
            sa.select(
                *(_match.c[name] for name in _MATCH if name != "status"),
                home.c.name.label("home_team"),
                away.c.name.label("away_team"),
            )
            .join_from(_match, home, home.c.team_id == _match.c.home_team_id)
            .join(away, away.c.team_id == _match.c.away_team_id)
            .where(_match.c.status == "played", *conditions)
            .order_by(_match.c.kickoff_at.desc(), _match.c.match_id)
            .limit(limit)
        )
        return [Result(**row) for row in await self._database.rows(query)]
