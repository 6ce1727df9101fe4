-- What was known of both teams before each match: recent form, last match, the season so far.
--
-- Forecasts ask at as_of, results arrive at known_at, and asking comes first where both happen at one moment. Times
-- decide, never the order of rows: an unplayed match is no event but for its asking, and matches known at the very moment of
-- a forecast are not known to it.
with match as not materialized (
    select
        *,
        home_goals - away_goals as goal_difference,
        case sign(home_goals - away_goals) when 1 then 3 when 0 then 1 when -1 then 0 end as home_points,
        case sign(home_goals - away_goals) when 1 then 0 when 0 then 1 when -1 then 3 end as away_points
    from {{ ref('int_match') }}
),

team_match as not materialized (
    select
        match_number,
        true as is_home,
        home_team_number as team_number,
        competition_id,
        season,
        match_on,
        as_of,
        known_at,
        home_points as points,
        goal_difference,
        shots_on_target_difference
    from match

    union all

    select
        match_number,
        false as is_home,
        away_team_number as team_number,
        competition_id,
        season,
        match_on,
        as_of,
        known_at,
        away_points as points,
        -goal_difference as goal_difference,
        -shots_on_target_difference as shots_on_target_difference
    from match
),

event as (
    select
        match_number,
        is_home,
        team_number,
        competition_id,
        season,
        as_of as happens_at,
        0 as is_result,
        null::date as match_on,
        null::int as points,
        null::int as goal_difference,
        null::int as shots_on_target_difference
    from team_match

    union all

    select
        match_number,
        is_home,
        team_number,
        competition_id,
        season,
        known_at as happens_at,
        1 as is_result,
        match_on,
        points,
        goal_difference,
        shots_on_target_difference
    from team_match
    where known_at is not null
),

-- The season so far, and how many results of the team are known: a forecast and the last result before it share the number.
counted as (
    select
        *,
        sum(is_result) over career as n_known,
        max(match_on) over career as last_match_on,
        sum(is_result) over season_so_far as season_n_played,
        sum(points) over season_so_far as season_points,
        sum(goal_difference) over season_so_far as season_goal_difference
    from event
    window
        career as (partition by team_number order by happens_at, is_result, match_number rows unbounded preceding),
        season_so_far as (
            partition by team_number, competition_id, season
            order by happens_at, is_result, match_number
            rows unbounded preceding
        )
),

recent as (
    select
        *,
        count(points) over last_five as n_form,
        sum(points) over last_five as form_points,
        sum(goal_difference) over last_five as form_goal_difference,
        count(shots_on_target_difference) over last_five as n_form_shots,
        sum(shots_on_target_difference) over last_five as form_shots_on_target_difference
    from counted
    window last_five as (partition by team_number order by n_known range between 4 preceding and current row)
),

record as (
    select
        match_number,
        is_home,
        form_points::float8 / nullif(n_form, 0) as form_points,
        form_goal_difference::float8 / nullif(n_form, 0) as form_goal_difference,
        form_shots_on_target_difference::float8 / nullif(n_form_shots, 0) as form_shots_on_target_difference,
        last_match_on,
        season_points::float8 / nullif(season_n_played, 0) as season_points_per_match,
        season_goal_difference::float8 / nullif(season_n_played, 0) as season_goal_difference_per_match,
        season_n_played::float8 as season_n_played
    from recent
    where is_result = 0
)

select
    match.match_id,
    home.form_points as home_form_points_5,
    away.form_points as away_form_points_5,
    home.form_goal_difference as home_form_goal_difference_5,
    away.form_goal_difference as away_form_goal_difference_5,
    home.form_shots_on_target_difference as home_form_shots_on_target_difference_5,
    away.form_shots_on_target_difference as away_form_shots_on_target_difference_5,
    -- A break of more than 30 days says no more than one of 30. (least() passes over nulls.)
    case when home.last_match_on is not null then least(match.match_on - home.last_match_on, 30)::float8 end as home_rest_days,
    case when away.last_match_on is not null then least(match.match_on - away.last_match_on, 30)::float8 end as away_rest_days,
    home.season_points_per_match as home_season_points_per_match,
    away.season_points_per_match as away_season_points_per_match,
    home.season_goal_difference_per_match as home_season_goal_difference_per_match,
    away.season_goal_difference_per_match as away_season_goal_difference_per_match,
    home.season_n_played as home_season_n_played,
    away.season_n_played as away_season_n_played
from match
inner join record as home on match.match_number = home.match_number and home.is_home
inner join record as away on match.match_number = away.match_number and not away.is_home
