-- Means over the team's last five matches known before the forecast, in whatever competition.
with team_match as (
    select * from {{ ref('fct_team_match') }}
),

form as (
    select
        team_id,
        known_number,
        avg(points) over last_five as points,
        avg(goal_difference) over last_five as goal_difference,
        avg(shots_on_target_difference) over last_five as shots_on_target_difference
    from team_match
    where known_number is not null
    window last_five as (partition by team_id order by known_number rows 4 preceding)
)

select
    home.match_id,
    home_form.points::float8 as home_form_points_5,
    away_form.points::float8 as away_form_points_5,
    home_form.goal_difference::float8 as home_form_goal_difference_5,
    away_form.goal_difference::float8 as away_form_goal_difference_5,
    home_form.shots_on_target_difference::float8 as home_form_shots_on_target_difference_5,
    away_form.shots_on_target_difference::float8 as away_form_shots_on_target_difference_5
from team_match as home
inner join team_match as away on home.match_id = away.match_id and not away.is_home
left join form as home_form on home.team_id = home_form.team_id and home.n_known_before = home_form.known_number
left join form as away_form on away.team_id = away_form.team_id and away.n_known_before = away_form.known_number
where home.is_home
