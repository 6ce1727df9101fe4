with match as (
    select * from {{ ref('int_international') }}
)

select
    match_id,
    competition_id,
    tournament,
    season,
    kickoff_at,
    as_of,
    known_at,
    status,
    is_neutral,
    home_team_id,
    away_team_id,
    home_team,
    away_team,
    home_goals::int as home_goals,
    away_goals::int as away_goals,
    match_on as source_date
from match
