-- Lines that are no match here because their division or league is not in the seed `competition`. Of the lines themselves, not
-- of the staging models: what those come from is the project, and tests of it are skipped on days when it did not change.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'int_sighting'}}}) }}

select
    line.source,
    line.key,
    line.cells ->> 'Div' as division,
    line.cells ->> 'Country' as country,
    line.cells ->> 'League' as league,
    count(*) as n_lines
from {{ source('bronze', 'football_data_match') }} as line
where
    line.until_version is null
    and line.key not like '%Latest_Results%'
    and not exists (
        select 1 from {{ ref('int_sighting') }} as sighting
        where sighting.sighting_id = line.row_id
    )
group by line.source, line.key, line.cells ->> 'Div', line.cells ->> 'Country', line.cells ->> 'League'
