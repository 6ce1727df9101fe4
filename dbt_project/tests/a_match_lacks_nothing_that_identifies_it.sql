-- Gold's matches are a view, which cannot carry constraints.
select match_id
from {{ ref('fct_match') }}
where
    num_nulls(
        competition_id, country, tier, season, kickoff_at, is_time_known, as_of, status, home_team_id, away_team_id,
        home_team, away_team, source_division, source_date, source_home, source_away
    ) > 0
