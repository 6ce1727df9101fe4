-- One raw price per outcome before the match and one at kick-off. A triple whose margin is below -0.5 % or above 25 % is a
-- typing error, and the next best is taken: the sources' own average, before the match else the mean over bookmakers, at
-- kick-off else Pinnacle.
with match as (
    select
        match_id,
        as_of
    from {{ ref('fct_match') }}
),

headline as (
    select * from {{ ref('fct_odds') }}
    where
        market = '1x2'
        and (bookmaker = 'average' or bookmaker = 'pinnacle' and moment = 'closing')
        and 1 / odds_home + 1 / odds_draw + 1 / odds_away between 0.995 and 1.25
),

average_before as (
    select
        headline.match_id,
        headline.odds_home,
        headline.odds_draw,
        headline.odds_away
    from headline
    inner join match on headline.match_id = match.match_id and headline.known_at < match.as_of
    where headline.moment = 'pre_match'
),

-- In decimals, so that the mean does not depend on the order of the bookmakers.
mean_before as (
    select
        match.match_id,
        avg(odds.odds_home::numeric)::float8 as odds_home,
        avg(odds.odds_draw::numeric)::float8 as odds_draw,
        avg(odds.odds_away::numeric)::float8 as odds_away
    from {{ ref('fct_odds') }} as odds
    inner join match on odds.match_id = match.match_id and odds.known_at < match.as_of
    where
        odds.market = '1x2'
        and odds.moment = 'pre_match'
        and odds.bookmaker not in ('average', 'maximum')
        and 1 / odds.odds_home + 1 / odds.odds_draw + 1 / odds.odds_away between 0.995 and 1.25
        and not exists (select 1 from average_before where average_before.match_id = odds.match_id)
    group by match.match_id
),

closing as (
    select distinct on (match_id)
        match_id,
        odds_home,
        odds_draw,
        odds_away
    from headline
    where moment = 'closing'
    order by match_id, bookmaker
)

select
    match.match_id,
    coalesce(average_before.odds_home, mean_before.odds_home) as pre_match_odds_home,
    coalesce(average_before.odds_draw, mean_before.odds_draw) as pre_match_odds_draw,
    coalesce(average_before.odds_away, mean_before.odds_away) as pre_match_odds_away,
    closing.odds_home as closing_odds_home,
    closing.odds_draw as closing_odds_draw,
    closing.odds_away as closing_odds_away
from match
left join average_before on match.match_id = average_before.match_id
left join mean_before on match.match_id = mean_before.match_id
left join closing on match.match_id = closing.match_id
