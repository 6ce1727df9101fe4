{{ config(
    materialized='incremental',
    indexes=[{'columns': ['row_id'], 'unique': true}],
    pre_hook="{{ drop_closed_lines('football_data_match', 'line.row_id = made.row_id') }}",
) }}

-- One price per outcome before the match and one at kick-off, for home, draw and away and for more or fewer than 2.5 goals; a row
-- for each line, also where it has none. The source's own average, before the match else the mean over bookmakers, at kick-off
-- else Pinnacle. Pinnacle's at kick-off stands beside it for what is learnt from it: of all closing prices the nearest to what
-- happens. A set whose margin is below -0.5 % or above 25 % is a typing error and counts as absent.
with line as materialized (
    {% if is_incremental() -%}
        {{ added_lines('football_data_match', 'made.row_id = line.row_id') }}
    {%- else -%}
        select line.row_id
        from {{ source('bronze', 'football_data_match') }} as line
        where line.until_version is null
    {%- endif %}
),

quoted as materialized (
    select
        row_id,
        bookmaker,
        moment,
        market,
        odds_home,
        odds_draw,
        odds_away,
        odds_over,
        odds_under
    from {{ ref('stg_football_data__quote') }}
    where
        market in ('1x2', 'over_under_25')
        and (
            bookmaker = 'average'
            or bookmaker = 'pinnacle' and moment = 'closing'
            or moment = 'pre_match' and bookmaker <> 'maximum' and not has_average
        )
        {% if is_incremental() -%}
            and {{ is_added('row_id', 'line') }}
        {%- endif %}
),

possible as (
    select *
    from quoted
    where
        case market
            when '1x2' then 1 / odds_home + 1 / odds_draw + 1 / odds_away
            when 'over_under_25' then 1 / odds_over + 1 / odds_under
        end between 0.995 and 1.25
),

price as (
    select
        row_id,
        moment,
        market,
        case when bookmaker = 'average' then 1 else 2 end as choice,
        odds_home,
        odds_draw,
        odds_away,
        odds_over,
        odds_under
    from possible
    where bookmaker = 'average' or moment = 'closing'

    union all

    -- In decimals, so that the mean does not depend on the order of the bookmakers.
    select
        row_id,
        moment,
        market,
        2 as choice,
        avg(odds_home::numeric)::float8 as odds_home,
        avg(odds_draw::numeric)::float8 as odds_draw,
        avg(odds_away::numeric)::float8 as odds_away,
        avg(odds_over::numeric)::float8 as odds_over,
        avg(odds_under::numeric)::float8 as odds_under
    from possible
    where bookmaker <> 'average' and moment = 'pre_match'
    group by row_id, moment, market
),

chosen as (
    select distinct on (row_id, moment, market)
        row_id,
        moment,
        market,
        odds_home,
        odds_draw,
        odds_away,
        odds_over,
        odds_under
    from price
    order by row_id, moment, market, choice
),

pinnacle as (
    select
        row_id,
        odds_home,
        odds_draw,
        odds_away
    from possible
    where bookmaker = 'pinnacle' and moment = 'closing' and market = '1x2'
)

select
    line.row_id,
    max(chosen.odds_home) filter (where chosen.moment = 'pre_match') as pre_match_odds_home,
    max(chosen.odds_draw) filter (where chosen.moment = 'pre_match') as pre_match_odds_draw,
    max(chosen.odds_away) filter (where chosen.moment = 'pre_match') as pre_match_odds_away,
    max(chosen.odds_over) filter (where chosen.moment = 'pre_match') as pre_match_odds_over,
    max(chosen.odds_under) filter (where chosen.moment = 'pre_match') as pre_match_odds_under,
    max(chosen.odds_home) filter (where chosen.moment = 'closing') as closing_odds_home,
    max(chosen.odds_draw) filter (where chosen.moment = 'closing') as closing_odds_draw,
    max(chosen.odds_away) filter (where chosen.moment = 'closing') as closing_odds_away,
    max(chosen.odds_over) filter (where chosen.moment = 'closing') as closing_odds_over,
    max(chosen.odds_under) filter (where chosen.moment = 'closing') as closing_odds_under,
    max(pinnacle.odds_home) as pinnacle_closing_odds_home,
    max(pinnacle.odds_draw) as pinnacle_closing_odds_draw,
    max(pinnacle.odds_away) as pinnacle_closing_odds_away
from line
left join chosen on line.row_id = chosen.row_id
left join pinnacle on line.row_id = pinnacle.row_id
group by line.row_id
