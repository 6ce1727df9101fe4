with record as (
    select * from {{ ref('int_form') }}
)

select
    match_id,
    home_rest_days,
    away_rest_days
from record
