"""Seasons unlike those before, as checks on the matches: warnings with a table, never more.

Belongs here: the checks, and which seasons they look at. The rule is `pipelines.forecast.anomalies`. They run behind a
publication: nobody waits for them.
"""

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Final

import dagster as dg
import pandas as pd

from pipelines.defs.ingestion import table_metadata
from pipelines.forecast.anomalies import EARLIER, NOT_FOLLOWED, SILENCE, Judgement, judge
from pipelines.settings import Settings
from pipelines.store import season_days
from pipelines.store.warehouse import Warehouse

MATCHES: Final = dg.AssetKey(["gold", "fct_match"])

RUNNING: Final = timedelta(days=100)
"""A season with a result so lately is under way, or has just ended: no league's winter or summer is longer."""

MISSED: Final = timedelta(days=400)
"""So long it is asked whether a league's newest season goes on, or is followed by another: else one whose results stopped coming
would be forgotten after `RUNNING`, and told to be as it should be. A league that goes on is heard of sooner; one that is not is
over."""

FRESH: Final = frozenset({SILENCE, NOT_FOLLOWED})
"""What the check on fresh results tells of."""

CHANGED: Final = timedelta(days=7)
"""How long a season is looked at after a line of it came, however old it is."""


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "seasons_are_like_those_before",
            asset=MATCHES,
            description="Matches so far, home wins, goals, priced matches, margins and log loss of the prices, beside the "
            "league's last ten seasons.",
        ),
        dg.AssetCheckSpec(
            "results_are_as_fresh_as_in_seasons_before",
            asset=MATCHES,
            description="A season under way has no longer pause than the league's last ten had, and a week; behind one that is "
            "complete another begins, five weeks later than in nearly all of those years at the latest.",
        ),
    ],
    name="anomalies",
)
def season_checks(settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse]) -> Iterator[dg.AssetCheckResult]:
    """Judge the seasons that are under way or have changed within the week."""
    now = settings.now()
    # When a line came is told by the clock, in a rehearsal too.
    recent = season_days.recent(warehouse, (now - RUNNING).date(), pd.Timestamp.now("UTC") - CHANGED)
    newest = season_days.newest(warehouse, (now - MISSED).date(), now.date())
    seasons = sorted({*recent, *newest})
    found = judge(season_days.sums(warehouse, seasons, EARLIER), seasons, now.date()) if seasons else []
    # The rule asks for silence where a season is neither complete nor followed by another. Whether a complete one
    # is like those before was told while it was recent.
    looked_at = {*recent, *((each.competition_id, each.season) for each in found if each.what == SILENCE)}
    like = [each for each in found if each.what not in FRESH and (each.competition_id, each.season) in looked_at]
    yield told("seasons_are_like_those_before", like)
    yield told("results_are_as_fresh_as_in_seasons_before", [each for each in found if each.what in FRESH])


def told(name: str, judged: Collection[Judgement]) -> dg.AssetCheckResult:
    """What was judged as a check: a warning with the anomalies as a table, where there are any."""
    anomalies = [each for each in judged if each.is_anomaly]
    n_seasons = len({(each.competition_id, each.season) for each in judged})
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=MATCHES,
        passed=not anomalies,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(map(str, anomalies)) or f"{n_seasons} seasons are like those before",
        metadata={
            "n_seasons": n_seasons,
            "n_anomalies": len(anomalies),
            "anomalies": table_metadata(_table(anomalies), limit=500),
        },
    )


def _table(anomalies: Collection[Judgement]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "competition": [each.competition_id for each in anomalies],
            "season": [each.season for each in anomalies],
            "what": [each.what for each in anomalies],
            "found": [f"{each.found:.4g}" for each in anomalies],
            "at least": [f"{each.low:.4g}" for each in anomalies],
            "at most": [f"{each.high:.4g}" for each in anomalies],
            "matches": [each.n_matches for each in anomalies],
            "seasons before": [each.n_earlier for each in anomalies],
        }
    )
