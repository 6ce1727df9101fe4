{{ config(
    materialized='incremental',
    indexes=[{'columns': ['sighting_id'], 'unique': true}],
    pre_hook=[
        "{{ drop_closed_lines('football_data_match', 'line.row_id = made.sighting_id') }}",
        "{{ drop_closed_lines('openfootball_match', '-line.row_id = made.sighting_id') }}",
        "{{ drop_closed_lines('football_data_org_match', 'line.row_id = made.sighting_id') }}",
    ],
) }}

-- What each source says of a match, in one form: competition, season and moment settled, teams still by their names there.
-- A sighting is one standing line. Negative ids are openfootball's, those of football-data.org begin at 10^12, so that an id is a
-- line of one table. What files are is not read here, but nothing is made past a check on them.
-- depends_on: {{ source('bronze', 'source_file') }}
with competition as (
    select * from {{ ref('competition') }}
),

{% if is_incremental() -%}
    added_line as materialized (
        {{ added_lines('football_data_match', 'made.sighting_id = line.row_id') }}
    ),

    added_openfootball_line as materialized (
        {{ added_lines('openfootball_match', 'made.sighting_id = -line.row_id') }}
    ),

    added_football_data_org_line as materialized (
        {{ added_lines('football_data_org_match', 'made.sighting_id = line.row_id') }}
    ),
{%- endif %}

competition_alias as (
    select * from {{ ref('competition_alias') }}
),

-- A main league is known by its code. A country's file holds its league, and others where the alias seed says so.
football_data_competition as (
    select
        source_division as division,
        competition_id
    from competition
    where not exists (
        select 1 from {{ ref('competition') }} as of_country
        where of_country.is_country_file and of_country.source_division = competition.source_division
    )
),

match as (
    select
        match.*,
        coalesce(main.competition_id, alias.competition_id, of_country.competition_id) as competition_id
    from {{ ref('stg_football_data__match') }} as match
    left join football_data_competition as main on match.division = main.division
    left join competition as of_country on of_country.is_country_file and match.country = of_country.country
    left join competition_alias as alias
        on alias.source = 'football_data' and match.country || '/' || match.league = alias.source_name
    {% if is_incremental() -%}
        where {{ is_added('match.row_id', 'added_line') }}
    {%- endif %}
),

fixture as (
    select
        fixture.*,
        coalesce(main.competition_id, alias.competition_id, of_country.competition_id) as competition_id
    from {{ ref('stg_football_data__fixture') }} as fixture
    left join football_data_competition as main on fixture.division = main.division
    left join competition as of_country on of_country.is_country_file and fixture.country = of_country.country
    left join competition_alias as alias
        on alias.source = 'football_data' and fixture.country || '/' || fixture.league = alias.source_name
    {% if is_incremental() -%}
        where {{ is_added('fixture.row_id', 'added_line') }}
    {%- endif %}
),

sighting as (
    select
        row_id as sighting_id,
        source,
        key,
        layout,
        since_version,
        line_number,
        ingested_at,
        competition_id,
        season,
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
    from match

    union all

    select
        fixture.row_id as sighting_id,
        fixture.source,
        fixture.key,
        fixture.layout,
        fixture.since_version,
        fixture.line_number,
        fixture.ingested_at,
        fixture.competition_id,
        null as season,
        fixture.match_on,
        fixture.kickoff_time,
        fixture.home_team,
        fixture.away_team,
        null as referee,
        null as home_goals,
        null as away_goals,
        null as home_half_time_goals,
        null as away_half_time_goals,
        null as home_shots,
        null as away_shots,
        null as home_shots_on_target,
        null as away_shots_on_target,
        null as home_corners,
        null as away_corners,
        null as home_fouls,
        null as away_fouls,
        null as home_free_kicks_conceded,
        null as away_free_kicks_conceded,
        null as home_yellow_cards,
        null as away_yellow_cards,
        null as home_red_cards,
        null as away_red_cards
    from fixture

    union all

    select
        -match.row_id as sighting_id,
        match.source,
        match.key,
        match.layout,
        match.since_version,
        match.line_number,
        match.ingested_at,
        alias.competition_id,
        match.season,
        match.match_on,
        null as kickoff_time,
        match.home_team,
        match.away_team,
        null as referee,
        match.home_goals,
        match.away_goals,
        match.home_half_time_goals,
        match.away_half_time_goals,
        null as home_shots,
        null as away_shots,
        null as home_shots_on_target,
        null as away_shots_on_target,
        null as home_corners,
        null as away_corners,
        null as home_fouls,
        null as away_fouls,
        null as home_free_kicks_conceded,
        null as away_free_kicks_conceded,
        null as home_yellow_cards,
        null as away_yellow_cards,
        null as home_red_cards,
        null as away_red_cards
    from {{ ref('stg_openfootball__match') }} as match
    inner join competition_alias as alias
        on alias.source = 'openfootball' and match.competition_code = alias.source_name
    {% if is_incremental() -%}
        where {{ is_added('match.row_id', 'added_openfootball_line') }}
    {%- endif %}

    union all

    select
        match.row_id as sighting_id,
        match.source,
        match.key,
        match.layout,
        match.since_version,
        match.line_number,
        match.ingested_at,
        alias.competition_id,
        match.season,
        match.match_on,
        match.kickoff_time,
        match.home_team,
        match.away_team,
        null as referee,
        match.home_goals,
        match.away_goals,
        match.home_half_time_goals,
        match.away_half_time_goals,
        null as home_shots,
        null as away_shots,
        null as home_shots_on_target,
        null as away_shots_on_target,
        null as home_corners,
        null as away_corners,
        null as home_fouls,
        null as away_fouls,
        null as home_free_kicks_conceded,
        null as away_free_kicks_conceded,
        null as home_yellow_cards,
        null as away_yellow_cards,
        null as home_red_cards,
        null as away_red_cards
    from {{ ref('stg_football_data_org__match') }} as match
    inner join competition_alias as alias
        on alias.source = 'football_data_org' and match.competition_code = alias.source_name
    {% if is_incremental() -%}
        where {{ is_added('match.row_id', 'added_football_data_org_line') }}
    {%- endif %}
)

select
    sighting.sighting_id,
    sighting.source,
    sighting.key,
    sighting.layout,
    sighting.since_version,
    sighting.line_number,
    sighting.ingested_at,
    sighting.competition_id,
    competition.country,
    competition.tier,
    competition.source_division,
    coalesce(
        sighting.season,
        extract(year from sighting.match_on)::int
        - (competition.season_kind = 'autumn' and extract(month from sighting.match_on) < 7)::int
    ) as season,
    sighting.season is null as is_season_assumed,
    sighting.match_on,
    {{ uk_instant("sighting.match_on + coalesce(sighting.kickoff_time, '00:00')") }} as kickoff_at,
    sighting.kickoff_time is not null as is_time_known,
    sighting.home_team,
    sighting.away_team,
    sighting.home_goals is not null and sighting.away_goals is not null as is_played,
    sighting.home_goals,
    sighting.away_goals,
    sighting.home_half_time_goals,
    sighting.away_half_time_goals,
    sighting.home_shots,
    sighting.away_shots,
    sighting.home_shots_on_target,
    sighting.away_shots_on_target,
    sighting.home_corners,
    sighting.away_corners,
    sighting.home_fouls,
    sighting.away_fouls,
    sighting.home_free_kicks_conceded,
    sighting.away_free_kicks_conceded,
    sighting.home_yellow_cards,
    sighting.away_yellow_cards,
    sighting.home_red_cards,
    sighting.away_red_cards,
    sighting.referee
from sighting
inner join competition on sighting.competition_id = competition.competition_id
