"""The record: scores, their summaries, the ledger's verification, and its backups.

Belongs here: the queries over `published.score`, `scoreboard`, `calibration`, `ledger_verification` and `backup`.
"""

import math
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from serving.distance import cumulative
from serving.schemas.record import CalibrationBin, DayDistance, ScoreboardRow, SettledPrediction
from serving.schemas.rounding import round_probabilities
from serving.store.database import Reads

OUTCOMES: Final = ("home", "draw", "away")


class RecordFilters(Struct, frozen=True, kw_only=True):
    """Which settled predictions are wanted: kick-off in [since, until), of a competition, a team's, a set's, a horizon's."""

    since: datetime | None = None
    until: datetime | None = None
    competition: str | None = None
    team: str | None = None
    information_set: str | None = None
    horizon_hours: int | None = None


class Record:
    """The queries."""

    def __init__(self, reads: Reads, lists: Reads | None = None, asked_first: Reads | None = None) -> None:
        """`lists` answers what is asked for with free filters, `asked_first` whether the ledger is intact (default: `reads`)."""
        self._reads = reads
        self._lists = reads if lists is None else lists
        self._asked_first = reads if asked_first is None else asked_first

    async def scoreboard(self, information_set: str | None, group_by: str | None) -> list[ScoreboardRow]:
        """The summaries, of one set or all, in one grouping or all."""
        # Of the whole, which is small: a filter that anybody may make up would be an answer of its own to keep.
        query = "select * from published.scoreboard order by information_set, horizon_hours, group_by, group_name"
        wanted = {"information_set": information_set, "group_by": group_by}
        return [ScoreboardRow(**_rounded(row, ScoreboardRow)) for row in _only(await self._rows(query), wanted)]

    async def calibration(self, information_set: str | None) -> list[CalibrationBin]:
        """How often what was said came true."""
        query = "select * from published.calibration order by information_set, outcome, bin"
        wanted = {"information_set": information_set}
        return [CalibrationBin(**_rounded(row, CalibrationBin)) for row in _only(await self._rows(query), wanted)]

    async def distances(self, information_set: str) -> list[DayDistance]:
        """By day of kick-off, the log losses above the closing odds' of the last forecasts before kick-off."""
        query = """
            select date_trunc('day', kickoff_at) as day, count(*) as n, sum(log_loss - market_log_loss) as distance
            from published.score
            where information_set = :information_set and horizon_hours = 0 and market_log_loss is not null
            group by day
            order by day
        """
        statement = sa.text(query).bindparams(information_set=information_set)
        is_known = any(each.information_set == information_set for each in await self.scoreboard(None, None))
        rows = await (self._reads if is_known else self._lists).rows(statement)
        return cumulative(information_set, ((row["day"], row["n"], row["distance"]) for row in rows))

    async def settled(self, filters: RecordFilters, after: tuple[datetime, str] | None, limit: int) -> list[SettledPrediction]:
        """At most `limit` settled predictions by (kick-off, id), those behind `after` if given."""
        conditions = {
            "since": "score.kickoff_at >= :since",
            "until": "score.kickoff_at < :until",
            "competition": "score.competition_id = :competition",
            "team": "score.match_id in (select match_id from published.match where home_team_id = :team or away_team_id = :team)",
            "information_set": "score.information_set = :information_set",
            "horizon_hours": "score.horizon_hours = :horizon_hours",
        }
        values: dict[str, Any] = {name: getattr(filters, name) for name in conditions if getattr(filters, name) is not None}
        given = ["true", *(conditions[name] for name in values)]
        if after is not None:
            given.append("(score.kickoff_at, score.score_id) > (:kickoff_at, :score_id)")
            values["kickoff_at"], values["score_id"] = after
        query = """
            select score.*, said.issued_at, said.p_home, said.p_draw, said.p_away
            from published.score as score
            join published.issued_prediction as said using (prediction_id)
            where {where}
            order by score.kickoff_at, score.score_id
            limit :limit
        """
        statement = sa.text(query.format(where=" and ".join(given))).bindparams(limit=limit, **values)
        return [_settled(row) for row in await self._lists.rows(statement)]

    async def verification(self) -> dict[str, Any] | None:
        """What the last verification of the ledger found; None before the first."""
        query = "select * from published.ledger_verification order by verified_at desc limit 1"
        rows = await self._asked_first.rows(sa.text(query))
        return rows[0] if rows else None

    async def last_backup(self) -> dict[str, Any] | None:
        """The newest backup that was found whole: `taken_at`, `n_bytes`, `verified_at`, `restored_at`; None before the first."""
        rows = await self._rows("select * from published.backup order by taken_at desc limit 1")
        return rows[0] if rows else None

    async def _rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        return await self._reads.rows(sa.text(query).bindparams(**values))


def _only(rows: list[dict[str, Any]], wanted: dict[str, str | None]) -> list[dict[str, Any]]:
    """The rows that have each value that is given."""
    return [row for row in rows if all(value is None or row[name] == value for name, value in wanted.items())]


def _rounded(row: dict[str, Any], kind: type[Struct]) -> dict[str, Any]:
    """The fields of `kind`, scores to six decimals; NaN, which the summary of nothing is, becomes null."""
    return {name: _score(row[name]) for name in kind.__struct_fields__}


def _score(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else round(value, 6)


def _settled(row: dict[str, Any]) -> SettledPrediction:
    p_home, p_draw, p_away = round_probabilities(row["p_home"], row["p_draw"], row["p_away"])
    said = {"p_home": p_home, "p_draw": p_draw, "p_away": p_away, "outcome": OUTCOMES[row["outcome"]]}
    return SettledPrediction(**_rounded({**row, **said}, SettledPrediction))
