with match as (
    select * from {{ ref('int_match') }}
),

price as (
    select * from {{ ref('int_price') }}
),

movement as (
    select * from {{ ref('int_line_movement') }}
)

select
    match.match_id,
    case when match.quotes_known_at < match.as_of then price.pre_match_odds_home end as pre_match_odds_home,
    case when match.quotes_known_at < match.as_of then price.pre_match_odds_draw end as pre_match_odds_draw,
    case when match.quotes_known_at < match.as_of then price.pre_match_odds_away end as pre_match_odds_away,
    case when match.quotes_known_at < match.as_of then price.pre_match_odds_over end as pre_match_odds_over,
    case when match.quotes_known_at < match.as_of then price.pre_match_odds_under end as pre_match_odds_under,
    case when match.kickoff_at < {{ data_cutoff() }} then price.closing_odds_home end as closing_odds_home,
    case when match.kickoff_at < {{ data_cutoff() }} then price.closing_odds_draw end as closing_odds_draw,
    case when match.kickoff_at < {{ data_cutoff() }} then price.closing_odds_away end as closing_odds_away,
    case when match.kickoff_at < {{ data_cutoff() }} then price.closing_odds_over end as closing_odds_over,
    case when match.kickoff_at < {{ data_cutoff() }} then price.closing_odds_under end as closing_odds_under,
    case
        when match.kickoff_at < {{ data_cutoff() }} then price.pinnacle_closing_odds_home
    end as pinnacle_closing_odds_home,
    case
        when match.kickoff_at < {{ data_cutoff() }} then price.pinnacle_closing_odds_draw
    end as pinnacle_closing_odds_draw,
    case
        when match.kickoff_at < {{ data_cutoff() }} then price.pinnacle_closing_odds_away
    end as pinnacle_closing_odds_away,
    movement.first_quote_odds_home,
    movement.first_quote_odds_draw,
    movement.first_quote_odds_away,
    movement.last_quote_odds_home,
    movement.last_quote_odds_draw,
    movement.last_quote_odds_away
from match
left join price on match.sighting_id = price.row_id
left join movement on match.match_id = movement.match_id
