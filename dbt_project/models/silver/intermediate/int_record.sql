{{ config(
    materialized='incremental',
    indexes=[{'columns': ['match_id'], 'unique': true}],
    pre_hook=["{{ drop_outdated_records() }}", "{{ no_nested_loops() }}"],
) }}

-- What was known of both teams before each match: recent form, last match, the season so far.
--
-- A forecast is made at as_of, results arrive at known_at; a result known at that very moment is known too late. Times decide,
-- never the order of rows. A team's results are numbered as they arrive, each with what it and those before it add up to; a
-- forecast counts the results that arrived before it, and so finds the last one.
with match as (
    select match.*
    from {{ ref('int_match') }} as match
    {% if is_incremental() -%}
        where
            not exists (
                select 1 from {{ this }} as made
                where made.match_id = match.match_id
            )
    {%- endif %}
),

team_match as (
    select
        match_id,
        true as is_home,
        home_team_id as team_id,
        competition_id,
        season,
        as_of
    from match

    union all

    select
        match_id,
        false as is_home,
        away_team_id as team_id,
        competition_id,
        season,
        as_of
    from match
),

result as materialized (
    select
        side.*,
        case sign(side.goal_difference) when 1 then 3 when 0 then 1 when -1 then 0 end as points
    from (
        select
            home_team_id as team_id,
            competition_id,
            season,
            match_id,
            match_on,
            known_at,
            home_goals - away_goals as goal_difference,
            shots_on_target_difference
        from {{ ref('int_match') }}

        union all

        select
            away_team_id as team_id,
            competition_id,
            season,
            match_id,
            match_on,
            known_at,
            away_goals - home_goals as goal_difference,
            -shots_on_target_difference as shots_on_target_difference
        from {{ ref('int_match') }}
    ) as side
    where side.known_at is not null
),

-- How far back to look: two years hold any season so far, and the last five matches unless a club was away.
asked as (
    select
        team_id,
        min(as_of) as first_as_of
    from team_match
    group by team_id
),

needed as (
    select
        asked.team_id,
        case
            when count(result.match_id) >= 5 then asked.first_as_of - interval '2 years' else '-infinity'
        end as since
    from asked
    left join result
        on
            asked.team_id = result.team_id
            and asked.first_as_of - interval '2 years' <= result.known_at
            and asked.first_as_of > result.known_at
    group by asked.team_id, asked.first_as_of
),

needed_result as materialized (
    select result.*
    from result
    inner join needed on result.team_id = needed.team_id and result.known_at >= needed.since
),

-- In the order in which results became known; of those known at one moment the last stands for all.
career as materialized (
    select
        team_id,
        row_number() over arrival as n_known,
        count(points) over last_five as n_form,
        sum(points) over last_five as form_points,
        sum(goal_difference) over last_five as form_goal_difference,
        count(shots_on_target_difference) over last_five as n_form_shots,
        sum(shots_on_target_difference) over last_five as form_shots_on_target_difference,
        max(match_on) over arrival as last_match_on
    from needed_result
    window
        arrival as (partition by team_id order by known_at, match_id rows unbounded preceding),
        last_five as (partition by team_id order by known_at, match_id rows 4 preceding)
),

season_so_far as materialized (
    select
        team_id,
        competition_id,
        season,
        row_number() over arrival as n_played,
        sum(points) over arrival as points,
        sum(goal_difference) over arrival as goal_difference
    from needed_result
    window arrival as (partition by team_id, competition_id, season order by known_at, match_id rows unbounded preceding)
),

-- When each team's results arrived, in order: how many of them are earlier than a moment is then a binary search.
career_moment as materialized (
    select
        team_id,
        array_agg(known_at order by known_at) as moments
    from needed_result
    group by team_id
),

season_moment as materialized (
    select
        team_id,
        competition_id,
        season,
        array_agg(known_at order by known_at) as moments
    from needed_result
    group by team_id, competition_id, season
),

-- width_bucket counts the moments up to the given one; a result known at that very moment is not to count.
counted as materialized (
    select
        team_match.match_id,
        team_match.is_home,
        team_match.team_id,
        team_match.competition_id,
        team_match.season,
        coalesce(width_bucket(team_match.as_of - interval '1 microsecond', career_moment.moments), 0) as n_known,
        coalesce(width_bucket(team_match.as_of - interval '1 microsecond', season_moment.moments), 0) as season_n_played
    from team_match
    left join career_moment on team_match.team_id = career_moment.team_id
    left join season_moment
        on
            team_match.team_id = season_moment.team_id
            and team_match.competition_id = season_moment.competition_id
            and team_match.season = season_moment.season
),

record as (
    select
        counted.match_id,
        counted.is_home,
        career.form_points::float8 / nullif(career.n_form, 0) as form_points,
        career.form_goal_difference::float8 / nullif(career.n_form, 0) as form_goal_difference,
        career.form_shots_on_target_difference::float8 / nullif(career.n_form_shots, 0) as form_shots_on_target_difference,
        career.last_match_on,
        season_so_far.points::float8 / counted.season_n_played as season_points_per_match,
        season_so_far.goal_difference::float8 / counted.season_n_played as season_goal_difference_per_match,
        counted.season_n_played::float8 as season_n_played
    from counted
    left join career on counted.team_id = career.team_id and counted.n_known = career.n_known
    left join season_so_far
        on
            counted.team_id = season_so_far.team_id
            and counted.competition_id = season_so_far.competition_id
            and counted.season = season_so_far.season
            and counted.season_n_played = season_so_far.n_played
)

select
    match.match_id,
    match.home_team_id,
    match.away_team_id,
    match.as_of,
    match.known_at,
    match.facts_digest,
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
inner join record as home on match.match_id = home.match_id and home.is_home
inner join record as away on match.match_id = away.match_id and not away.is_home
