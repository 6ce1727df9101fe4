{{ config(
    materialized='incremental',
    indexes=[{'columns': ['match_id'], 'unique': true}],
    pre_hook=["{{ drop_outdated_records() }}", "{{ no_nested_loops() }}"],
) }}

-- What both teams had achieved in the season before each match, in its competition alone. Found as in int_form: results have
-- places, a forecast counts those that arrived before it.
with match as (
    {{ matches_to_record() }}
),

result as (
    {{ team_results() }}
),

season_so_far as materialized (
    select
        team_id,
        competition_id,
        season,
        known_at,
        row_number() over (order by team_id, competition_id, season, known_at, match_id) as place,
        row_number() over arrival as n_played,
        sum(points) over arrival as points,
        sum(goal_difference) over arrival as goal_difference
    from result
    {% if is_incremental() -%}
        where
            exists (
                select 1 from match
                where match.competition_id = result.competition_id and match.season = result.season
            )
    {%- endif %}
    window arrival as (partition by team_id, competition_id, season order by known_at, match_id rows unbounded preceding)
),

team_season as materialized (
    select
        team_id,
        competition_id,
        season,
        min(place) as first_place,
        array_agg(known_at order by place) as moments
    from season_so_far
    group by team_id, competition_id, season
),

-- One side after the other, each to its end: the moments would be carried along and copied for every match.
home_placed as materialized (
    select
        match.*,
        {{ last_place_before('match.as_of', 'home') }} as home_place
    from match
    left join team_season as home
        on
            match.home_team_id = home.team_id
            and match.competition_id = home.competition_id
            and match.season = home.season
),

placed as materialized (
    select
        home_placed.*,
        {{ last_place_before('home_placed.as_of', 'away') }} as away_place
    from home_placed
    left join team_season as away
        on
            home_placed.away_team_id = away.team_id
            and home_placed.competition_id = away.competition_id
            and home_placed.season = away.season
)

select
    placed.match_id,
    placed.home_team_id,
    placed.away_team_id,
    placed.as_of,
    placed.known_at,
    placed.facts_digest,
    home.points::float8 / home.n_played as home_season_points_per_match,
    away.points::float8 / away.n_played as away_season_points_per_match,
    home.goal_difference::float8 / home.n_played as home_season_goal_difference_per_match,
    away.goal_difference::float8 / away.n_played as away_season_goal_difference_per_match,
    coalesce(home.n_played, 0)::float8 as home_season_n_played,
    coalesce(away.n_played, 0)::float8 as away_season_n_played
from placed
left join season_so_far as home on placed.home_place = home.place
left join season_so_far as away on placed.away_place = away.place
