with match as (
    select * from {{ ref('int_match') }}
),

price as (
    select * from {{ ref('int_price') }}
)

select
    match.match_id,
    before.odds_home as pre_match_odds_home,
    before.odds_draw as pre_match_odds_draw,
    before.odds_away as pre_match_odds_away,
    closing.odds_home as closing_odds_home,
    closing.odds_draw as closing_odds_draw,
    closing.odds_away as closing_odds_away
from match
left join price as before
    on match.sighting_id = before.row_id and before.moment = 'pre_match' and match.quotes_known_at < match.as_of
left join price as closing
    on match.sighting_id = closing.row_id and closing.moment = 'closing' and match.kickoff_at < {{ data_cutoff() }}
