{{ config(
    materialized='incremental',
    indexes=[{'columns': ['match_id'], 'unique': true}],
    pre_hook=["{{ drop_outdated_records() }}", "{{ no_nested_loops() }}"],
) }}

-- What both teams had behind them before each match, whatever the season and the competition: their last five results, their
-- last match.
--
-- A forecast is made at as_of, results arrive at known_at; a result known at that very moment is known too late. Times decide,
-- never the order of rows. All results of all teams have places in one order, a team's beside each other as they arrive, each
-- with what it and those before it come to; a forecast counts the team's results that arrived before it, and so finds the
-- place of the last one.
with match as (
    {{ matches_to_record() }}
),

result as (
    {{ team_results() }}
),

{% if is_incremental() -%}
    -- How far back to look: two years hold the last five matches, unless a club was away.
    asked as (
        select
            team_id,
            min(as_of) as first_as_of
        from match, unnest(array[home_team_id, away_team_id]) as team_id
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
{%- endif %}

-- Of results known at one moment the last stands for all.
career as materialized (
    select
        result.team_id,
        result.known_at,
        row_number() over (order by result.team_id, result.known_at, result.match_id) as place,
        count(result.points) over last_five as n_form,
        sum(result.points) over last_five as form_points,
        sum(result.goal_difference) over last_five as form_goal_difference,
        count(result.shots_on_target_difference) over last_five as n_form_shots,
        sum(result.shots_on_target_difference) over last_five as form_shots_on_target_difference,
        max(result.match_on) over arrival as last_match_on
    from result
    {% if is_incremental() -%}
        inner join needed on result.team_id = needed.team_id and result.known_at >= needed.since
    {%- endif %}
    window
        arrival as (partition by result.team_id order by result.known_at, result.match_id rows unbounded preceding),
        last_five as (partition by result.team_id order by result.known_at, result.match_id rows 4 preceding)
),

-- When each team's results arrived, in order: how many of them are earlier than a moment is then a binary search.
team_career as materialized (
    select
        team_id,
        min(place) as first_place,
        array_agg(known_at order by place) as moments
    from career
    group by team_id
),

-- One side after the other, each to its end: the moments would be carried along and copied for every match.
home_placed as materialized (
    select
        match.*,
        {{ last_place_before('match.as_of', 'home') }} as home_place
    from match
    left join team_career as home on match.home_team_id = home.team_id
),

placed as materialized (
    select
        home_placed.*,
        {{ last_place_before('home_placed.as_of', 'away') }} as away_place
    from home_placed
    left join team_career as away on home_placed.away_team_id = away.team_id
)

select
    placed.match_id,
    placed.home_team_id,
    placed.away_team_id,
    placed.as_of,
    placed.known_at,
    placed.facts_digest,
    home.form_points::float8 / nullif(home.n_form, 0) as home_form_points_5,
    away.form_points::float8 / nullif(away.n_form, 0) as away_form_points_5,
    home.form_goal_difference::float8 / nullif(home.n_form, 0) as home_form_goal_difference_5,
    away.form_goal_difference::float8 / nullif(away.n_form, 0) as away_form_goal_difference_5,
    home.form_shots_on_target_difference::float8 / nullif(home.n_form_shots, 0) as home_form_shots_on_target_difference_5,
    away.form_shots_on_target_difference::float8 / nullif(away.n_form_shots, 0) as away_form_shots_on_target_difference_5,
    -- A break of more than 30 days says no more than one of 30. (least() passes over nulls.)
    case when home.last_match_on is not null then least(placed.match_on - home.last_match_on, 30)::float8 end as home_rest_days,
    case when away.last_match_on is not null then least(placed.match_on - away.last_match_on, 30)::float8 end as away_rest_days
from placed
left join career as home on placed.home_place = home.place
left join career as away on placed.away_place = away.place
