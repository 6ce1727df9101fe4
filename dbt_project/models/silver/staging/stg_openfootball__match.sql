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
        case when pg_input_is_valid(cells ->> 'date', 'date') then (cells ->> 'date')::date end as match_on,
        {{ trimmed("cells ->> 'team1'") }} as home_team,
        {{ trimmed("cells ->> 'team2'") }} as away_team,

        ---------- numbers
        {{ whole_number("(cells ->> 'ft_home')") }} as home_goals,
        {{ whole_number("(cells ->> 'ft_away')") }} as away_goals,
        {{ whole_number("(cells ->> 'ht_home')") }} as home_half_time_goals,
        {{ whole_number("(cells ->> 'ht_away')") }} as away_half_time_goals
    from source
    where until_version is null
)

select * from renamed
where season is not null and match_on is not null and home_team <> '' and away_team <> ''
