with source as (
    select * from {{ source('bronze', 'openfootball_match') }}
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
        substring(key from '([a-z]+\.[a-z0-9]+)\.json$') as competition_code,
        coalesce(substring(key from '(?:^|/)(\d{4})(?:-\d\d)?/'), substring(cells ->> 'name' from '\d{4}'))::int as season,

        ---------- when and who: times are local to the league, which is not told, so only the day is used
        case when pg_input_is_valid({{ text_cell('date') }}, 'date') then ({{ text_cell('date') }})::date end as match_on,
        {{ text_cell('team1') }} as home_team,
        {{ text_cell('team2') }} as away_team,

        ---------- numbers
        {{ count_cell('ft_home') }} as home_goals,
        {{ count_cell('ft_away') }} as away_goals,
        {{ count_cell('ht_home') }} as home_half_time_goals,
        {{ count_cell('ht_away') }} as away_half_time_goals
    from source
    where until_version is null
)

select * from renamed
where season is not null and match_on is not null and home_team <> '' and away_team <> ''
