{{ config(
    materialized='incremental',
    indexes=[{'columns': ['row_id'], 'unique': true}],
    pre_hook="{{ drop_closed_lines('football_data_match', 'line.row_id = made.row_id') }}",
) }}

-- One price per outcome before the match and one at kick-off, a row for each line, also where it has none: the source's own
-- average, before the match else the mean over bookmakers, at kick-off else Pinnacle. A triple whose margin is below -0.5 % or
-- above 25 % is a typing error and counts as absent.
with line as materialized (
    {% if is_incremental() -%}
        {{ added_lines('football_data_match', 'made.row_id = line.row_id') }}
    {%- else -%}
        select line.row_id
        from {{ source('bronze', 'football_data_match') }} as line
        where line.until_version is null
    {%- endif %}
),

headline as materialized (
    select
        row_id,
        bookmaker,
        moment,
        odds_home,
        odds_draw,
        odds_away
    from {{ ref('stg_football_data__quote') }}
    where
        market = '1x2' and (bookmaker = 'average' or bookmaker = 'pinnacle' and moment = 'closing')
        {% if is_incremental() -%}
            and {{ is_added('row_id', 'line') }}
        {%- endif %}
),

bookmaker_before as materialized (
    select
        row_id,
        odds_home,
        odds_draw,
        odds_away
    from {{ ref('stg_football_data__quote') }}
    where
        market = '1x2' and moment = 'pre_match' and bookmaker <> 'maximum' and not has_average
        {% if is_incremental() -%}
            and {{ is_added('row_id', 'line') }}
        {%- endif %}
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
),

chosen as (
    select distinct on (row_id, moment)
        row_id,
        moment,
        odds_home,
        odds_draw,
        odds_away
    from price
    order by row_id, moment, choice
)

select
    line.row_id,
    before.odds_home as pre_match_odds_home,
    before.odds_draw as pre_match_odds_draw,
    before.odds_away as pre_match_odds_away,
    closing.odds_home as closing_odds_home,
    closing.odds_draw as closing_odds_draw,
    closing.odds_away as closing_odds_away
from line
left join chosen as before on line.row_id = before.row_id and before.moment = 'pre_match'
left join chosen as closing on line.row_id = closing.row_id and closing.moment = 'closing'
