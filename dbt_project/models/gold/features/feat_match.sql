-- Everything SQL knows before a match, one row per match, played or not. The closing odds are carried as the benchmark.
-- Of silver's matches: gold's have names and statistics in them, which would be joined for nothing.
with match as (
    select
        match.match_id,
        match.kickoff_at,
        competition.tier
    from {{ ref('int_match') }} as match
    inner join {{ ref('dim_competition') }} as competition on match.competition_id = competition.competition_id
)

select
    match.match_id,
    form.home_form_points_5,
    form.away_form_points_5,
    form.home_form_goal_difference_5,
    form.away_form_goal_difference_5,
    form.home_form_shots_on_target_difference_5,
    form.away_form_shots_on_target_difference_5,
    rest.home_rest_days,
    rest.away_rest_days,
    season.home_season_points_per_match,
    season.away_season_points_per_match,
    season.home_season_goal_difference_per_match,
    season.away_season_goal_difference_per_match,
    season.home_season_n_played,
    season.away_season_n_played,
    extract(month from match.kickoff_at at time zone 'Europe/London')::float8 as month,
    match.tier::float8 as tier,
    market.pre_match_odds_home,
    market.pre_match_odds_draw,
    market.pre_match_odds_away,
    market.pre_match_odds_over,
    market.pre_match_odds_under,
    market.closing_odds_home,
    market.closing_odds_draw,
    market.closing_odds_away,
    market.closing_odds_over,
    market.closing_odds_under,
    market.pinnacle_closing_odds_home,
    market.pinnacle_closing_odds_draw,
    market.pinnacle_closing_odds_away,
    market.first_quote_odds_home,
    market.first_quote_odds_draw,
    market.first_quote_odds_away,
    market.last_quote_odds_home,
    market.last_quote_odds_draw,
    market.last_quote_odds_away
from match
inner join {{ ref('feat_form') }} as form on match.match_id = form.match_id
inner join {{ ref('feat_rest') }} as rest on match.match_id = rest.match_id
inner join {{ ref('feat_season') }} as season on match.match_id = season.match_id
inner join {{ ref('feat_market') }} as market on match.match_id = market.match_id
