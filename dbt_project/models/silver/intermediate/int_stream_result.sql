-- The stream's last word on the result of each match that a file has announced, with the season in which the files have it. A
-- stream speaks of matches and clubs that files know: what it says of others waits until they do.
with told as (
    select distinct on (result.competition_id, home.team_id, away.team_id, result.match_on)
        result.row_id,
        result.competition_id,
        result.match_on,
        home.team_id as home_team_id,
        away.team_id as away_team_id,
        result.home_goals,
        result.away_goals,
        result.final_at
    from {{ ref('stg_stream__result') }} as result
    inner join {{ ref('competition') }} as competition on result.competition_id = competition.competition_id
    inner join {{ ref('int_team_name') }} as home
        on competition.country = home.country and result.home_team = home.source_name
    inner join {{ ref('int_team_name') }} as away
        on competition.country = away.country and result.away_team = away.source_name
    where result.final_at < {{ data_cutoff() }}
    order by
        result.competition_id asc,
        home.team_id asc,
        away.team_id asc,
        result.match_on asc,
        result.final_at desc,
        result.row_id desc
)

select distinct
    told.row_id,
    told.competition_id,
    coalesce(fixture_season.season, sighting.season) as season,
    told.match_on,
    told.home_team_id,
    told.away_team_id,
    told.home_goals,
    told.away_goals,
    told.final_at
from told
inner join {{ ref('int_sighting') }} as sighting
    on
        told.competition_id = sighting.competition_id
        and sighting.match_on between told.match_on - 1 and told.match_on + 1
inner join {{ ref('int_team_name') }} as home
    on
        sighting.country = home.country
        and sighting.home_team = home.source_name
        and told.home_team_id = home.team_id
inner join {{ ref('int_team_name') }} as away
    on
        sighting.country = away.country
        and sighting.away_team = away.source_name
        and told.away_team_id = away.team_id
left join {{ ref('int_fixture_season') }} as fixture_season on sighting.sighting_id = fixture_season.sighting_id
