-- Status, moment and score go together, and a forecast is always cut off before its result.
select match_id
from {{ ref('fct_match') }}
where
    (status = 'played') <> (known_at is not null)
    or (status = 'played') <> (home_goals is not null and away_goals is not null)
    or as_of >= kickoff_at and is_time_known
    or as_of >= known_at
