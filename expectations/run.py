"""Judging a frame by a suite.

Belongs here: turning a suite of `suites` into Great Expectations' objects, running it on a frame, and saying what came of
it in plain Python. Does not belong here: what is expected, or what to do about a failure. This module and `docs` are the
only ones that know Great Expectations' API, which takes seconds to import: functions import it when they are called.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from expectations.suites import Rule, Suite, find

if TYPE_CHECKING:
    import great_expectations as gx

N_EXAMPLES: Final = 20
"""Rows shown of each failure."""

N_KEPT: Final = 14
"""Results kept of each suite, and days of which the last one is: where messages are streamed, predictions are judged every few
minutes, and the last results alone would be an hour's."""

MOST_KEPT: Final = 2 * N_KEPT
"""Results of a suite, all told."""

RUN_NAME: Final = "%Y%m%dT%H%M%S.%fZ"
"""How a kept result is called after its moment: in the order of time, and by its first eight characters of days."""


@dataclass(frozen=True)
class Outcome:
    """What a suite said of a frame."""

    passed: bool
    is_blocking: bool
    """Whether something critical failed; where it passed or nothing but warnings failed, the run may go on."""
    summary: dict[str, Any]
    """`suite`, `n_rows`, `n_expectations`, `n_failed`, and `n_tolerated`: wrong cells within the tolerances."""
    failures: list[dict[str, Any]]
    """One entry per failed expectation: `severity` (critical or warning), `expectation`, `column`, `explanation` (a sentence),
    `n_failing`, `share_failing` and `share_tolerated` of the cells judged, `rows` and `examples`: index labels and values of
    the first failing ones."""
    result: dict[str, Any]
    """Great Expectations' own form of the result, ready for JSON."""

    def save(self, folder: Path, judged_at: datetime) -> None:
        """Keep the result where `docs.build_data_docs` finds it, beside the suite's last ones and the last of each of its last
        days (`N_KEPT`); the others go."""
        own = folder / self.summary["suite"]
        own.mkdir(parents=True, exist_ok=True)
        path = own / f"{judged_at.astimezone(UTC):{RUN_NAME}}.json"
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(self.result), encoding="utf-8")
        draft.replace(path)
        results = sorted(own.glob("*.json"))
        last_of_days = {result.name[:8]: result for result in results}
        for old in {*results}.difference(results[-N_KEPT:], [*last_of_days.values()][-N_KEPT:]):
            old.unlink(missing_ok=True)


def validate(suite_name: str, frame: pd.DataFrame) -> Outcome:
    """Judge a frame by the suite of this name.

    Args:
        suite_name: one of `suites.SUITES`.
        frame: the suite's columns, a row per line (text as delivered, missing where empty) or per prediction. Not changed.

    Raises:
        KeyError: there is no such suite.
    """
    suite = find(suite_name)
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults, ProgressBarsConfig
    from great_expectations.expectations.metadata_types import FailureSeverity

    # The default configuration of an ephemeral context leaves a folder behind in the system's temporary one each time.
    configuration = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=configuration)
    whole = (
        context.data_sources.add_pandas("frames").add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe("whole")
    )
    judged = _with_derived(suite, frame)
    # The rule about the table's columns says once that one is missing; the rules of that column could only say it again.
    rules = [rule for rule in suite.rules if set(rule.columns) <= set(judged.columns)]
    result = whole.get_batch(batch_parameters={"dataframe": judged}).validate(
        to_great_expectations(suite, rules),
        result_format={"result_format": "SUMMARY", "partial_unexpected_count": N_EXAMPLES},
    )
    plain = json.loads(json.dumps(result.to_json_dict(), default=str))
    failed = [one for one in plain["results"] if not one["success"]]
    return Outcome(
        passed=bool(result.success),
        is_blocking=not result.success and result.get_max_severity_failure() != FailureSeverity.WARNING,
        summary={
            "suite": suite.name,
            "n_rows": len(frame),
            "n_expectations": len(suite.rules),
            "n_failed": len(failed),
            "n_tolerated": sum(one["result"].get("unexpected_count") or 0 for one in plain["results"] if one["success"]),
        },
        failures=[_failure(one) for one in failed],
        result=plain,
    )


def to_great_expectations(suite: Suite, rules: Sequence[Rule]) -> "gx.ExpectationSuite":
    """These rules of a suite as Great Expectations' own object."""
    import great_expectations as gx

    expectations = [getattr(gx.expectations, rule.kind)(**rule.arguments, severity=rule.severity) for rule in rules]
    return gx.ExpectationSuite(suite.name, expectations=expectations)


def _with_derived(suite: Suite, frame: pd.DataFrame) -> pd.DataFrame:
    if not suite.derived or not set(suite.columns) <= set(frame.columns):
        return frame
    judged = frame.copy(deep=False)
    for name, expression in suite.derived.items():
        judged[name] = frame.eval(expression)
    return judged


def _failure(one: Mapping[str, Any]) -> dict[str, Any]:
    arguments, found = one["expectation_config"]["kwargs"], one["result"]
    named = [arguments[name] for name in ("column", "column_A", "column_B") if name in arguments]
    share = found.get("unexpected_percent")
    failure = {
        "severity": one["expectation_config"]["severity"],
        "expectation": one["expectation_config"]["type"],
        "column": ", ".join(named or arguments.get("column_list", [])),
        "n_failing": found.get("unexpected_count"),
        "share_failing": None if share is None else round(share / 100, 6),
        "share_tolerated": round(1 - arguments.get("mostly", 1), 6),
        "rows": found.get("partial_unexpected_index_list") or [],
        "examples": [] if "not_be_null" in one["expectation_config"]["type"] else found.get("partial_unexpected_list") or [],
    }
    return {**failure, "explanation": _explanation(failure, one)}


def _explanation(failure: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    found = one["result"]
    if missing := found.get("details", {}).get("mismatched", {}).get("missing"):
        return f"the table lacks {', '.join(missing)}"
    if failure["n_failing"] is not None:
        tolerated = f"{failure['share_tolerated']:.0%} would be tolerated" if failure["share_tolerated"] else "none is tolerated"
        examples = f", such as {', '.join(map(repr, failure['examples'][:3]))}" if failure["examples"] else ""
        return (
            f"{failure['n_failing']} values of {failure['column']} ({failure['share_failing']:.2%}) fail{examples}; {tolerated}"
        )
    if "observed_value" in found:
        return f"found {found['observed_value']}"
    return "could not be judged: " + "; ".join(
        str(e["exception_message"]) for e in one["exception_info"].values() if isinstance(e, dict)
    )
