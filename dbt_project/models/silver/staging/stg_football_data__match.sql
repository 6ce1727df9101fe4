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
        cells ->> 'Season' as season,
        cells ->> 'Date' as match_on,
        cells ->> 'Time' as kickoff_time,
        coalesce(cells ->> 'HomeTeam', cells ->> 'Home', cells ->> 'HT') as home_team,
        coalesce(cells ->> 'AwayTeam', cells ->> 'Away', cells ->> 'AT') as away_team,
        cells ->> 'Referee' as referee,
        coalesce(cells ->> 'FTHG', cells ->> 'HG') as home_goals,
        coalesce(cells ->> 'FTAG', cells ->> 'AG') as away_goals,
        cells ->> 'HTHG' as home_half_time_goals,
        cells ->> 'HTAG' as away_half_time_goals,
        cells ->> 'HS' as home_shots,
        cells ->> 'AS' as away_shots,
        cells ->> 'HST' as home_shots_on_target,
        cells ->> 'AST' as away_shots_on_target,
        cells ->> 'HC' as home_corners,
        cells ->> 'AC' as away_corners,
        cells ->> 'HF' as home_fouls,
        cells ->> 'AF' as away_fouls,
        cells ->> 'HFKC' as home_free_kicks_conceded,
        cells ->> 'AFKC' as away_free_kicks_conceded,
        cells ->> 'HY' as home_yellow_cards,
        cells ->> 'AY' as away_yellow_cards,
        cells ->> 'HR' as home_red_cards,
        cells ->> 'AR' as away_red_cards
    from {{ source('bronze', 'football_data_match') }}
    -- A line stands while its file holds it. Rolling extracts repeat what the leagues' own files say.
    where until_version is null and layout in ('main', 'new') and key not like '%Latest_Results%'
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
        {{ trimmed('division') }} as division,
        {{ trimmed('country') }} as country,
        {{ trimmed('league') }} as league,
        case
            -- 9394 is 1993/94, 2324 is 2023/24.
            when layout = 'main' then (substring(key from 'mmz4281/(\d\d)\d\d/')::int + 30) % 100 + 1970
            when season ~ '^\d{4}(/\d{4})?$' then left(season, 4)::int
        end as season,

        ---------- when and who
        {{ uk_date('match_on') }} as match_on,
        {{ time_of_day('kickoff_time') }} as kickoff_time,
        {{ trimmed('home_team') }} as home_team,
        {{ trimmed('away_team') }} as away_team,
        {{ trimmed('referee') }} as referee,

        ---------- numbers
        {{ whole_number('home_goals') }} as home_goals,
        {{ whole_number('away_goals') }} as away_goals,
        {{ whole_number('home_half_time_goals') }} as home_half_time_goals,
        {{ whole_number('away_half_time_goals') }} as away_half_time_goals,
        {{ whole_number('home_shots') }} as home_shots,
        {{ whole_number('away_shots') }} as away_shots,
        {{ whole_number('home_shots_on_target') }} as home_shots_on_target,
        {{ whole_number('away_shots_on_target') }} as away_shots_on_target,
        {{ whole_number('home_corners') }} as home_corners,
        {{ whole_number('away_corners') }} as away_corners,
        {{ whole_number('home_fouls') }} as home_fouls,
        {{ whole_number('away_fouls') }} as away_fouls,
        {{ whole_number('home_free_kicks_conceded') }} as home_free_kicks_conceded,
        {{ whole_number('away_free_kicks_conceded') }} as away_free_kicks_conceded,
        {{ whole_number('home_yellow_cards') }} as home_yellow_cards,
        {{ whole_number('away_yellow_cards') }} as away_yellow_cards,
        {{ whole_number('home_red_cards') }} as home_red_cards,
        {{ whole_number('away_red_cards') }} as away_red_cards
    from delivered
)

select * from renamed
where match_on is not null and home_team <> '' and away_team <> ''
