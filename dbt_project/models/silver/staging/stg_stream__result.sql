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

        ---------- numbers
        (cells ->> 'home_goals')::smallint as home_goals,
        (cells ->> 'away_goals')::smallint as away_goals,

        ---------- timestamps
        (cells ->> 'final_at')::timestamptz as final_at
    from source
    where until_version is null and cells ->> 'kind' = 'result'
)

select
    *,
    {{ uk_day('kickoff_at') }} as match_on
from renamed
