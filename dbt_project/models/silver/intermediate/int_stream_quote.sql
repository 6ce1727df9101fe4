{{ config(indexes=[{'columns': ['match_id']}]) }}

-- Every quote of the stream on a match that files know, at its own moment. What was sent twice is one quote.
with quote as (
    select
        quote.*,
        home.team_id as home_team_id,
        away.team_id as away_team_id
    from {{ ref('stg_stream__quote') }} as quote
    inner join {{ ref('competition') }} as competition on quote.competition_id = competition.competition_id
    inner join {{ ref('int_team_name') }} as home
        on competition.country = home.country and quote.home_team = home.source_name
    inner join {{ ref('int_team_name') }} as away
        on competition.country = away.country and quote.away_team = away.source_name
)

select distinct on (match.match_id, quote.bookmaker, quote.market, quote.quoted_at)
    match.match_id,
    quote.bookmaker,
    quote.market,
    quote.odds_home,
    quote.odds_draw,
    quote.odds_away,
    quote.odds_over,
    quote.odds_under,
    quote.quoted_at as known_at
from quote
inner join {{ ref('int_match') }} as match
    on
        quote.competition_id = match.competition_id
        and quote.home_team_id = match.home_team_id
        and quote.away_team_id = match.away_team_id
        and match.match_on between quote.match_on - 1 and quote.match_on + 1
order by match.match_id asc, quote.bookmaker asc, quote.market asc, quote.quoted_at asc, quote.row_id desc
