-- One price per outcome before the match and one at kick-off for each line that has them: the source's own average, before the
-- match else the mean over bookmakers, at kick-off else Pinnacle. A triple whose margin is below -0.5 % or above 25 % is a
-- typing error and counts as absent.
with headline as materialized (
    select
        row_id,
        bookmaker,
        moment,
        odds_home,
        odds_draw,
        odds_away
    from {{ ref('stg_football_data__quote') }}
    where market = '1x2' and (bookmaker = 'average' or bookmaker = 'pinnacle' and moment = 'closing')
),

bookmaker_before as materialized (
    select
        row_id,
        odds_home,
        odds_draw,
        odds_away
    from {{ ref('stg_football_data__quote') }}
    where market = '1x2' and moment = 'pre_match' and bookmaker <> 'maximum' and not has_average
),

price as (
    select
        row_id,
        moment,
        case when bookmaker = 'average' then 1 else 2 end as choice,
        odds_home,
        odds_draw,
        odds_away
    from headline
    where 1 / odds_home + 1 / odds_draw + 1 / odds_away between 0.995 and 1.25

    union all

    -- In decimals, so that the mean does not depend on the order of the bookmakers.
    select
        row_id,
        'pre_match' as moment,
        1 as choice,
        avg(odds_home::numeric)::float8 as odds_home,
        avg(odds_draw::numeric)::float8 as odds_draw,
        avg(odds_away::numeric)::float8 as odds_away
    from bookmaker_before
    where 1 / odds_home + 1 / odds_draw + 1 / odds_away between 0.995 and 1.25
    group by row_id
)

select distinct on (row_id, moment)
    row_id,
    moment,
    odds_home,
    odds_draw,
    odds_away
from price
order by row_id, moment, choice
