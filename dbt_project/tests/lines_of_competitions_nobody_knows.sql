-- Lines that are no match here because their division or league is not in the seed `competition`.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'int_sighting'}}}) }}

select
    match.source,
    match.key,
    match.division,
    match.country,
    match.league,
    count(*) as n_lines
from {{ ref('stg_football_data__match') }} as match
left join {{ ref('int_sighting') }} as sighting on match.row_id = sighting.sighting_id
where sighting.sighting_id is null
group by match.source, match.key, match.division, match.country, match.league
