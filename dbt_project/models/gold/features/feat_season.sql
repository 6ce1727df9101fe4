-- The team's record in this competition and season so far, as known before the forecast.
with team_match as (
    select * from {{ ref('fct_team_match') }}
),

event as (
    select
        match_id,
        team_id,
        is_home,
        competition_id,
        season,
        as_of as happens_at,
        0 as is_result,
        0 as points,
        0 as goal_difference
    from team_match

    union all

    select
        match_id,
        team_id,
        is_home,
        competition_id,
        season,
        known_at as happens_at,
        1 as is_result,
        points,
        goal_difference
    from team_match
    where known_at is not null
),

record as (
    select
        match_id,
        is_home,
        is_result,
        sum(is_result) over so_far as n_played,
        sum(points) over so_far as points,
        sum(goal_difference) over so_far as goal_difference
    from event
    window so_far as (
        partition by team_id, competition_id, season
        order by happens_at, is_result, match_id
        rows unbounded preceding
    )
)

select
    home.match_id,
    home.points::float8 / nullif(home.n_played, 0) as home_season_points_per_match,
    away.points::float8 / nullif(away.n_played, 0) as away_season_points_per_match,
    home.goal_difference::float8 / nullif(home.n_played, 0) as home_season_goal_difference_per_match,
    away.goal_difference::float8 / nullif(away.n_played, 0) as away_season_goal_difference_per_match,
    home.n_played::float8 as home_season_n_played,
    away.n_played::float8 as away_season_n_played
from record as home
inner join record as away on home.match_id = away.match_id and not away.is_home and away.is_result = 0
where home.is_home and home.is_result = 0
