"""What learning reads from the warehouse, as frames.

Belongs here: the queries on `gold` and on the ratings, in the columns of `pipelines.forecast.contract`. Nothing here
writes.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.forecast.contract import (
    MARKET_COLUMNS,
    MATCH_COLUMNS,
    MOVEMENT_COLUMNS,
    NATIONAL_MATCH_COLUMNS,
    QUOTES,
    RATINGS,
    WAREHOUSE_FEATURES,
)
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

EVER = datetime(1800, 1, 1, tzinfo=UTC)
"""Before any match."""

SOURCE_COLUMNS = ("source_division", "source_date", "source_home", "source_away")
"""How the source spells a match."""

_RATING_COLUMNS = tuple(name for names in RATINGS.values() for name in names)


def matches(warehouse: Warehouse, countries: "Collection[str] | None" = None) -> "pd.DataFrame":
    """Every match, of all countries or these, played or not, in `MATCH_COLUMNS`, in any order."""
    return warehouse.read(
        f"""
        select {", ".join(MATCH_COLUMNS)} from gold.fct_match
        where %(all)s or country = any(%(countries)s)
        """,
        {"all": countries is None, "countries": list(countries or ())},
    )


def rating_digests(warehouse: Warehouse) -> "pd.DataFrame":
    """`match_id` of every match that is rated, and the `digest` of what is said of it, 0 where it has none.

    Among nulls they would be read as floats, and lose their last digits.
    """
    return warehouse.read("select match_id, coalesce(digest, 0) as digest from forecast.match_rating")


def national_matches(warehouse: Warehouse) -> "pd.DataFrame":
    """Every match of two national teams, played or not, in `NATIONAL_MATCH_COLUMNS`, ordered by day and id."""
    return warehouse.read(f"select {', '.join(NATIONAL_MATCH_COLUMNS)} from gold.fct_international order by kickoff_at, match_id")


def quotes(warehouse: Warehouse, after: datetime = EVER) -> "pd.DataFrame":
    """Quotes of every match that kicks off later than `after`: `MARKET_COLUMNS`, `MOVEMENT_COLUMNS`, `QUOTES`.

    Null where there is none. Of the quotes before a match only those known before its `as_of`.
    """
    columns = ", ".join(
        f"max(o.{cell}) filter (where o.bookmaker = '{bookmaker}' and o.moment = '{moment}' and o.market = '{market}') as {name}"
        for name, (bookmaker, moment, market, cell) in QUOTES.items()
    )
    return warehouse.read(
        f"""
        with wide as (
            select o.match_id, {columns}
            from gold.fct_odds as o
            join gold.fct_match as m using (match_id)
            where m.kickoff_at > %(after)s and (o.moment = 'closing' or o.known_at < m.as_of)
            group by o.match_id
        )

        select match_id, {", ".join((*MARKET_COLUMNS, *MOVEMENT_COLUMNS, *QUOTES))}
        from gold.feat_match
        join gold.fct_match as m using (match_id)
        left join wide using (match_id)
        where m.kickoff_at > %(after)s
        """,
        {"after": after},
    )


def prices(warehouse: Warehouse, countries: "Collection[str] | None" = None) -> "pd.DataFrame":
    """The quotes of every match, of all countries or these, `MARKET_COLUMNS`."""
    return warehouse.read(
        f"""
        select match_id, {", ".join(MARKET_COLUMNS)} from gold.feat_market
        where %(all)s or match_id in (select match_id from gold.fct_match where country = any(%(countries)s))
        """,
        {"all": countries is None, "countries": list(countries or ())},
    )


def closing_odds(warehouse: Warehouse) -> "pd.DataFrame":
    """The average closing quotes of every match and market, as in `gold.fct_odds`."""
    return warehouse.read(
        """
        select match_id, bookmaker, moment, market, line, odds_home, odds_draw, odds_away, odds_over, odds_under
        from gold.fct_odds
        where bookmaker = 'average' and moment = 'closing'
        """
    )


def n_played(warehouse: Warehouse) -> dict[int, int]:
    """How many matches of each season were played; seasons without any are left out."""
    with warehouse.connect() as connection:
        rows = connection.execute(
            "select season, count(*) from gold.fct_match where status = 'played' group by season order by season"
        )
        return {int(season): int(n) for season, n in rows}


def training_rows(warehouse: Warehouse, since: int) -> "pd.DataFrame":
    """Matches with ratings, features, average quotes and how the source spells them; in the order of kick-off and id.

    Args:
        since: the first season.
    """
    columns = ", ".join(
        [
            *(f"m.{name}" for name in (*MATCH_COLUMNS, *SOURCE_COLUMNS)),
            *(f"r.{name}" for name in _RATING_COLUMNS),
            *(f"f.{name}" for name in (*WAREHOUSE_FEATURES, *MARKET_COLUMNS) if name not in MATCH_COLUMNS),
        ]
    )
    return warehouse.read(
        f"""
        select {columns}
        from gold.fct_match as m
        join gold.feat_match as f using (match_id)
        join forecast.match_rating as r using (match_id)
        where m.season >= %(since)s
        order by m.kickoff_at, m.match_id
        """,
        {"since": since},
    )


def coming_rows(warehouse: Warehouse, after: datetime, before: datetime) -> "pd.DataFrame":
    """Scheduled matches with `after < kickoff_at <= before`: names for people beside ratings and features."""
    columns = ", ".join(
        [
            *(f"m.{name}" for name in (*MATCH_COLUMNS, "is_time_known", "home_team", "away_team")),
            "c.name as competition",
            *(f"r.{name}" for name in _RATING_COLUMNS),
            *(f"f.{name}" for name in WAREHOUSE_FEATURES if name not in MATCH_COLUMNS),
        ]
    )
    return warehouse.read(
        f"""
        select {columns}
        from gold.fct_match as m
        join gold.dim_competition as c using (competition_id)
        join gold.feat_match as f using (match_id)
        join forecast.match_rating as r using (match_id)
        where m.status = 'scheduled' and m.kickoff_at > %(after)s and m.kickoff_at <= %(before)s
        order by m.kickoff_at, m.match_id
        """,
        {"after": after, "before": before},
    )


def spelling(warehouse: Warehouse, match_ids: "Collection[str]") -> "pd.DataFrame":
    """How the source spells these matches: `match_id` and `SOURCE_COLUMNS`."""
    return warehouse.read(
        f"select match_id, {', '.join(SOURCE_COLUMNS)} from gold.fct_match where match_id = any(%(match_ids)s)",
        {"match_ids": list(match_ids)},
    )


def results_of_told(warehouse: Warehouse) -> "pd.DataFrame":
    """The played matches that something was said of before, with their closing odds."""
    return warehouse.read(
        """
        select
            m.match_id, m.competition_id, m.season, m.kickoff_at, m.home_goals, m.away_goals,
            f.closing_odds_home, f.closing_odds_draw, f.closing_odds_away
        from gold.fct_match as m
        join gold.feat_market as f using (match_id)
        where m.status = 'played' and m.match_id in (select match_id from forecast.prediction)
        """
    )


def competitions(warehouse: Warehouse) -> "pd.DataFrame":
    """Competitions with at least one match: `competition_id, name, country, tier, n_matches, latest_result_on`."""
    return warehouse.read(
        """
        select
            c.competition_id, c.name, c.country, c.tier,
            count(m.home_goals) as n_matches,
            max((m.kickoff_at at time zone 'Europe/London')::date) filter (where m.home_goals is not null) as latest_result_on
        from gold.dim_competition as c
        join gold.fct_match as m using (competition_id)
        group by c.competition_id, c.name, c.country, c.tier
        order by c.competition_id
        """
    )


def season_outlook(warehouse: Warehouse) -> "pd.DataFrame":
    """What was simulated of the seasons under way, with names for people, the most expected points first."""
    return warehouse.read(
        """
        select o.*, c.name as competition, t.name as team
        from forecast.season_outlook as o
        join gold.dim_competition as c using (competition_id)
        join gold.dim_team as t using (team_id)
        order by c.country, c.tier, o.competition_id, o.expected_points desc, t.name
        """
    )


def record(warehouse: Warehouse) -> "pd.DataFrame":
    """The scores of the last forecast issued before each played match, in the columns of `drift.detect`."""
    return warehouse.read(
        """
        with promised as (
            select distinct on (model_name, model_version)
                model_name,
                model_version,
                (figures #>> '{distance_to_market,high}')::float8 as promised_difference
            from forecast.model_evidence
            order by model_name, model_version, evidence_id desc
        )

        select
            s.information_set, s.match_id, s.kickoff_at, s.outcome, s.log_loss, s.market_log_loss,
            p.issued_at, p.model_name, p.p_home, p.p_draw, p.p_away, promised.promised_difference
        from forecast.score as s
        join forecast.prediction as p using (prediction_id)
        left join promised on p.model_name = promised.model_name and p.model_version = promised.model_version
        where s.horizon_hours = 0
        """
    )


def promotions(warehouse: Warehouse) -> "pd.DataFrame":
    """When which model was promoted: `model_name, promoted_at`."""
    return warehouse.read("select model_name, decided_at as promoted_at from forecast.model_evidence where decision = 'promoted'")


def last_refusal(warehouse: Warehouse, model_names: "Collection[str]") -> str | None:
    """The decisive reason for which the last model of these names was not promoted; None if none was refused."""
    with warehouse.connect() as connection:
        row = connection.execute(
            """
            select reasons ->> 0 from forecast.model_evidence
            where decision <> 'promoted' and model_name = any(%s) order by evidence_id desc limit 1
            """,
            [list(model_names)],
        ).fetchone()
    return str(row[0]) if row else None


def last_promoted(warehouse: Warehouse, model_name: str) -> tuple[int, str] | None:
    """Version and moment of the last promotion that was decided of a registered model; None before the first."""
    with warehouse.connect() as connection:
        row = connection.execute(
            """
            select model_version, decided_at from forecast.model_evidence
            where decision = 'promoted' and model_name = %s order by evidence_id desc limit 1
            """,
            [model_name],
        ).fetchone()
    return (int(row[0]), row[1].isoformat()) if row else None
