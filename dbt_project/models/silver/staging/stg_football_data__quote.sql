-- Every price that a standing line carries, one row per bookmaker, moment and market. The columns' meaning depends on
-- the layout of the file: seed `quote_column` lists it. A view: unfolding 60 columns of 260,000 lines for the few that
-- are asked for at a time is far cheaper than writing three million rows each day. Subqueries rather than CTEs, through
-- which the planner would not see that a reader wants the lines of a few matches only.
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
from (
    select
        delivered.row_id,
        delivered.cells ?| case quote_column.market
            when 'over_under_25' then array['Avg>2.5', 'BbAv>2.5']
            else array['AvgA', 'BbAvA']
        end as has_average,
        quote_column.bookmaker,
        quote_column.moment,
        quote_column.market,
        {{ handicap('(delivered.cells ->> quote_column.line_column)') }} as line,
        {{ price('(delivered.cells ->> quote_column.first_column)') }} as first_odds,
        {{ price('(delivered.cells ->> quote_column.draw_column)') }} as odds_draw,
        {{ price('(delivered.cells ->> quote_column.second_column)') }} as second_odds
    from {{ source('bronze', 'football_data_match') }} as delivered
    inner join {{ ref('quote_column') }} as quote_column
        on delivered.layout = quote_column.layout
    where
        delivered.until_version is null
        and delivered.cells ? quote_column.second_column
        and (coalesce(quote_column.line_column, '') = '' or delivered.cells ? quote_column.line_column)
        and not delivered.cells ? coalesce(quote_column.unless_column, '')
) as quote
where coalesce(first_odds, odds_draw, second_odds) is not null
