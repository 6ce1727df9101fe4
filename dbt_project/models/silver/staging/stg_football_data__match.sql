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

        ---------- competition and season
        {{ text_cell('Div') }} as division,
        {{ text_cell('Country') }} as country,
        {{ text_cell('League') }} as league,
        case
            when layout = 'main' then substring(key from 'mmz4281/(\d\d)\d\d/')::int
            when {{ text_cell('Season') }} ~ '^\d{4}(/\d{4})?$' then left({{ text_cell('Season') }}, 4)::int
        end as season_year,

        ---------- when and who
        {{ uk_date(text_cell('Date')) }} as match_on,
        {{ time_cell('Time') }} as kickoff_time,
        {{ text_cell('HomeTeam', 'Home', 'HT') }} as home_team,
        {{ text_cell('AwayTeam', 'Away', 'AT') }} as away_team,
        {{ text_cell('Referee') }} as referee,

        ---------- numbers
        {{ count_cell('FTHG', 'HG') }} as home_goals,
        {{ count_cell('FTAG', 'AG') }} as away_goals,
        {{ count_cell('HTHG') }} as home_half_time_goals,
        {{ count_cell('HTAG') }} as away_half_time_goals,
        {{ count_cell('HS') }} as home_shots,
        {{ count_cell('AS') }} as away_shots,
        {{ count_cell('HST') }} as home_shots_on_target,
        {{ count_cell('AST') }} as away_shots_on_target,
        {{ count_cell('HC') }} as home_corners,
        {{ count_cell('AC') }} as away_corners,
        {{ count_cell('HF') }} as home_fouls,
        {{ count_cell('AF') }} as away_fouls,
        {{ count_cell('HFKC') }} as home_free_kicks_conceded,
        {{ count_cell('AFKC') }} as away_free_kicks_conceded,
        {{ count_cell('HY') }} as home_yellow_cards,
        {{ count_cell('AY') }} as away_yellow_cards,
        {{ count_cell('HR') }} as home_red_cards,
        {{ count_cell('AR') }} as away_red_cards
    from source
    -- A line stands while its file holds it. Rolling extracts repeat what the leagues' own files say.
    where until_version is null and layout in ('main', 'new') and key not like '%Latest_Results%'
)

select
    row_id,
    source,
    key,
    layout,
    since_version,
    line_number,
    ingested_at,
    division,
    country,
    league,
    case
        when layout = 'new' then season_year
        when season_year >= 70 then 1900 + season_year
        else 2000 + season_year
    end as season,
    match_on,
    kickoff_time,
    home_team,
    away_team,
    referee,
    home_goals,
    away_goals,
    home_half_time_goals,
    away_half_time_goals,
    home_shots,
    away_shots,
    home_shots_on_target,
    away_shots_on_target,
    home_corners,
    away_corners,
    home_fouls,
    away_fouls,
    home_free_kicks_conceded,
    away_free_kicks_conceded,
    home_yellow_cards,
    away_yellow_cards,
    home_red_cards,
    away_red_cards
from renamed
where match_on is not null and home_team <> '' and away_team <> ''
