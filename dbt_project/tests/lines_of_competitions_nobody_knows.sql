-- Lines that are no match here because their division, league or code is not in the seeds. Of the lines themselves, not of the
-- staging models: what those come from is the project, and tests of it are skipped on days when it did not change.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'int_sighting'}}}) }}

with unknown as (
    select
        line.source,
        line.key,
        line.cells ->> 'Div' as division,
        line.cells ->> 'Country' as country,
        line.cells ->> 'League' as league
    from {{ source('bronze', 'football_data_match') }} as line
    where
        line.until_version is null
        and line.key not like '%Latest_Results%'
        and not exists (
            select 1 from {{ ref('int_sighting') }} as sighting
            where sighting.sighting_id = line.row_id
        )

    union all

    -- A file in the inbox has its competition in its name, as openfootball's have, and its season in its title: who drops it in
    -- wants it read. openfootball's own are not told of: a folder of them holds cups and leagues that are left out on purpose.
    select
        line.source,
        line.key,
        null as division,
        null as country,
        line.cells ->> 'name' as league
    from {{ source('bronze', 'openfootball_match') }} as line
    where
        line.until_version is null
        and line.source <> 'openfootball'
        and not exists (
            select 1 from {{ ref('int_sighting') }} as sighting
            where sighting.sighting_id = -line.row_id
        )

    union all

    -- Asked for by code. Of a competition that is known play-offs and what is off are left out, see staging.
    select
        line.source,
        line.key,
        line.cells ->> 'competition' as division,
        null as country,
        null as league
    from {{ source('bronze', 'football_data_org_match') }} as line
    where
        line.until_version is null
        and not exists (
            select 1 from {{ ref('competition_alias') }} as alias
            where alias.source = 'football_data_org' and alias.source_name = {{ trimmed("line.cells ->> 'competition'") }}
        )
)

select
    source,
    key,
    coalesce(division, '') as division,
    coalesce(country, '') as country,
    coalesce(league, '') as league,
    count(*) as n_lines
from unknown
group by source, key, division, country, league
