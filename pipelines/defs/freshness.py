"""How fresh assets have to be, and that they are, as asset checks.

Belongs here: the one policy, the checks of all assets that have one, and what is said of each. Dagster's own daemon judges the
policies by the clock, where nothing is made any more, too. Does not belong here: noting its verdicts at the checks and telling
people of those that failed, which `freshness_sensor` does (`alerts`). No job asks these checks: what it has just made is fresh.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg

# What the daemon notes of policies, and the windows of one; nothing public reads them in the open-source version.
from dagster._core.definitions.freshness import FreshnessState, TimeWindowFreshnessPolicy

FRESHNESS: Final = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50), warn_window=timedelta(hours=26))
"""Of everything that the day's job or a backup makes: a morning may be late, two may not be missing."""

IS_FRESH: Final = "is_as_fresh_as_it_must_be"
"""The name of each asset's check."""


@dataclass(frozen=True)
class Verdict:
    """How fresh an asset is: `state` is PASS, WARN or FAIL."""

    key: dg.AssetKey
    policy: dg.FreshnessPolicy
    state: FreshnessState
    made_at: datetime

    @property
    def is_too_old(self) -> bool:
        """Whether it is older than its policy allows, and people are told."""
        return self.state is FreshnessState.FAIL

    @property
    def evaluation(self) -> dg.AssetCheckEvaluation:
        """Never an error: what is there becomes older, not wrong. While it is fresh, nothing in its words changes."""
        warn, fail = _windows(self.policy)
        window = fail if self.is_too_old else warn
        is_fresh = self.state is FreshnessState.PASS
        old = [] if is_fresh else [(self.key.to_user_string(), f"{self.made_at:%Y-%m-%d %H:%M} UTC", warn, fail)]
        return dg.AssetCheckEvaluation(
            self.key,
            IS_FRESH,
            is_fresh,
            {"made at": dg.MetadataValue.timestamp(self.made_at), "failing": _table(old)},
            severity=dg.AssetCheckSeverity.WARN,
            description=f"made within {window}" if is_fresh else f"made over {window} ago, at {self.made_at:%Y-%m-%d %H:%M} UTC",
        )


def verdicts(instance: dg.DagsterInstance, policies: Mapping[dg.AssetKey, dg.FreshnessPolicy]) -> dict[dg.AssetKey, Verdict]:
    """What the daemon says of these assets, in their order; one that was never made has no age.

    What was made since the daemon changed its mind is fresh, whether it has looked again or not.
    """
    keys = sorted(policies)
    judged = instance.get_freshness_state_records(keys)
    found: dict[dg.AssetKey, Verdict] = {}
    for record in instance.get_asset_records(keys):
        key, made = record.asset_entry.asset_key, record.asset_entry.last_materialization_record
        if made is not None:
            made_at, said = datetime.fromtimestamp(made.timestamp, UTC), judged.get(key)
            state = FreshnessState.PASS if said is None or made_at > said.updated_at else said.freshness_state
            if state in (FreshnessState.PASS, FreshnessState.WARN, FreshnessState.FAIL):
                found[key] = Verdict(key, policies[key], state, made_at)
    return dict(sorted(found.items()))


def news(instance: dg.DagsterInstance, found: Iterable[Verdict], now: datetime) -> list[dg.AssetCheckEvaluation]:
    """The verdicts that do not stand at their checks, or only since a day before: few enough to note each by itself."""
    said = {each.key: each.evaluation for each in found}
    keys = [each.asset_check_key for each in said.values()]
    noted = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    new = []
    for each in said.values():
        record = noted.get(each.asset_check_key)
        last = record.evaluation if record else None
        is_noted = last is not None and (last.passed, last.description) == (each.passed, each.description)
        if not is_noted or (record and datetime.fromtimestamp(record.create_timestamp, UTC).date() < now.date()):
            new.append(each)
    return new


def freshness_checks(specs: Iterable[dg.AssetSpec]) -> dg.AssetChecksDefinition:
    """A check of each asset that has a policy, which names the windows."""
    policies = {spec.key: spec.freshness_policy for spec in specs if spec.freshness_policy is not None}

    @dg.multi_asset_check(
        name="freshness",
        specs=[dg.AssetCheckSpec(IS_FRESH, asset=key, description=_promise(policy)) for key, policy in policies.items()],
        can_subset=True,
    )
    def freshness(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        """What the daemon says, for whoever asks by hand."""
        asked = sorted(key.asset_key for key in context.selected_asset_check_keys)
        found = verdicts(context.instance, {key: policies[key] for key in asked})
        for key in asked:
            said = found[key].evaluation if key in found else None
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=IS_FRESH,
                passed=said is not None and said.passed,
                severity=dg.AssetCheckSeverity.WARN,
                description=said.description if said else "was never made",
                metadata=said.metadata
                if said
                else {"failing": _table([(key.to_user_string(), "never", *_windows(policies[key]))])},
            )

    return freshness


class FreshnessChecks(dg.AssetSelection):
    """All checks of freshness, whatever assets have one: Dagster else selects them with their assets."""

    def resolve_inner(self, asset_graph: Any, allow_missing: bool) -> AbstractSet[dg.AssetKey]:
        """No asset."""
        return set()

    def resolve_checks_inner(self, asset_graph: Any, allow_missing: bool) -> AbstractSet[dg.AssetCheckKey]:
        """The checks of that name."""
        return {key for key in asset_graph.asset_check_keys if key.name == IS_FRESH}

    def to_serializable_asset_selection(self, asset_graph: Any) -> dg.AssetSelection:
        """As keys."""
        return dg.AssetSelection.checks(*self.resolve_checks_inner(asset_graph, allow_missing=True))


def _table(old: Iterable[tuple[str, str, str, str]]) -> dg.TableMetadataValue:
    """The assets that are not as fresh as they must be, as other checks show what they complain of."""
    columns = ("asset", "made at", "to be made within", "people are told after")
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in old]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in columns]))


def _windows(policy: dg.FreshnessPolicy) -> tuple[str, str]:
    """From which age on it warns and fails. Policies of another form have none, and are none of ours."""
    if not isinstance(policy, TimeWindowFreshnessPolicy):
        raise TypeError(f"{policy} has no windows")
    fail = policy.fail_window.to_timedelta()
    warn = policy.warn_window.to_timedelta() if policy.warn_window else fail
    return _hours(warn), _hours(fail)


def _promise(policy: dg.FreshnessPolicy) -> str:
    warn, fail = _windows(policy)
    return f"It was made within {warn}; people are told where that is over {fail} ago. Judged by the clock, of no job."


def _hours(delta: timedelta) -> str:
    return f"{delta / timedelta(hours=1):g} hours"
