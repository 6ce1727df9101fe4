"""Clubs, matches and what was said of a match.

Belongs here: the queries over `published.team`, `match` and `issued_prediction`.
"""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from serving.schemas.matches import IssuedPrediction, Match, Team, issued
from serving.store.database import Reads

FORM: Final = 10
"""Matches that tell a club's form."""

_MATCHES: Final = """
    with found as (
        select * from published.match where {where} order by {order} limit :limit
    )

    select found.*, home.name as home_team, away.name as away_team, said.*
    from found
    join published.team as home on home.team_id = found.home_team_id
    join published.team as away on away.team_id = found.away_team_id
    left join lateral (
        select prediction_id, information_set, issued_at, p_home, p_draw, p_away
        from published.issued_prediction as p
        where p.match_id = found.match_id and p.issued_at < found.kickoff_at
        order by array_position(array['market', 'history', 'results'], information_set), sequence desc
        limit 1
    ) as said on true
    order by {order}
"""


class MatchFilters(Struct, frozen=True, kw_only=True):
    """Which matches are wanted: kick-off in [since, until), of a competition, a season, a team, against an opponent."""

    since: datetime | None = None
    until: datetime | None = None
    competition: str | None = None
    season: int | None = None
    team: str | None = None
    opponent: str | None = None
    status: str | None = None


class Matches:
    """The queries."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def teams(self, competition: str | None, search: str | None, after: str | None, limit: int) -> list[Team]:
        """At most `limit` clubs by id, those behind `after` if given; `search` is a part of the name in any case."""
        query = """
            select team_id, name, country, competition_id, season from published.team
            where (cast(:competition as text) is null or competition_id = :competition)
                and (cast(:search as text) is null or strpos(lower(name), lower(:search)) > 0)
                and (cast(:after as text) is null or team_id > :after)
            order by team_id
            limit :limit
        """
        return [Team(**row) for row in await self._rows(query, competition=competition, search=search, after=after, limit=limit)]

    async def team(self, team_id: str) -> Team | None:
        """A club by its id."""
        query = "select team_id, name, country, competition_id, season from published.team where team_id = :team_id"
        rows = await self._rows(query, team_id=team_id)
        return Team(**rows[0]) if rows else None

    async def form(
        self, team_id: str, limit: int = FORM, before: datetime | None = None, opponent: str | None = None
    ) -> list[Match]:
        """The club's last played matches, the latest first: of all, or of those before a moment, or against one opponent."""
        where = """
            (home_team_id = :team or away_team_id = :team) and status = 'played'
            and (cast(:before as timestamptz) is null or kickoff_at < :before)
            and (cast(:opponent as text) is null or :opponent in (home_team_id, away_team_id))
        """
        query = _MATCHES.format(where=where, order="kickoff_at desc, match_id desc")
        return [Match.of(row) for row in await self._rows(query, team=team_id, limit=limit, before=before, opponent=opponent)]

    async def matches(self, filters: MatchFilters, after: tuple[datetime, str] | None, limit: int) -> list[Match]:
        """At most `limit` matches by (kick-off, id), those behind `after` if given."""
        conditions = {
            "kickoff_at >= :since": filters.since,
            "kickoff_at < :until": filters.until,
            "competition_id = :competition": filters.competition,
            "season = :season": filters.season,
            "(home_team_id = :team or away_team_id = :team)": filters.team,
            "(home_team_id = :opponent or away_team_id = :opponent)": filters.opponent,
            "status = :status": filters.status,
        }
        given = [condition for condition, value in conditions.items() if value is not None]
        values: dict[str, Any] = {
            name: getattr(filters, name) for name in filters.__struct_fields__ if getattr(filters, name) is not None
        }
        if after is not None:
            given.append("(kickoff_at, match_id) > (:kickoff_at, :match_id)")
            values["kickoff_at"], values["match_id"] = after
        query = _MATCHES.format(where=" and ".join(given) or "true", order="kickoff_at, match_id")
        return [Match.of(row) for row in await self._rows(query, limit=limit, **values)]

    async def match(self, match_id: str) -> Match | None:
        """A match by its id."""
        rows = await self._rows(_MATCHES.format(where="match_id = :match_id", order="match_id"), match_id=match_id, limit=1)
        return Match.of(rows[0]) if rows else None

    async def history(self, match_id: str) -> list[IssuedPrediction]:
        """All that was ever said of a match, in the order in which it was said."""
        query = "select * from published.issued_prediction where match_id = :match_id order by sequence"
        said: list[IssuedPrediction] = []
        latest: dict[str, IssuedPrediction] = {}
        for row in await self._rows(query, match_id=match_id):
            said.append(issued(row, latest.get(row["information_set"])))
            latest[row["information_set"]] = said[-1]
        return said

    async def _rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        return await self._reads.rows(sa.text(query).bindparams(**values))
