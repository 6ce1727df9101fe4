-- Lines that are no match here because their division or league is not in the seed `competition`.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'int_sighting'}}}) }}

with unplaced as materialized (
    select line.row_id
    from {{ source('bronze', 'football_data_match') }} as line
    where
        line.until_version is null
        and not exists (
            select 1 from {{ ref('int_sighting') }} as sighting
            where sighting.sighting_id = line.row_id
        )
)

select
    match.source,
    match.key,
    match.division,
    match.country,
    match.league,
    count(*) as n_lines
from {{ ref('stg_football_data__match') }} as match
where {{ is_added('match.row_id', 'unplaced') }}
group by match.source, match.key, match.division, match.country, match.league
