{# What the models of records, int_form and int_season_record, have in common. #}

{# The matches that the table has no record of. #}
{% macro matches_to_record() -%}
    select match.*
    from {{ ref('int_match') }} as match
    {% if is_incremental() -%}
        where
            not exists (
                select 1 from {{ this }} as made
                where made.match_id = match.match_id
            )
    {%- endif %}
{%- endmacro %}

{# Every result twice, as either team sees it. #}
{% macro team_results() -%}
    select
        *,
        case sign(goal_difference) when 1 then 3 when 0 then 1 when -1 then 0 end as points
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
    where known_at is not null
{%- endmacro %}

{# The place of the last of a team's results that arrived before a moment; null if there is none. Its moments are in ascending
   order, one place each from the first on; width_bucket counts those up to and with the given one. #}
{% macro last_place_before(moment, team) -%}
    {{ team }}.first_place - 1 + nullif(width_bucket({{ moment }} - interval '1 microsecond', {{ team }}.moments), 0)
{%- endmacro %}
