{{ config(
    materialized='incremental',
    on_schema_change='fail',
    pre_hook="{% if is_incremental() %}delete from {{ this }}{% endif %}",
) }}

-- Rewritten in place, not made anew: views read it.
with team_name as (
    select * from {{ ref('int_team_name') }}
)

select
    team_id,
    -- Of names that differ only in capitals and punctuation, the one most often used.
    (array_agg(club_name order by -n_sightings, club_name))[1] as name,
    country,
    array_agg(source_name order by source_name) as source_names
from team_name
group by team_id, country
