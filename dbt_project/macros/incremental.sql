{# How tables keep up with what changed. A row goes when what it was made of is no longer so, by a hook in the transaction
   that then adds whatever is missing: nothing remembers where the last run stopped, and the next one completes what one that died left. #}

{# Drop what came from lines that no longer stand. Lines are never changed: they come, and they are closed. #}
{% macro drop_closed_lines(line_table, id) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} as made
        using {{ source('bronze', line_table) }} as line
        where line.until_version is not null and {{ id }}
    {%- endif -%}
{%- endmacro %}

{# The standing lines that the table has no row of: with `is_added` on a view they are looked up, and all else is never read. #}
{% macro added_lines(line_table, id) -%}
        select line.row_id
        from {{ source('bronze', line_table) }} as line
        where line.until_version is null and not exists (select from {{ this }} as made where {{ id }})
{%- endmacro %}
{% macro is_added(row_id, added) -%}
    {{ row_id }} = any(array(select {{ added }}.row_id from {{ added }}))
{%- endmacro %}

{# Drop the matches of seasons that consist of other lines now, or in which something was to come when they were made. #}
{% macro drop_outdated_seasons() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where (competition_id, season) in (
            select
                made.competition_id,
                made.season
            from {{ this }} as made
            left join {{ ref('int_season') }} as season
                on made.competition_id = season.competition_id and made.season = season.season
            where
                season.lines_digest is distinct from made.lines_digest
                or made.status = 'scheduled'
                or made.kickoff_at >= {{ data_cutoff() }} - interval '2 days'
        )
    {%- endif -%}
{%- endmacro %}

{# Drop the records that may be other ones now: of a changed match itself, and of later matches of clubs that played it. #}
{% macro drop_outdated_records() -%}
    {%- if is_incremental() -%}
        with changed as (
            select
                coalesce(match.match_id, made.match_id) as match_id,
                array[match.home_team_id, match.away_team_id, made.home_team_id, made.away_team_id] as teams,
                least(match.known_at, made.known_at) as since
            from {{ this }} as made
            full join {{ ref('int_match') }} as match on made.match_id = match.match_id
            where match.facts_digest is distinct from made.facts_digest
        ),

        touched as (
            select
                team_id,
                min(since) as since
            from changed, unnest(changed.teams) as team_id
            where since is not null
            group by team_id
        )

        delete from {{ this }}
        where match_id in (
            select changed.match_id from changed
            union
            select made.match_id
            from {{ this }} as made
            inner join touched on made.home_team_id = touched.team_id and made.as_of > touched.since
            union
            select made.match_id
            from {{ this }} as made
            inner join touched on made.away_team_id = touched.team_id and made.as_of > touched.since
        )
    {%- endif -%}
{%- endmacro %}

{# The planner takes what is missing, and what windows leave, for a few rows, and would go through everything for each. #}
{% macro no_nested_loops() -%}
    set local enable_nestloop = off
{%- endmacro %}
