with source as (
    select * from {{ source('bronze', 'football_data_org_match') }}
),

renamed as (
    select
        ---------- ids
        row_id,
        source,
        key,
        layout,
        since_version,
        line_number,
        ingested_at,

        ---------- competition and season
        {{ trimmed("cells ->> 'competition'") }} as competition_code,
        substring(cells ->> 'season' from '^\d{4}')::int as season,

        ---------- when and who
        case
            when pg_input_is_valid(cells ->> 'utcDate', 'timestamptz')
                then (cells ->> 'utcDate')::timestamptz at time zone 'Europe/London'
        end as uk_kickoff,
        -- A match that is SCHEDULED has a day and no hour yet, whatever the moment says.
        cells ->> 'status' <> 'SCHEDULED' as is_time_known,
        cells ->> 'status' in ('FINISHED', 'AWARDED') as is_over,
        {{ trimmed("cells ->> 'homeTeam'") }} as home_team,
        {{ trimmed("cells ->> 'awayTeam'") }} as away_team,

        ---------- numbers: of a match that is being played they are no result yet
        {{ whole_number("(cells ->> 'ft_home')") }} as home_goals,
        {{ whole_number("(cells ->> 'ft_away')") }} as away_goals,
        {{ whole_number("(cells ->> 'ht_home')") }} as home_half_time_goals,
        {{ whole_number("(cells ->> 'ht_away')") }} as away_half_time_goals
    from source
    where
        until_version is null
        -- No league's own file has play-offs; and what is off, until there is a new day for it, is on no day.
        and cells ->> 'stage' = 'REGULAR_SEASON'
        and cells ->> 'status' not in ('POSTPONED', 'SUSPENDED', 'CANCELLED')
),

final as (
    select
        row_id,
        source,
        key,
        layout,
        since_version,
        line_number,
        ingested_at,
        competition_code,
        season,
        uk_kickoff::date as match_on,
        case when is_time_known then uk_kickoff::time end as kickoff_time,
        home_team,
        away_team,
        case when is_over then home_goals end as home_goals,
        case when is_over then away_goals end as away_goals,
        case when is_over then home_half_time_goals end as home_half_time_goals,
        case when is_over then away_half_time_goals end as away_half_time_goals
    from renamed
)

select * from final
where season is not null and match_on is not null and home_team <> '' and away_team <> ''
