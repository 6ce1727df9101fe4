-- The season of an announced match whose very result is there: files of coming matches do not name the season.
select
    fixture.sighting_id,
    min(result.season) as season
from {{ ref('int_sighting') }} as fixture
inner join {{ ref('int_sighting') }} as result
    on
        fixture.competition_id = result.competition_id
        and fixture.home_team = result.home_team
        and fixture.away_team = result.away_team
        and not result.is_season_assumed
        and result.match_on between fixture.match_on - 3 and fixture.match_on + 3
where fixture.is_season_assumed
group by fixture.sighting_id
