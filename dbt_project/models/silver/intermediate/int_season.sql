-- Each season of each competition, and a digest of the lines it consists of: what was made of other lines is out of date.
with line as (
    select
        sighting.competition_id,
        coalesce(fixture_season.season, sighting.season) as season,
        hashint8extended(sighting.sighting_id, 0) as digest
    from {{ ref('int_sighting') }} as sighting
    left join {{ ref('int_fixture_season') }} as fixture_season on sighting.sighting_id = fixture_season.sighting_id

    union all

    select
        competition_id,
        season,
        hashint8extended(row_id, 1) as digest
    from {{ ref('int_stream_result') }}
)

select
    competition_id,
    season,
    bit_xor(digest) as lines_digest
from line
group by competition_id, season
