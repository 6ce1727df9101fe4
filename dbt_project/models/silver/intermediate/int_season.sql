-- Each season of each competition, and a digest of the lines it consists of: what was made of other lines is out of date.
select
    sighting.competition_id,
    coalesce(fixture_season.season, sighting.season) as season,
    bit_xor(hashint8extended(sighting.sighting_id, 0)) as lines_digest
from {{ ref('int_sighting') }} as sighting
left join {{ ref('int_fixture_season') }} as fixture_season on sighting.sighting_id = fixture_season.sighting_id
group by sighting.competition_id, coalesce(fixture_season.season, sighting.season)
