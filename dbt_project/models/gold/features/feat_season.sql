with record as (
    select * from {{ ref('int_season_record') }}
)

select
    match_id,
    home_season_points_per_match,
    away_season_points_per_match,
    home_season_goal_difference_per_match,
    away_season_goal_difference_per_match,
    home_season_n_played,
    away_season_n_played
from record
