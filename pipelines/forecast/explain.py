"""Why a forecast is what it is, and what changed since the one before: its terms in groups that a person understands.

Belongs here: the groups, and what is kept and published of an explanation. Does not belong here: the arithmetic of terms
(`additive`), or the terms of a model (`models`).

What is explained are the two log-odds of a forecast: the *side*, ln(p_home/p_away), and the *draw*, ln(p_draw/√(p_home·p_away)).
Each is the base, a match of average clubs, which has home advantage and the general level of draws in it, plus what each group
adds, exactly. Home advantage has no group of its own: what it is on average is in the base, and what a country, a division or a
club has more or less of it in whatever knows that, strength, play and memory.
A group adds what its features add: see `additive` for how that is reckoned, and `learners` for logits and trees.
What makes a match uneven takes from the draw, therefore; the base has more draws than all matches together.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from pipelines.forecast.additive import HISTORY_LEADS, TERMS, Array
from pipelines.forecast.contract import BOOKMAKERS, FEATURES, MEMORY_FEATURES, MOVE_FEATURES, PROBABILITIES, RATINGS

Contributions = Sequence[tuple[str, float, float]]
"""What each group, the base first, adds to side and draw."""

BASE: Final = "base"

PLAY_LEADS: Final = ("play_lead", "restless_play_lead")
"""By how much the memory of play exceeds those of prices."""

_FORM: Final = ("points_5", "goal_difference_5", "shots_on_target_difference_5")
_SEASON: Final = ("points_per_match", "goal_difference_per_match", "n_played")


def _both(kind: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{side}_{kind}_{name}" for side in ("home", "away") for name in names)


@dataclass(frozen=True)
class Group:
    """Features of one kind, and what they are in a few words."""

    meaning: str
    features: tuple[str, ...]


GROUPS: Final[dict[str, Group]] = {
    "strength": Group(
        "ratings of the clubs from their results",
        (
            *("elo_difference", "pi_expected_goal_difference", "goals_log_rate_difference"),
            *RATINGS["elo"],
            *RATINGS["pi"],
            *RATINGS["goals"],
        ),
    ),
    "play": Group(
        "ratings of the clubs from how they played: shots, corners, cards and goals",
        ("shots_log_rate_difference", *RATINGS["shots"], *RATINGS["play"], *PLAY_LEADS),
    ),
    "form": Group("the clubs' last five matches", _both("form", _FORM)),
    "season": Group("the clubs' season so far", _both("season", _SEASON)),
    "rest": Group("days since the clubs' last matches", ("home_rest_days", "away_rest_days")),
    "stakes": Group(
        "the table, and what can still be won or lost",
        (*RATINGS["standing"], "at_stake_difference", "has_stake_difference"),
    ),
    "experience": Group("how many matches of the clubs are known", RATINGS["experience"]),
    "occasion": Group("the level of the league, and the month", ("tier", "month")),
    "memory": Group(
        "prices of the clubs' earlier matches",
        (*(name for name in MEMORY_FEATURES if name not in PLAY_LEADS), *MOVE_FEATURES, *HISTORY_LEADS),
    ),
    "quotes": Group(
        "the average price of this match", ("pre_match_side", "pre_match_draw", "pre_match_total", "pre_match_overround")
    ),
    "bookmakers": Group(
        "single bookmakers and the handicap, where they stand apart from the average price",
        (
            *(f"{bookmaker}_{outcome}_lead" for bookmaker in BOOKMAKERS for outcome in ("side", "draw")),
            *("pinnacle_overround", "maximum_overround", "handicap_side_lead"),
        ),
    ),
    "movement": Group("how the price of this match has moved", ("movement_side", "movement_draw")),
}
"""Every term to exactly one group."""


def explain(terms: Array, information_set: str) -> list[Contributions]:
    """What the base and each group add to the log-odds of each forecast.

    Parameters
    ----------
    terms
        (n, 1 + T, 2) from `Model.terms`.
    information_set
        Groups of which it knows no feature are left out.

    Returns
    -------
    list
        n times the base and the groups, in the order of `GROUPS`.
    """
    known = set(FEATURES[information_set])
    found = {BASE: terms[:, 0].tolist()}
    for name, group in GROUPS.items():
        if known & set(group.features):
            found[name] = terms[:, [1 + TERMS.index(feature) for feature in group.features]].sum(axis=1).tolist()
    return [[(name, *values[i]) for name, values in found.items()] for i in range(len(terms))]


def explanations(explained: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """What is published of each prediction's explanation, by its id; nothing of one without contributions.

    Parameters
    ----------
    explained
        What `store.ledger.explained` returns.

    Returns
    -------
    dict
        `contributions`: rows of group, side, draw, which add up to the log-odds of the prediction. `change`: null for the first
        prediction of a match, else which prediction it followed (`prediction_id`, `issued_at`, `p_home`, `p_draw`, `p_away`),
        whether another model made that one (`is_other_model`), and `contributions`, by how much each group adds more now, null
        if that is not known of the earlier one.
    """
    return {
        row["prediction_id"]: {"contributions": row["contributions"], "change": _since(row)}
        for row in explained.to_dict("records")
        if row["contributions"] is not None
    }


def _since(row: Mapping[Hashable, Any]) -> dict[str, Any] | None:
    if row["before_prediction_id"] is None:
        return None
    return {
        "prediction_id": row["before_prediction_id"],
        "issued_at": row["before_issued_at"].isoformat(),
        **{name: row[f"before_{name}"] for name in PROBABILITIES},
        "is_other_model": (row["before_model_name"], row["before_model_version"]) != (row["model_name"], row["model_version"]),
        "contributions": row["before_contributions"] and change(row["contributions"], row["before_contributions"]),
    }


def change(now: Contributions, before: Contributions) -> Contributions:
    """By how much each group adds more than it did in an earlier forecast; a group that is in one of them only adds 0 there."""
    new, old = ({name: (side, draw) for name, side, draw in each} for each in (now, before))
    both = ((name, new.get(name, (0.0, 0.0)), old.get(name, (0.0, 0.0))) for name in {**new, **old})
    return [(name, side - earlier_side, draw - earlier_draw) for name, (side, draw), (earlier_side, earlier_draw) in both]
