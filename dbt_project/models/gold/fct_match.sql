with team as (
    select * from {{ ref('dim_team') }}
),

match as (
    select * from {{ ref('int_match') }}
),

sighting as (
    select * from {{ ref('int_sighting') }}
)

select
    match.match_id,
    match.competition_id,
    sighting.country,
    sighting.tier,
    match.season,
    match.kickoff_at,
    match.is_time_known,
    match.as_of,
    match.known_at,
    match.status,
    match.home_team_id,
    match.away_team_id,
    home.name as home_team,
    away.name as away_team,
    match.home_goals::int as home_goals,
    match.away_goals::int as away_goals,
    case when match.known_at is not null then sighting.home_half_time_goals::int end as home_half_time_goals,
    case when match.known_at is not null then sighting.away_half_time_goals::int end as away_half_time_goals,
    case when match.known_at is not null then sighting.home_shots::int end as home_shots,
    case when match.known_at is not null then sighting.away_shots::int end as away_shots,
    case when match.known_at is not null then sighting.home_shots_on_target::int end as home_shots_on_target,
    case when match.known_at is not null then sighting.away_shots_on_target::int end as away_shots_on_target,
    case when match.known_at is not null then sighting.home_corners::int end as home_corners,
    case when match.known_at is not null then sighting.away_corners::int end as away_corners,
    case when match.known_at is not null then sighting.home_fouls::int end as home_fouls,
    case when match.known_at is not null then sighting.away_fouls::int end as away_fouls,
    case when match.known_at is not null then sighting.home_free_kicks_conceded::int end as home_free_kicks_conceded,
    case when match.known_at is not null then sighting.away_free_kicks_conceded::int end as away_free_kicks_conceded,
    case when match.known_at is not null then sighting.home_yellow_cards::int end as home_yellow_cards,
    case when match.known_at is not null then sighting.away_yellow_cards::int end as away_yellow_cards,
    case when match.known_at is not null then sighting.home_red_cards::int end as home_red_cards,
    case when match.known_at is not null then sighting.away_red_cards::int end as away_red_cards,
    case when match.known_at is not null then sighting.referee end as referee,
    sighting.source_division,
    match.match_on as source_date,
    sighting.home_team as source_home,
    sighting.away_team as source_away
from match
inner join sighting on match.sighting_id = sighting.sighting_id
inner join team as home on match.home_team_id = home.team_id
inner join team as away on match.away_team_id = away.team_id
