-- Every price that a standing line carries, one row per bookmaker, moment and market. The columns' meaning depends on
-- the layout of the file: seed `quote_column` lists it. A view: unfolding 60 columns of 260,000 lines for the few that
-- are asked for at a time is far cheaper than writing three million rows each day.
with quoted as (
    select
        line.row_id,
        line.cells ?| array['AvgA', 'BbAvA'] as has_average,
        quote_column.bookmaker,
        quote_column.moment,
        quote_column.market,
        line.cells ->> quote_column.line_column as line,
        line.cells ->> quote_column.first_column as first_price,
        line.cells ->> quote_column.draw_column as draw_price,
        line.cells ->> quote_column.second_column as second_price
    from {{ source('bronze', 'football_data_match') }} as line
    inner join {{ ref('quote_column') }} as quote_column
        on line.layout = quote_column.layout
    where
        line.until_version is null
        and line.cells ? quote_column.second_column
        and (coalesce(quote_column.line_column, '') = '' or line.cells ? quote_column.line_column)
        and not line.cells ? coalesce(quote_column.unless_column, '')
),

priced as (
    select
        row_id,
        has_average,
        bookmaker,
        moment,
        market,
        case when pg_input_is_valid(line, 'float8') then line::float8 end as line,
        {{ price('first_price') }} as first_odds,
        {{ price('draw_price') }} as odds_draw,
        {{ price('second_price') }} as second_odds
    from quoted
)

select
    row_id,
    has_average,
    bookmaker,
    moment,
    market,
    line,
    case when market <> 'over_under_25' then first_odds end as odds_home,
    odds_draw,
    case when market <> 'over_under_25' then second_odds end as odds_away,
    case when market = 'over_under_25' then first_odds end as odds_over,
    case when market = 'over_under_25' then second_odds end as odds_under
from priced
where coalesce(first_odds, odds_draw, second_odds) is not null
