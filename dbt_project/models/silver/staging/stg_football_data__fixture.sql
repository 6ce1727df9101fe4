with source as (
    select * from {{ source('bronze', 'football_data_match') }}
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
        {{ text_cell('Div') }} as division,
        {{ text_cell('Country') }} as country,
        {{ text_cell('League') }} as league,

        ---------- when and who
        {{ uk_date(text_cell('Date')) }} as match_on,
        {{ time_cell('Time') }} as kickoff_time,
        {{ text_cell('HomeTeam', 'Home') }} as home_team,
        {{ text_cell('AwayTeam', 'Away') }} as away_team
    from source
    where until_version is null and layout in ('fixtures', 'new_fixtures')
)

select * from renamed
where match_on is not null and home_team <> '' and away_team <> ''
