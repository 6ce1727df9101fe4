{{ config(indexes=[{'columns': ['match_id'], 'unique': true}]) }}

-- The first and the last price of each match that the stream told before the forecast: the mean over the bookmakers of whom it
-- told at least two, so that both are of the same ones. Typing errors are left out as in int_price.
with quote as (
    select
        quote.match_id,
        quote.odds_home,
        quote.odds_draw,
        quote.odds_away,
        row_number() over (partition by quote.match_id, quote.bookmaker order by quote.known_at asc) as nth,
        row_number() over (partition by quote.match_id, quote.bookmaker order by quote.known_at desc) as nth_last
    from {{ ref('int_stream_quote') }} as quote
    inner join {{ ref('int_match') }} as match on quote.match_id = match.match_id
    where
        quote.market = '1x2'
        and quote.known_at < match.as_of
        and 1 / quote.odds_home + 1 / quote.odds_draw + 1 / quote.odds_away between 0.995 and 1.25
)

-- In decimals, so that the mean does not depend on the order of the bookmakers.
select
    match_id,
    (avg(odds_home::numeric) filter (where nth = 1))::float8 as first_quote_odds_home,
    (avg(odds_draw::numeric) filter (where nth = 1))::float8 as first_quote_odds_draw,
    (avg(odds_away::numeric) filter (where nth = 1))::float8 as first_quote_odds_away,
    (avg(odds_home::numeric) filter (where nth_last = 1))::float8 as last_quote_odds_home,
    (avg(odds_draw::numeric) filter (where nth_last = 1))::float8 as last_quote_odds_draw,
    (avg(odds_away::numeric) filter (where nth_last = 1))::float8 as last_quote_odds_away
from quote
where (nth = 1) <> (nth_last = 1)
group by match_id
