{{ config(
    indexes=[{'columns': ['match_id', 'source', 'other_source', 'what'], 'unique': true}],
    pre_hook=["{{ no_nested_loops() }}"],
) }}

-- What two sources tell differently of one match. One row per match, pair of sources and what: the score, the day or the
-- kick-off. Of each pair `source` is believed more; what silver believes may be a third one's. Of a match still to come it is the
-- kick-off alone, which the cut-off of its forecast goes by: days that are announced months ahead move without being wrong.
--
-- A table, made anew by every run: it is read by tests and people more often than it is made, and where nothing is told
-- differently, as in nearly every season, there would be no row by which to see what need not be compared again.
-- Most seasons the league's own file tells alone: they are left out before anything is joined.
with shared_season as materialized (
    select
        sighting.competition_id,
        coalesce(fixture_season.season, sighting.season) as season
    from {{ ref('int_sighting') }} as sighting
    left join {{ ref('int_fixture_season') }} as fixture_season on sighting.sighting_id = fixture_season.sighting_id
    where (sighting.is_played or sighting.is_time_known) and {{ source_rank('sighting') }} > 1

    union distinct

    select
        competition_id,
        season
    from {{ ref('int_stream_result') }}
),

telling as materialized (
    select
        sighting.sighting_id,
        sighting.source,
        {{ source_rank('sighting') }} as source_rank,
        -- The others' day is the UK's, and may be the next one: an evening in America is the next morning there.
        sighting.layout = 'json' as is_day_local,
        season.competition_id,
        season.season,
        home.team_id as home_team_id,
        away.team_id as away_team_id,
        sighting.match_on,
        sighting.is_played,
        case when sighting.is_time_known then sighting.kickoff_at end as kickoff_at,
        sighting.home_goals,
        sighting.away_goals,
        sighting.ingested_at as first_known_at
    from {{ ref('int_sighting') }} as sighting
    left join {{ ref('int_fixture_season') }} as fixture_season on sighting.sighting_id = fixture_season.sighting_id
    inner join shared_season as season
        on
            sighting.competition_id = season.competition_id
            and coalesce(fixture_season.season, sighting.season) = season.season
    inner join {{ ref('int_team_name') }} as home
        on sighting.country = home.country and sighting.home_team = home.source_name
    inner join {{ ref('int_team_name') }} as away
        on sighting.country = away.country and sighting.away_team = away.source_name

    union all

    select
        result.row_id as sighting_id,
        'stream' as source,
        6 as source_rank,
        false as is_day_local,
        season.competition_id,
        season.season,
        result.home_team_id,
        result.away_team_id,
        result.match_on,
        true as is_played,
        null as kickoff_at,
        result.home_goals,
        result.away_goals,
        result.final_at as first_known_at
    from {{ ref('int_stream_result') }} as result
    inner join shared_season as season on result.competition_id = season.competition_id and result.season = season.season
),

-- Each result beside the nearest one of the same pairing that every source has which is believed more; each announcement beside
-- theirs of that day.
compared as (
    select distinct on (other.source, other.sighting_id, one.source)
        one.competition_id,
        one.season,
        one.home_team_id,
        one.away_team_id,
        one.sighting_id,
        one.source,
        one.match_on,
        one.is_played,
        one.kickoff_at,
        one.home_goals,
        one.away_goals,
        one.first_known_at,
        other.sighting_id as other_sighting_id,
        other.source as other_source,
        other.match_on as other_match_on,
        other.kickoff_at as other_kickoff_at,
        other.home_goals as other_home_goals,
        other.away_goals as other_away_goals,
        other.first_known_at as other_first_known_at,
        one.is_day_local::int - other.is_day_local::int as n_days_by_the_clock,
        one.home_goals = other.home_goals and one.away_goals = other.away_goals as is_same_score,
        other.match_on - one.match_on as n_days
    from telling as other
    inner join telling as one
        on
            other.competition_id = one.competition_id
            and other.season = one.season
            and other.home_team_id = one.home_team_id
            and other.away_team_id = one.away_team_id
            and other.source <> one.source
            and other.is_played = one.is_played
            and (other.is_played or other.match_on = one.match_on)
            and (one.source_rank, one.source) < (other.source_rank, other.source)
    order by
        other.source asc,
        other.sighting_id asc,
        one.source asc,
        abs(other.match_on - one.match_on) asc,
        one.source_rank asc,
        one.match_on asc,
        one.first_known_at desc,
        one.sighting_id desc
),

-- Results more than two days apart are of two matches, play-offs mostly, unless they are the same.
differing as (
    select
        compared.*,
        point.what,
        point.value,
        point.other_value
    from compared
    cross join
        lateral (
            values
            (
                'score',
                compared.home_goals || ':' || compared.away_goals,
                compared.other_home_goals || ':' || compared.other_away_goals,
                not compared.is_same_score
            ),
            (
                'day',
                compared.match_on::text,
                compared.other_match_on::text,
                compared.n_days not in (0, compared.n_days_by_the_clock)
            ),
            (
                'kick-off',
                {{ told_moment('compared.kickoff_at') }},
                {{ told_moment('compared.other_kickoff_at') }},
                compared.n_days = 0 and compared.kickoff_at <> compared.other_kickoff_at
            )
        ) as point (what, value, other_value, is_different)
    where point.is_different and (compared.is_same_score or abs(compared.n_days) <= 2)
),

-- The match that this is about, and who speaks for it.
matched as (
    select distinct on (
        differing.source, differing.sighting_id, differing.other_source, differing.other_sighting_id, differing.what
    )
        differing.*,
        match.match_id,
        case when differing.is_played then match.known_at is not null else match.status = 'scheduled' end as is_told,
        believed.source as believed_source,
        case differing.what
            when 'score' then believed.home_goals || ':' || believed.away_goals
            when 'day' then believed.match_on::text
            else {{ told_moment('believed.kickoff_at') }}
        end as believed_value
    from differing
    inner join {{ ref('int_match') }} as match
        on
            differing.competition_id = match.competition_id
            and differing.season = match.season
            and differing.home_team_id = match.home_team_id
            and differing.away_team_id = match.away_team_id
    inner join telling as believed on match.sighting_id = believed.sighting_id and believed.source <> 'stream'
    order by
        differing.source asc,
        differing.sighting_id asc,
        differing.other_source asc,
        differing.other_sighting_id asc,
        differing.what asc,
        match.sighting_id = differing.sighting_id desc,
        abs(match.match_on - differing.match_on) asc,
        match.match_id asc
)

-- A source may tell a match in several lines: the newest stands. What is known at the cut-off or later is no disagreement yet,
-- and what was announced of a match that was played by now is none any more.
select distinct on (match_id, source, other_source, what)
    match_id,
    competition_id,
    season,
    home_team_id,
    away_team_id,
    source,
    other_source,
    what,
    value,
    other_value,
    first_known_at,
    other_first_known_at,
    believed_source,
    believed_value,
    sighting_id,
    other_sighting_id
from matched
where is_told
order by
    match_id asc,
    source asc,
    other_source asc,
    what asc,
    other_first_known_at desc,
    first_known_at desc,
    other_sighting_id desc,
    sighting_id desc
