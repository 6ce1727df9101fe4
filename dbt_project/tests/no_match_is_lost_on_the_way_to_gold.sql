-- Gold joins what silver keeps apart: a match whose club, competition or record is missing would silently not be there.
{{ config(meta={'dagster': {'ref': {'name': 'int_match'}}}) }}

select match.match_id
from {{ ref('int_match') }} as match
left join {{ ref('dim_competition') }} as competition on match.competition_id = competition.competition_id
left join {{ ref('dim_team') }} as home on match.home_team_id = home.team_id
left join {{ ref('dim_team') }} as away on match.away_team_id = away.team_id
left join {{ ref('int_form') }} as form on match.match_id = form.match_id
left join {{ ref('int_season_record') }} as season on match.match_id = season.match_id
left join {{ ref('int_sighting') }} as sighting on match.sighting_id = sighting.sighting_id
where
    num_nulls(
        competition.competition_id, home.team_id, away.team_id, form.match_id, season.match_id, sighting.sighting_id
    ) > 0
