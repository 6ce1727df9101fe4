"""Declarative conditions: what readers see follows by itself what a person repaired, trained or made anew in part.

Belongs here: the one condition, whom it lets go, and the sensor that evaluates it. The day's, the week's and the stream's runs
make everything that has it anyway, and it never answers them: it shortens the wait behind runs that stop earlier. Those are the
job `data`, a model trained from its page, a step made once more behind a run that failed.

What holds an asset back, whatever of it is new:

- a blocking check of what it is made of that did not pass, or was not asked, since that was last made. That is of what it is made
  of directly: bronze's bear on what follows through silver, which can be made of files whose check failed. There the run that is
  asked for refuses (`quality.require_accepted`), and so does any other;
- something it is made of whose last run failed, or is at work, or is itself behind and not made in the same run. A training that
  failed is no reason: forecasts are made by the champion, which stands;
- a run that is still to publish or to score: the day's, the week's and the stream's, from when they wait to their last step;
- that the condition asked for it already since the last of the hours in `SLOTS`. So however often it fails, and however often
  something it is made of changes, it is asked for at most `AT_MOST_A_DAY` times from one midnight (UTC) to the next, and without
  a change never a second time. Each time is one run, which Dagster does not start anew where its process dies, and in which the
  step is attempted as often as the class of its failure allows: `ATTEMPTS_A_DAY` at most. What a person runs, or runs once more
  from a run's page, counts for nothing here.
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

import dagster as dg

from pipelines.defs.failures import POLICIES
from pipelines.defs.job_runs import NOT_ANEW
from pipelines.defs.training import MODELS_OF

AT_MOST_A_DAY: Final = 6
ATTEMPTS_A_DAY: Final = AT_MOST_A_DAY * (1 + max(policy.n_retries for policy in POLICIES.values()))
SLOTS: Final = f"0 */{24 // AT_MOST_A_DAY} * * *"

RATINGS: Final = dg.AssetKey(["forecast", "match_rating"])
LEDGER: Final = dg.AssetKey(["forecast", "prediction"])
PUBLICATION: Final = dg.AssetKey(["published", "publication"])
SCORE: Final = dg.AssetKey(["forecast", "score"])

TO_RATINGS: Final = {"football/carries_on": "to ratings"}
TO_PUBLICATION: Final = {"football/carries_on": "to publication"}
"""Tags of jobs that mean to make what has a condition, and how far: of a whole job's run Dagster does not know that by itself."""

_ON = dg.AutomationCondition
_Condition = dg.AutomationCondition[Any]
_asked = _ON.newly_requested().since(_ON.cron_tick_passed(SLOTS, "UTC")).with_label(f"was asked for since {SLOTS}")
_of_chosen_steps = _ON.executed_with_tags(tag_keys={"dagster/step_selection"})
_failed = _ON.any_deps_match(_ON.execution_failed()).ignore(dg.AssetSelection.assets(*MODELS_OF.values()))
_at_work = reduce(or_, (_ON.asset_matches(key, _ON.in_progress()) for key in (PUBLICATION, SCORE)))


def _due(carries_on: Sequence[dict[str, str]]) -> _Condition:
    """What it is made of is newer, by a run that did not mean to make it, too.

    A run of chosen steps, made once more from a run's page, has all tags and the assets of the whole one, and does less.
    """
    own = reduce(or_, (_ON.executed_with_tags(tag_values=tags) for tags in carries_on), _ON.executed_with_root_target())
    newer = (_ON.newly_updated() & ~(own & ~_of_chosen_steps)) | _ON.will_be_requested()
    return _ON.any_deps_match(newer).since_last_handled().with_label("something it is made of is newer")


def _is_behind(key: dg.AssetKey, carries_on: Sequence[dict[str, str]]) -> _Condition:
    behind = _ON.any_deps_match(_due(carries_on) & ~_ON.will_be_requested())
    return behind.allow(dg.AssetSelection.assets(key)).with_label(f"{key.to_user_string()} is behind itself")


def _follows(carries_on: Sequence[dict[str, str]]) -> _Condition:
    return (
        _due(carries_on)
        & ~_asked
        & ~_at_work.with_label("a run is still to publish or to score")
        & ~_ON.in_progress()
        & ~_ON.any_deps_in_progress()
        & ~_failed.with_label("something it is made of failed")
        & ~_is_behind(RATINGS, [TO_RATINGS, TO_PUBLICATION])
        & ~_is_behind(LEDGER, [TO_PUBLICATION])
        & _ON.all_deps_blocking_checks_passed()
    ).with_label("follows")


RATINGS_FOLLOW: Final = _follows([TO_RATINGS, TO_PUBLICATION])
FOLLOWS: Final = _follows([TO_PUBLICATION])
"""Of forecasts, publication and record."""

follow_sensor = dg.AutomationConditionSensorDefinition(
    "follow_sensor",
    target=dg.AssetSelection.groups("forecast", "published"),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    run_tags=dict(NOT_ANEW),
    description="Lets ratings, forecasts, publication and record follow what was made without them.",
)
