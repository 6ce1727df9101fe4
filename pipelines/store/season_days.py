"""What each league had by each day of its seasons, summed up where it is kept.

Belongs here: the sums that `pipelines.forecast.anomalies` compares, and which seasons are worth comparing. Read from silver: what
gold shows of a match and of its prices are two views of it, and joining them takes twice as long.
"""

from collections.abc import Collection
from datetime import date, datetime

import pandas as pd

from pipelines.store.warehouse import Warehouse


def recent(warehouse: Warehouse, played_since: date, ingested_since: datetime) -> list[tuple[str, int]]:
    """Competition and start year of the seasons with a result of this day or later, or a line that came since that moment."""
    with warehouse.connect() as connection:
        return connection.execute(
            """
            select competition_id, season
            from silver.int_sighting
            where is_played
            group by competition_id, season
            having max(match_on) >= %s or max(ingested_at) >= %s
            order by competition_id, season
            """,
            (played_since, ingested_since),
        ).fetchall()


def newest(warehouse: Warehouse, played_since: date, today: date) -> list[tuple[str, int]]:
    """Competition and start year of each league's newest season up to today, if it had a result on the first day or later."""
    with warehouse.connect() as connection:
        return connection.execute(
            """
            select competition_id, season
            from (
                select distinct on (competition_id) competition_id, season, max(match_on) as last_on
                from silver.int_sighting
                where is_played and match_on <= %s
                group by competition_id, season
                order by competition_id, season desc
            ) as season
            where last_on >= %s
            order by competition_id
            """,
            (today, played_since),
        ).fetchall()


def sums(warehouse: Warehouse, seasons: Collection[tuple[str, int]], n_earlier: int) -> pd.DataFrame:
    """The days of these seasons, and of so many years before: `competition_id, season, match_on` and `anomalies.SUMS`.

    Results that are hidden from the run are not counted.
    """
    wanted = {competition: min(season for name, season in seasons if name == competition) for competition, _ in seasons}
    return warehouse.read(
        """
        with league as (
            select * from unnest(%(competitions)s::text[], %(since)s::int[]) as league (competition_id, since)
        ),

        priced as (
            select
                match.competition_id,
                match.season,
                match.match_on,
                match.home_goals,
                match.away_goals,
                price.pre_match_odds_home,
                price.closing_odds_home,
                1 / coalesce(price.pre_match_odds_home, price.closing_odds_home) as home,
                1 / case
                    when price.pre_match_odds_home is null then price.closing_odds_draw else price.pre_match_odds_draw
                end as draw,
                1 / case
                    when price.pre_match_odds_home is null then price.closing_odds_away else price.pre_match_odds_away
                end as away
            from silver.int_match as match
            join league on match.competition_id = league.competition_id and match.season >= league.since
            left join silver.int_price as price on match.sighting_id = price.row_id
            where match.known_at is not null
        ),

        shared as (
            select *, home + draw + away as total, ln(home) as ln_home, ln(draw) as ln_draw, ln(away) as ln_away
            from priced
        ),

        expected as (
            select
                *,
                ln(total) - (home * ln_home + draw * ln_draw + away * ln_away) / total as entropy,
                ln(total) - case
                    when home_goals > away_goals then ln_home when home_goals = away_goals then ln_draw else ln_away
                end as log_loss,
                (home * (ln(total) - ln_home) ^ 2 + draw * (ln(total) - ln_draw) ^ 2 + away * (ln(total) - ln_away) ^ 2)
                / total as square
            from shared
        )

        select
            competition_id,
            season,
            match_on,
            count(*) as n_matches,
            count(*) filter (where home_goals > away_goals) as n_home_wins,
            count(*) filter (where home_goals <> away_goals) as n_decided,
            sum(home_goals + away_goals) as n_goals,
            count(pre_match_odds_home) as n_priced_before,
            count(closing_odds_home) as n_priced_at_closing,
            count(total) as n_priced,
            coalesce(sum(total - 1), 0) as margin,
            coalesce(sum(log_loss), 0) as log_loss,
            coalesce(sum(entropy), 0) as entropy,
            coalesce(sum(square - entropy ^ 2), 0) as variance
        from expected
        group by competition_id, season, match_on
        order by competition_id, season, match_on
        """,
        {"competitions": list(wanted), "since": [season - n_earlier for season in wanted.values()]},
    )
