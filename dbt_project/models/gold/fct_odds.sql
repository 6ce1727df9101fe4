-- Every quote on a match, from the line that speaks for the match. Pre-match quotes are collected on Tuesdays and Fridays;
-- closing ones are taken at kick-off.
with match as (
    select
        match.match_id,
        match.sighting_id,
        sighting.kickoff_at,
        -- On the UK's clock, the last Tuesday or Friday, 15:00, before the latest moment a forecast may look at.
        {{ uk_instant("
            date_trunc('day', local.before)
            - interval '1 day' * (array[3, 0, 1, 2, 0, 1, 2])[extract(isodow from local.before)::int]
            + interval '15 hours'
        ") }} as collected_at,
        sighting.ingested_at
    from {{ ref('int_match') }} as match
    inner join {{ ref('int_sighting') }} as sighting on match.sighting_id = sighting.sighting_id
    cross join lateral (
        select
            sighting.kickoff_at at time zone 'Europe/London'
            - case when sighting.is_time_known then interval '1 hour' else interval '0' end
            - interval '15 hours 1 microsecond' as before
    ) as local
),

quote as (
    select
        match.match_id,
        quote.bookmaker,
        quote.moment,
        quote.market,
        quote.line,
        quote.odds_home,
        quote.odds_draw,
        quote.odds_away,
        quote.odds_over,
        quote.odds_under,
        case
            when quote.moment = 'closing' then match.kickoff_at else least(match.collected_at, match.ingested_at)
        end as known_at
    from {{ ref('stg_football_data__quote') }} as quote
    inner join match on quote.row_id = match.sighting_id
)

select * from quote
where known_at < {{ data_cutoff() }}
