-- What a stream tells of matches that no file has announced, by competition and names: it waits until one does. So does a result
-- that was final before the match can be over by the file's kick-off, as int_match has it, until the match has one. Of the
-- messages themselves, see lines_of_competitions_nobody_knows.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'int_match'}}}) }}

select
    message.cells ->> 'competition' as competition,
    message.cells ->> 'home' as home_team,
    message.cells ->> 'away' as away_team,
    (message.cells ->> 'kickoff_at')::timestamptz as kickoff_at,
    count(*) as n_messages
from {{ source('bronze', 'stream_message') }} as message
where
    message.until_version is null
    and not exists (
        select 1
        from {{ ref('int_match') }} as match
        inner join {{ ref('competition') }} as competition on match.competition_id = competition.competition_id
        inner join {{ ref('int_team_name') }} as home
            on competition.country = home.country and match.home_team_id = home.team_id
        inner join {{ ref('int_team_name') }} as away
            on competition.country = away.country and match.away_team_id = away.team_id
        where
            match.competition_id = message.cells ->> 'competition'
            and home.source_name = message.cells ->> 'home'
            and away.source_name = message.cells ->> 'away'
            and abs(match.match_on - {{ uk_day("(message.cells ->> 'kickoff_at')::timestamptz") }}) <= 1
            and (
                message.cells ->> 'kind' = 'quote'
                or match.status = 'played'
                or (message.cells ->> 'final_at')::timestamptz >= match.kickoff_at + interval '90 minutes'
            )
    )
group by
    message.cells ->> 'competition', message.cells ->> 'home', message.cells ->> 'away', message.cells ->> 'kickoff_at'
