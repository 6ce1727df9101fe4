with match as (
    select * from {{ ref('int_international') }}
),

named as (
    select
        home_team_id as team_id,
        home_team as name
    from match

    union

    select
        away_team_id as team_id,
        away_team as name
    from match
)

select
    team_id,
    name
from named
