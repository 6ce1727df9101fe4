with source as (
    select * from {{ source('bronze', 'international_match') }}
),

renamed as (
    select
        ---------- ids
        row_id,
        since_version,
        line_number,
        ingested_at,

        ---------- competition
        {{ trimmed("cells ->> 'tournament'") }} as tournament,

        ---------- when, where and who: the day is the ground's own
        case when pg_input_is_valid(cells ->> 'date', 'date') then (cells ->> 'date')::date end as match_on,
        upper({{ trimmed("cells ->> 'neutral'") }}) = 'TRUE' as is_neutral,
        {{ trimmed("cells ->> 'home_team'") }} as home_team,
        {{ trimmed("cells ->> 'away_team'") }} as away_team,

        ---------- numbers
        {{ whole_number("(cells ->> 'home_score')") }} as home_goals,
        {{ whole_number("(cells ->> 'away_score')") }} as away_goals
    from source
    where until_version is null
)

select * from renamed
where match_on is not null and is_neutral is not null and tournament <> '' and home_team <> '' and away_team <> ''
