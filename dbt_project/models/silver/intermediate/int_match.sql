-- One row per match, played or not: its identity, and the sighting that speaks for it.
--
-- A match is a pairing at one ground in one season of one competition, and which of several such it is. Two dates on which
-- goals were scored are two matches. An unplayed sighting may move: it belongs to the first match played from two days
-- before its date on; if there is none it is a match still to come, and what different files announce is one match.
with sighting as (
    select
        sighting.sighting_id,
        sighting.source,
        sighting.key,
        sighting.layout,
        sighting.since_version,
        sighting.line_number,
        sighting.ingested_at,
        sighting.competition_id,
        sighting.season,
        sighting.match_on,
        sighting.is_played,
        home.team_id as home_team_id,
        away.team_id as away_team_id,
        lower(sighting.competition_id) || '-' || sighting.season || '-' || home.club_slug || '-' || away.club_slug as pairing_id,
        -- Whom to believe where several say the same: the provider's results, its fixtures, hand-dropped files, openfootball.
        case
            when sighting.layout = 'json' then 4
            when sighting.source = 'inbox' then 3
            when sighting.layout in ('fixtures', 'new_fixtures') then 2
            else 1
        end as source_rank
    from {{ ref('int_sighting') }} as sighting
    inner join {{ ref('int_team_name') }} as home
        on sighting.country = home.country and sighting.home_team = home.source_name
    inner join {{ ref('int_team_name') }} as away
        on sighting.country = away.country and sighting.away_team = away.source_name
),

-- openfootball's day is the league's own, the others' is the UK's, and one of them may hold a match under its first date.
aligned as (
    select distinct on (other.sighting_id)
        other.sighting_id,
        sighting.match_on
    from sighting as other
    inner join sighting
        on
            other.pairing_id = sighting.pairing_id
            and sighting.source_rank < 4
            and sighting.is_played
            and sighting.match_on between other.match_on - 2 and other.match_on + 2
    where other.source_rank = 4 and other.is_played
    order by other.sighting_id, abs(sighting.match_on - other.match_on), sighting.match_on
),

played as (
    select
        sighting.*,
        coalesce(aligned.match_on, sighting.match_on) as played_on
    from sighting
    left join aligned on sighting.sighting_id = aligned.sighting_id
    where sighting.is_played
),

-- Of several lines on the same match the best source's newest one stands.
numbered as (
    select
        *,
        dense_rank() over (partition by pairing_id order by played_on) as occurrence,
        row_number() over (
            partition by pairing_id, played_on
            order by source_rank, since_version desc, ingested_at desc, key, line_number desc
        ) as preference
    from played
),

unplayed as (
    select
        sighting.*,
        numbered.n_played,
        dense_rank() over (partition by sighting.pairing_id, sighting.source, sighting.key order by sighting.match_on) as nth
    from sighting
    left join (
        select
            pairing_id,
            max(occurrence) as n_played,
            max(played_on) as last_played_on
        from numbered
        group by pairing_id
    ) as numbered on sighting.pairing_id = numbered.pairing_id
    where
        not sighting.is_played
        and (numbered.last_played_on is null or numbered.last_played_on < sighting.match_on - 2)
),

announced as (
    select
        *,
        coalesce(n_played, 0) + nth as occurrence,
        row_number() over (
            partition by pairing_id, nth
            order by source_rank = 4, match_on desc, source_rank, since_version desc, ingested_at desc, key, line_number desc
        ) as preference,
        bool_or(layout in ('main', 'new')) over (partition by pairing_id, nth) as is_in_results
    from unplayed
),

chosen as (
    select
        pairing_id,
        occurrence,
        sighting_id,
        competition_id,
        season,
        home_team_id,
        away_team_id,
        true as is_played,
        true as is_in_results
    from numbered
    where preference = 1

    union all

    select
        pairing_id,
        occurrence,
        sighting_id,
        competition_id,
        season,
        home_team_id,
        away_team_id,
        false as is_played,
        is_in_results
    from announced
    where preference = 1
)

select
    pairing_id || '-' || occurrence as match_id,
    sighting_id,
    competition_id,
    season,
    home_team_id,
    away_team_id,
    occurrence::int as occurrence,
    is_played,
    is_in_results
from chosen
