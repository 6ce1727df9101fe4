{{ config(
    materialized='incremental',
    on_schema_change='fail',
    indexes=[{'columns': ['match_id'], 'unique': true}],
    pre_hook="{% if is_incremental() %}delete from {{ this }}{% endif %}",
) }}

-- One row per match of two national teams, played or not: its identity and its times. Rewritten in place, not made anew: views
-- read it.
--
-- A match is a day and a pairing, and which of several such it is (once two teams met twice on one day). The source knows no
-- hours, and its day is the ground's own: a forecast is cut off before that day begins anywhere on earth, and a result is known
-- when it has ended everywhere.
with sighting as (
    select * from {{ ref('stg_international__match') }}
),

numbered as (
    select
        *,
        {{ slug('tournament') }} as competition_id,
        {{ slug('home_team') }} as home_slug,
        {{ slug('away_team') }} as away_slug,
        row_number() over (partition by match_on, home_team, away_team order by line_number, row_id) as occurrence
    from sighting
),

timed as (
    select
        *,
        match_on::timestamp at time zone 'UTC' as kickoff_at,
        match_on::timestamp at time zone 'UTC' - interval '14 hours' as latest_as_of,
        match_on::timestamp at time zone 'UTC' + interval '36 hours' as result_known_at,
        home_goals is not null and away_goals is not null as is_played
    from numbered
),

judged as (
    select
        *,
        is_played and result_known_at < {{ data_cutoff() }} as is_known
    from timed
)

select
    concat_ws('-', 'national', match_on, home_slug, away_slug, occurrence) as match_id,
    'national-' || competition_id as competition_id,
    tournament,
    extract(year from match_on)::int as season,
    match_on,
    kickoff_at,
    least(latest_as_of, {{ data_cutoff() }}) as as_of,
    case when is_known then result_known_at end as known_at,
    case
        when is_known then 'played'
        when result_known_at >= {{ data_cutoff() }} then 'scheduled'
        else 'unknown'
    end as status,
    is_neutral,
    'national-' || home_slug as home_team_id,
    'national-' || away_slug as away_team_id,
    home_team,
    away_team,
    case when is_known then home_goals end as home_goals,
    case when is_known then away_goals end as away_goals
from judged
