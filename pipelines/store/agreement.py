"""What different sources say of one match, where they do not say the same.

Belongs here: the question. Which source is believed, and that it is one match, silver decides (`int_match`).
"""

import pandas as pd

from pipelines.store.warehouse import Warehouse


def disagreements(warehouse: Warehouse) -> pd.DataFrame:
    """Played matches of which another source tells another score or day than the league's own file.

    Columns: `competition_id, season, home_team_id, away_team_id`; `source, match_on, home_goals, away_goals` of the league's own
    file, the same with `other_` of the other source, and `differs`: `score`, `day` or `score and day`. The day before is no other
    one: an evening in America is the next morning in the UK. Matches more than two days apart are two, play-offs mostly, unless
    they have the same score.
    """
    return warehouse.read(
        """
        with sighting as materialized (
            select
                sighting.competition_id,
                coalesce(fixture_season.season, sighting.season) as season,
                home.team_id as home_team_id,
                away.team_id as away_team_id,
                sighting.sighting_id,
                sighting.source,
                sighting.match_on,
                sighting.home_goals,
                sighting.away_goals,
                sighting.layout in ('main', 'new') and sighting.source <> 'inbox' as is_own
            from silver.int_sighting as sighting
            join silver.int_team_name as home on sighting.country = home.country and sighting.home_team = home.source_name
            join silver.int_team_name as away on sighting.country = away.country and sighting.away_team = away.source_name
            left join silver.int_fixture_season as fixture_season using (sighting_id)
            where sighting.is_played
        ),

        compared as (
            select distinct on (other.sighting_id)
                own.competition_id,
                own.season,
                own.home_team_id,
                own.away_team_id,
                own.source,
                own.match_on,
                own.home_goals,
                own.away_goals,
                other.source as other_source,
                other.match_on as other_match_on,
                other.home_goals as other_home_goals,
                other.away_goals as other_away_goals,
                (own.home_goals, own.away_goals) = (other.home_goals, other.away_goals) as is_same_score,
                other.match_on - own.match_on as n_days
            from sighting as other
            join sighting as own using (competition_id, season, home_team_id, away_team_id)
            where not other.is_own and own.is_own
            order by other.sighting_id, abs(own.match_on - other.match_on), own.match_on
        )

        select
            competition_id,
            season,
            home_team_id,
            away_team_id,
            source,
            match_on,
            home_goals,
            away_goals,
            other_source,
            other_match_on,
            other_home_goals,
            other_away_goals,
            case when is_same_score then 'day' when n_days in (0, -1) then 'score' else 'score and day' end as differs
        from compared
        where is_same_score and n_days not in (0, -1) or not is_same_score and abs(n_days) <= 2
        order by competition_id, season, match_on, home_team_id, other_source, other_match_on
        """
    )
