-- Both teams' view of every match, played or not, with the count of the team's matches known before the forecast.
-- Known matches are numbered per team in the order in which they became known; the count is the number of the last one that
-- may be used. Times decide, never the order of rows: matches known at the very moment of a forecast are not known to it.
with match as (
    select * from {{ ref('fct_match') }}
),

team_match as (
    select
        match_id,
        home_team_id as team_id,
        true as is_home,
        competition_id,
        season,
        kickoff_at,
        as_of,
        known_at,
        home_goals as goals_for,
        away_goals as goals_against,
        home_shots_on_target - away_shots_on_target as shots_on_target_difference
    from match

    union all

    select
        match_id,
        away_team_id as team_id,
        false as is_home,
        competition_id,
        season,
        kickoff_at,
        as_of,
        known_at,
        away_goals as goals_for,
        home_goals as goals_against,
        away_shots_on_target - home_shots_on_target as shots_on_target_difference
    from match
),

-- Forecasts ask at as_of, results arrive at known_at; asking comes first where both happen at one moment.
event as (
    select
        match_id,
        team_id,
        as_of as happens_at,
        0 as is_result
    from team_match

    union all

    select
        match_id,
        team_id,
        known_at as happens_at,
        1 as is_result
    from team_match
    where known_at is not null
),

counted as (
    select
        match_id,
        team_id,
        is_result,
        (sum(is_result) over (
            partition by team_id order by happens_at, is_result, match_id rows unbounded preceding
        ))::int as n_known
    from event
)

select
    team_match.match_id,
    team_match.team_id,
    team_match.is_home,
    team_match.competition_id,
    team_match.season,
    team_match.kickoff_at,
    team_match.as_of,
    team_match.known_at,
    team_match.goals_for,
    team_match.goals_against,
    team_match.goals_for - team_match.goals_against as goal_difference,
    case sign(team_match.goals_for - team_match.goals_against) when 1 then 3 when 0 then 1 when -1 then 0 end as points,
    team_match.shots_on_target_difference,
    asked.n_known as n_known_before,
    learnt.n_known as known_number
from team_match
inner join counted as asked
    on team_match.match_id = asked.match_id and team_match.team_id = asked.team_id and asked.is_result = 0
left join counted as learnt
    on team_match.match_id = learnt.match_id and team_match.team_id = learnt.team_id and learnt.is_result = 1
