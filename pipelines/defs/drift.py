"""Drift: saying that issued forecasts have become worse, and asking for a training once.

Belongs here: the check on the scoreboard and the sensor. The rule is `pipelines.forecast.drift`.
"""

import json
from datetime import datetime, timedelta
from typing import Final

import dagster as dg
import pandas as pd

from pipelines.defs.automation import week
from pipelines.defs.ingestion import table_metadata
from pipelines.defs.record import SCOREBOARD
from pipelines.forecast.drift import Drift, detect
from pipelines.settings import Settings
from pipelines.store import gold
from pipelines.store.warehouse import Warehouse

PAUSE: Final = timedelta(days=28)
"""After which a training is asked for once more where none since the alarm gave a model that was promoted."""


@dg.asset_check(
    asset=SCOREBOARD,
    description="Distance to the market and calibration of what was issued are as the models' evidence promised, or better.",
)
def issued_forecasts_keep_their_promise(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """A warning with the figures: what is published stands, and a training is asked for by the sensor."""
    found = detect(gold.record(warehouse), gold.promotions(warehouse))
    drifted = [drift for drift in found if drift.alarmed_at is not None]
    return dg.AssetCheckResult(
        passed=not drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(map(str, drifted or found)) or "no forecast has been scored yet",
        metadata={"n_drifted": len(drifted), "figures": table_metadata(_figures(found))},
    )


def _figures(found: list[Drift]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "information set": [drift.information_set for drift in found],
            "matches": [drift.n for drift in found],
            "evidence on the distance": [f"{drift.distance:.3g}" for drift in found],
            "evidence on calibration": [f"{drift.calibration:.3g}" for drift in found],
            "log loss above closing": [str(drift.recent) for drift in found],
            "promised at most": [f"{drift.promised:+.4f}" for drift in found],
            "counted since": [drift.since for drift in found],
            "alarm": [drift.alarmed_at for drift in found],
        }
    )


@dg.sensor(job=week, minimum_interval_seconds=3600, default_status=dg.DefaultSensorStatus.RUNNING)
def drift_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for the week's training where forecasts have drifted, and tell people.

    Once for each alarm: it ends with the promotion of a model, and is asked about again only after `PAUSE`. A message that nobody
    took delays no training: the tick says so, and the next one tells again.
    """
    from pipelines.defs.alerts import announce_drift

    settings = Settings.read()
    warehouse = Warehouse(settings.model_url)
    found = detect(gold.record(warehouse), gold.promotions(warehouse))
    asked, told = _done(context.cursor)
    standing = {alarm_key(drift, settings.now()): drift for drift in found if drift.alarmed_at is not None}
    new, untold = ([key for key in standing if key not in known] for known in (asked, told))
    if not new and not untold:
        return dg.SkipReason("a training was asked for already" if standing else "no issued forecasts have drifted")
    outcome = "people were told"
    if untold:
        try:
            announce_drift(settings, [str(standing[key]) for key in untold])
        except Exception:  # whatever it was: the training must not wait for it
            outcome = "nobody took the message that forecasts have drifted: told again at the next tick"
            context.log.exception(outcome)
            told = [key for key in standing if key in told]
        else:
            told = sorted(standing)
    cursor = json.dumps({"asked": sorted(standing), "told": told})
    if new:
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key="; ".join(new))], cursor=cursor)
    return dg.SensorResult(skip_reason=f"a training was asked for already, {outcome}", cursor=cursor)


def _done(cursor: str | None) -> tuple[list[str], list[str]]:
    """The alarms for which a training was asked for, and those of which people were told."""
    done = json.loads(cursor or "[]")
    # A list, as earlier releases kept it, is of alarms that both was done for.
    return (done, done) if isinstance(done, list) else (done["asked"], done["told"])


def alarm_key(drift: Drift, now: datetime) -> str:
    """The same for one alarm until `PAUSE` has passed, however its figures change: results are corrected now and then."""
    assert drift.alarmed_at is not None  # noqa: S101 - asked of alarms alone
    fresh = "the first match" if drift.since is None else drift.since.isoformat()
    return f"{drift.information_set} since {fresh}, {max(0, (now - drift.alarmed_at) // PAUSE)} pauses after the alarm"
