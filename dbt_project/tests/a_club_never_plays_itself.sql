-- It would be two clubs merged into one.
select match_id
from {{ ref('fct_match') }}
where home_team_id = away_team_id
