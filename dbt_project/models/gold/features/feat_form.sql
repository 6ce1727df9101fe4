with record as (
    select * from {{ ref('int_form') }}
)

select
    match_id,
    home_form_points_5,
    away_form_points_5,
    home_form_goal_difference_5,
    away_form_goal_difference_5,
    home_form_shots_on_target_difference_5,
    away_form_shots_on_target_difference_5
from record
