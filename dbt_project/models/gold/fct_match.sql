with team as (
    select * from {{ ref('dim_team') }}
),

match as (
    select
        match.match_id,
        match.competition_id,
        match.season,
        match.home_team_id,
        match.away_team_id,
        match.is_in_results,
        match.is_played,
        home.name as home_team,
        away.name as away_team,
        sighting.country,
        sighting.tier,
        sighting.source_division,
        sighting.match_on,
        sighting.kickoff_at,
        sighting.is_time_known,
        sighting.home_team as source_home,
        sighting.away_team as source_away,
        sighting.home_goals,
        sighting.away_goals,
        sighting.home_half_time_goals,
        sighting.away_half_time_goals,
        sighting.home_shots,
        sighting.away_shots,
        sighting.home_shots_on_target,
        sighting.away_shots_on_target,
        sighting.home_corners,
        sighting.away_corners,
        sighting.home_fouls,
        sighting.away_fouls,
        sighting.home_free_kicks_conceded,
        sighting.away_free_kicks_conceded,
        sighting.home_yellow_cards,
        sighting.away_yellow_cards,
        sighting.home_red_cards,
        sighting.away_red_cards,
        sighting.referee,
        case
            when sighting.is_time_known then sighting.kickoff_at - interval '1 hour' else sighting.kickoff_at
        end as latest_as_of,
        case
            when sighting.is_time_known then sighting.kickoff_at + interval '3 hours'
            else {{ uk_instant('sighting.match_on + 1') }}
        end as result_known_at
    from {{ ref('int_match') }} as match
    inner join {{ ref('int_sighting') }} as sighting on match.sighting_id = sighting.sighting_id
    inner join team as home on match.home_team_id = home.team_id
    inner join team as away on match.away_team_id = away.team_id
),

-- What is known at or after the cut-off has not happened yet.
judged as (
    select
        *,
        is_played and result_known_at < {{ data_cutoff() }} as is_known
    from match
)

select
    match_id,
    competition_id,
    country,
    tier,
    season,
    kickoff_at,
    is_time_known,
    least(latest_as_of, {{ data_cutoff() }}) as as_of,
    case when is_known then result_known_at end as known_at,
    case
        when is_known then 'played'
        when result_known_at >= {{ data_cutoff() }} then 'scheduled'
        when is_in_results then 'void'
        else 'unknown'
    end as status,
    home_team_id,
    away_team_id,
    home_team,
    away_team,
    case when is_known then home_goals::int end as home_goals,
    case when is_known then away_goals::int end as away_goals,
    case when is_known then home_half_time_goals::int end as home_half_time_goals,
    case when is_known then away_half_time_goals::int end as away_half_time_goals,
    case when is_known then home_shots::int end as home_shots,
    case when is_known then away_shots::int end as away_shots,
    case when is_known then home_shots_on_target::int end as home_shots_on_target,
    case when is_known then away_shots_on_target::int end as away_shots_on_target,
    case when is_known then home_corners::int end as home_corners,
    case when is_known then away_corners::int end as away_corners,
    case when is_known then home_fouls::int end as home_fouls,
    case when is_known then away_fouls::int end as away_fouls,
    case when is_known then home_free_kicks_conceded::int end as home_free_kicks_conceded,
    case when is_known then away_free_kicks_conceded::int end as away_free_kicks_conceded,
    case when is_known then home_yellow_cards::int end as home_yellow_cards,
    case when is_known then away_yellow_cards::int end as away_yellow_cards,
    case when is_known then home_red_cards::int end as home_red_cards,
    case when is_known then away_red_cards::int end as away_red_cards,
    case when is_known then referee end as referee,
    source_division,
    match_on as source_date,
    source_home,
    source_away
from judged
