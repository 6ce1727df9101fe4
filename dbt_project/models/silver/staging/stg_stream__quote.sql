with source as (
    select * from {{ source('bronze', 'stream_message') }}
),

renamed as (
    select
        ---------- ids
        row_id,
        cells ->> 'competition' as competition_id,

        ---------- which match
        (cells ->> 'kickoff_at')::timestamptz as kickoff_at,
        cells ->> 'home' as home_team,
        cells ->> 'away' as away_team,

        ---------- what was offered
        cells ->> 'bookmaker' as bookmaker,
        cells ->> 'market' as market,
        (cells ->> 'odds_home')::float8 as odds_home,
        (cells ->> 'odds_draw')::float8 as odds_draw,
        (cells ->> 'odds_away')::float8 as odds_away,
        (cells ->> 'odds_over')::float8 as odds_over,
        (cells ->> 'odds_under')::float8 as odds_under,

        ---------- timestamps
        (cells ->> 'quoted_at')::timestamptz as quoted_at
    from source
    where until_version is null and cells ->> 'kind' = 'quote'
)

select
    *,
    {{ uk_day('kickoff_at') }} as match_on
from renamed
