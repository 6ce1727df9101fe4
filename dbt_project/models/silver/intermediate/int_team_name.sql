-- Each name that a source uses for a club, and the club it means. A name nobody has seen before is a new club. Names which
-- differ only in capitals, marks and punctuation are one club; other variants are merged by the seed `team_alias`.
with sighted as (
    select
        country,
        home_team as source_name,
        count(*) as n_sightings
    from {{ ref('int_sighting') }}
    group by country, home_team

    union all

    select
        country,
        away_team as source_name,
        count(*) as n_sightings
    from {{ ref('int_sighting') }}
    group by country, away_team
),

named as (
    select
        sighted.country,
        sighted.source_name,
        sum(sighted.n_sightings) as n_sightings,
        coalesce(min(alias.club_name), sighted.source_name) as club_name
    from sighted
    left join {{ ref('team_alias') }} as alias
        on sighted.country = alias.country and sighted.source_name = alias.source_name
    group by sighted.country, sighted.source_name
),

slugged as (
    select
        *,
        {{ slug('club_name') }} as club_slug
    from named
),

identified as (
    select
        *,
        {{ slug('country') }} || '-' || club_slug as team_id
    from slugged
)

select
    country,
    source_name,
    n_sightings::int as n_sightings,
    club_name,
    club_slug,
    team_id
from identified
