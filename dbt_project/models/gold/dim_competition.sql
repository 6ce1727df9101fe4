with competition as (
    select * from {{ ref('competition') }}
)

select
    competition_id::text as competition_id,
    name::text as name,
    country::text as country,
    tier::int as tier,
    season_kind::text as season_kind,
    source_division::text as source_division
from competition
