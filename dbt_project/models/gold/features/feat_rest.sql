-- UK days since the team's last match known before the forecast, at most 30: a longer break says no more.
with team_match as (
    select
        *,
        {{ uk_day('kickoff_at') }} as match_on
    from {{ ref('fct_team_match') }}
)

select
    home.match_id,
    least(home.match_on - home_last.match_on, 30)::float8 as home_rest_days,
    least(away.match_on - away_last.match_on, 30)::float8 as away_rest_days
from team_match as home
inner join team_match as away on home.match_id = away.match_id and not away.is_home
left join team_match as home_last on home.team_id = home_last.team_id and home.n_known_before = home_last.known_number
left join team_match as away_last on away.team_id = away_last.team_id and away.n_known_before = away_last.known_number
where home.is_home
