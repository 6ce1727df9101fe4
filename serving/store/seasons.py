"""Seasons: the table as it stands, and how it may end.

Belongs here: the queries over `published.match` and `published.season_outlook` for one competition.
"""

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from serving.schemas.seasons import Outlook, Standing
from serving.store.database import Reads


class Seasons:
    """The queries."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def latest_season(self, competition_id: str) -> int | None:
        """The last season that a match is known of; None for a competition without any."""
        query = "select max(season) as season from published.match where competition_id = :competition_id"
        season: int | None = (await self._rows(query, competition_id=competition_id))[0]["season"]
        return season

    async def table(self, competition_id: str, season: int) -> tuple[list[Standing], datetime | None]:
        """The table by points, goal difference and goals, and the kick-off of the latest match in it."""
        query = """
            with played as (
                select * from published.match
                where competition_id = :competition_id and season = :season and status = 'played'
            ),

            side as (
                select home_team_id as team_id, home_goals as own, away_goals as other, kickoff_at from played
                union all
                select away_team_id, away_goals, home_goals, kickoff_at from played
            ),

            club as (
                select distinct unnest(array[home_team_id, away_team_id]) as team_id from published.match
                where competition_id = :competition_id and season = :season
            ),

            summed as (
                select
                    club.team_id,
                    count(own) as played,
                    count(*) filter (where own > other) as won,
                    count(*) filter (where own = other) as drawn,
                    count(*) filter (where own < other) as lost,
                    coalesce(sum(own), 0) as goals_for,
                    coalesce(sum(other), 0) as goals_against,
                    coalesce(sum(own - other), 0) as goal_difference,
                    3 * count(*) filter (where own > other) + count(*) filter (where own = other) as points,
                    max(kickoff_at) as latest
                from club
                left join side using (team_id)
                group by club.team_id
            )

            select
                rank() over (order by points desc, goal_difference desc, goals_for desc) as position,
                team_id, team.name as team, played, won, drawn, lost, goals_for, goals_against, goal_difference, points,
                max(latest) over () as latest
            from summed
            join published.team as team using (team_id)
            order by position, team.name
        """
        rows = await self._rows(query, competition_id=competition_id, season=season)
        latest = rows[0]["latest"] if rows else None
        return [Standing(**{name: row[name] for name in Standing.__struct_fields__}) for row in rows], latest

    async def outlook(self, competition_id: str, season: int) -> tuple[list[Outlook], int] | None:
        """How the season may end, the most expected points first, and how many clubs go down; None where that is not known."""
        query = """
            select o.*, team.name as team from published.season_outlook as o
            join published.team as team using (team_id)
            where o.competition_id = :competition_id and o.season = :season
            order by expected_points desc, team.name
        """
        rows = await self._rows(query, competition_id=competition_id, season=season)
        return ([_outlook(row) for row in rows], rows[0]["n_relegated"]) if rows else None

    async def _rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        return await self._reads.rows(sa.text(query).bindparams(**values))


def _outlook(row: dict[str, Any]) -> Outlook:
    places = row["places"] and json.loads(row["places"])
    rounded = {name: round(row[name], 4) for name in ("p_title", "p_top_four", "p_relegated")}
    same = {name: row[name] for name in ("team_id", "team", "points", "n_left")}
    return Outlook(**same, **rounded, expected_points=round(row["expected_points"], 2), places=places)
