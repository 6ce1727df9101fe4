-- Every quote on a match, from the line that speaks for the match, and those of the stream, each at its own moment. No CTEs, see
-- stg_football_data__quote.
select
    match.match_id,
    quote.bookmaker,
    quote.moment,
    quote.market,
    quote.line,
    quote.odds_home,
    quote.odds_draw,
    quote.odds_away,
    quote.odds_over,
    quote.odds_under,
    case when quote.moment = 'closing' then match.kickoff_at else match.quotes_known_at end as known_at
from {{ ref('stg_football_data__quote') }} as quote
inner join {{ ref('int_match') }} as match on quote.row_id = match.sighting_id
where case when quote.moment = 'closing' then match.kickoff_at else match.quotes_known_at end < {{ data_cutoff() }}

union all

select
    match_id,
    bookmaker,
    'streamed' as moment,
    market,
    null::float8 as line,
    odds_home,
    odds_draw,
    odds_away,
    odds_over,
    odds_under,
    known_at
from {{ ref('int_stream_quote') }}
where known_at < {{ data_cutoff() }}
