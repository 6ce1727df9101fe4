with delivered as (
    select
        row_id,
        source,
        key,
        layout,
        since_version,
        line_number,
        ingested_at,
        cells ->> 'Div' as division,
        cells ->> 'Country' as country,
        cells ->> 'League' as league,
        cells ->> 'Date' as match_on,
        cells ->> 'Time' as kickoff_time,
        coalesce(cells ->> 'HomeTeam', cells ->> 'Home') as home_team,
        coalesce(cells ->> 'AwayTeam', cells ->> 'Away') as away_team
    from {{ source('bronze', 'football_data_match') }}
    where until_version is null and layout in ('fixtures', 'new_fixtures')
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

        ---------- competition
        {{ trimmed('division') }} as division,
        {{ trimmed('country') }} as country,
        {{ trimmed('league') }} as league,

        ---------- when and who
        {{ uk_date('match_on') }} as match_on,
        {{ time_of_day('kickoff_time') }} as kickoff_time,
        {{ trimmed('home_team') }} as home_team,
        {{ trimmed('away_team') }} as away_team
    from delivered
)

select * from renamed
where match_on is not null and home_team <> '' and away_team <> ''
