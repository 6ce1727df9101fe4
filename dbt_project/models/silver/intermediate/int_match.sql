{{ config(
    materialized='incremental',
    indexes=[
        {'columns': ['match_id'], 'unique': true},
        {'columns': ['sighting_id'], 'unique': true},
        {'columns': ['competition_id', 'season']},
    ],
    pre_hook=["{{ drop_outdated_seasons() }}", "{{ no_nested_loops() }}"],
) }}

-- One row per match, played or not: its identity, and the sighting that speaks for it.
--
-- A match is a pairing at one ground in one season of one competition, and which of several such it is. Two dates on which
-- goals were scored are two matches. An unplayed sighting may move: it belongs to the first match played from two days
-- before its date on; if there is none it is a match still to come, and what different files announce is one match.
--
-- A result that the stream told counts until a file has one. What is known at or after the run's cut-off has not happened yet:
-- its match is still to come.
-- Materialized: which seasons to make is settled before anything is joined to them.
with season as materialized (
    select season.*
    from {{ ref('int_season') }} as season
    {% if is_incremental() -%}
        where
            not exists (
                select 1 from {{ this }} as made
                where made.competition_id = season.competition_id and made.season = season.season
            )
    {%- endif %}
),

sighting as (
    select
        sighting.sighting_id,
        sighting.source,
        sighting.key,
        sighting.layout,
        sighting.since_version,
        sighting.line_number,
        sighting.ingested_at,
        sighting.competition_id,
        season.season,
        season.lines_digest,
        sighting.match_on,
        sighting.is_played,
        home.team_id as home_team_id,
        away.team_id as away_team_id,
        concat_ws(
            '-',
            lower(sighting.competition_id),
            season.season,
            home.club_slug,
            away.club_slug
        ) as pairing_id,
        {{ source_rank('sighting') }} as source_rank
    from {{ ref('int_sighting') }} as sighting
    inner join {{ ref('int_team_name') }} as home
        on sighting.country = home.country and sighting.home_team = home.source_name
    inner join {{ ref('int_team_name') }} as away
        on sighting.country = away.country and sighting.away_team = away.source_name
    left join {{ ref('int_fixture_season') }} as fixture_season on sighting.sighting_id = fixture_season.sighting_id
    inner join season
        on
            sighting.competition_id = season.competition_id
            and coalesce(fixture_season.season, sighting.season) = season.season
),

-- openfootball's day is the league's own, the others' is the UK's, and one of them may hold a match under its first date. So a
-- result of theirs is on the day that somebody says who is believed more, the league's own files first.
aligned as (
    select distinct on (other.sighting_id)
        other.sighting_id,
        sighting.match_on
    from sighting as other
    inner join sighting
        on
            other.pairing_id = sighting.pairing_id
            and other.source_rank > sighting.source_rank
            and sighting.is_played
            and sighting.match_on between other.match_on - 2 and other.match_on + 2
    where other.source_rank >= 4 and other.is_played
    order by
        other.sighting_id,
        sighting.source_rank = 4,
        abs(sighting.match_on - other.match_on),
        sighting.match_on
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
            order by source_rank asc, since_version desc, ingested_at desc, key asc, line_number desc
        ) as preference
    from played
),

open_pairing as (
    select distinct pairing_id from sighting
    where not is_played
),

last_played as (
    select
        numbered.pairing_id,
        max(numbered.occurrence) as n_played,
        max(numbered.played_on) as played_on
    from numbered
    inner join open_pairing on numbered.pairing_id = open_pairing.pairing_id
    group by numbered.pairing_id
),

unplayed as (
    select
        sighting.*,
        last_played.n_played,
        dense_rank() over (partition by sighting.pairing_id, sighting.source, sighting.key order by sighting.match_on) as nth
    from sighting
    left join last_played on sighting.pairing_id = last_played.pairing_id
    where
        not sighting.is_played
        and (last_played.played_on is null or last_played.played_on < sighting.match_on - 2)
),

announced as (
    select
        *,
        coalesce(n_played, 0) + nth as occurrence,
        row_number() over (
            partition by pairing_id, nth
            order by
                source_rank = 5 asc,
                match_on desc,
                source_rank asc,
                since_version desc,
                ingested_at desc,
                key asc,
                line_number desc
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
        lines_digest,
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
        lines_digest,
        false as is_played,
        is_in_results
    from announced
    where preference = 1
),

-- The stream's last word on a result; its day follows its own time of kick-off. A file's score stands, and was known when the
-- stream said the same. What was final before the match can be over, going by the file's kick-off, is of a match brought forward:
-- it waits for a file that says so, else it would be known before the forecast's cut-off, or soon after it.
told as (
    select distinct on (chosen.pairing_id, chosen.occurrence)
        chosen.pairing_id,
        chosen.occurrence,
        result.home_goals,
        result.away_goals,
        result.final_at
    from {{ ref('int_stream_result') }} as result
    inner join chosen
        on
            result.competition_id = chosen.competition_id
            and result.season = chosen.season
            and result.home_team_id = chosen.home_team_id
            and result.away_team_id = chosen.away_team_id
    inner join {{ ref('int_sighting') }} as sighting on chosen.sighting_id = sighting.sighting_id
    where
        sighting.match_on between result.match_on - 1 and result.match_on + 1
        and result.final_at >= sighting.kickoff_at + interval '90 minutes'
        and (
            not chosen.is_played
            or (sighting.home_goals = result.home_goals and sighting.away_goals = result.away_goals)
        )
    order by
        chosen.pairing_id asc,
        chosen.occurrence asc,
        abs(sighting.match_on - result.match_on) asc,
        result.final_at desc
),

timed as (
    select
        chosen.*,
        chosen.is_played or told.final_at is not null as is_over,
        chosen.pairing_id || '-' || chosen.occurrence as match_id,
        sighting.match_on,
        sighting.kickoff_at,
        sighting.is_time_known,
        case
            when sighting.is_time_known then sighting.kickoff_at - interval '1 hour' else sighting.kickoff_at
        end as latest_as_of,
        case
            when told.final_at is not null then told.final_at
            when sighting.is_time_known then sighting.kickoff_at + interval '3 hours'
            else {{ uk_instant('sighting.match_on + 1') }}
        end as result_known_at,
        sighting.ingested_at,
        case when chosen.is_played then sighting.home_goals else told.home_goals end as home_goals,
        case when chosen.is_played then sighting.away_goals else told.away_goals end as away_goals,
        sighting.home_shots_on_target - sighting.away_shots_on_target as shots_on_target_difference
    from chosen
    inner join {{ ref('int_sighting') }} as sighting on chosen.sighting_id = sighting.sighting_id
    left join told on chosen.pairing_id = told.pairing_id and chosen.occurrence = told.occurrence
),

judged as (
    select
        *,
        is_over and result_known_at < {{ data_cutoff() }} as is_known,
        latest_as_of at time zone 'Europe/London' - interval '15 hours 1 microsecond' as fifteen_hours_before
    from timed
),

final as (
    select
        lines_digest,
        match_id,
        sighting_id,
        competition_id,
        season,
        match_on,
        kickoff_at,
        is_time_known,
        least(latest_as_of, {{ data_cutoff() }}) as as_of,
        case when is_known then result_known_at end as known_at,
        case
            when is_known then 'played'
            when result_known_at >= {{ data_cutoff() }} then 'scheduled'
            when is_in_results then 'void'
            else 'unknown'
        end as status,
        -- On the UK's clock, the last Tuesday or Friday, 15:00, before the latest moment at which a forecast may be made.
        least(
            ingested_at,
            {{ uk_instant("date_trunc('day', fifteen_hours_before) + interval '15 hours'
                - interval '1 day' * (array[3, 0, 1, 2, 0, 1, 2])[extract(isodow from fifteen_hours_before)::int]") }}
        ) as quotes_known_at,
        home_team_id,
        away_team_id,
        case when is_known then home_goals end as home_goals,
        case when is_known then away_goals end as away_goals,
        case when is_known then shots_on_target_difference end as shots_on_target_difference
    from judged
)

select
    *,
    -- Of all that another match's record may draw from this one: see int_form and int_season_record.
    hash_record_extended(
        row(
            competition_id, season, match_on, as_of, known_at,
            home_team_id, away_team_id, home_goals, away_goals, shots_on_target_difference
        ),
        0
    ) as facts_digest
from final
