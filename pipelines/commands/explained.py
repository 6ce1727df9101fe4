"""The explanation of a forecast as a person reads it in a terminal.

Belongs here: turning published predictions into a table. Does not belong here: which prediction is meant (`fixtures`), or
what an explanation is (`pipelines.forecast.explain`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.table import Table

from pipelines.forecast.contract import PROBABILITIES
from pipelines.forecast.explain import BASE, GROUPS

LEGEND = (
    "side: ln(p_home/p_away), above 0 for the home side · draw: ln(p_draw/√(p_home·p_away)), above 0 for a draw · "
    "the parts add up to the forecast · home advantage as it is on average is in the base, what a country or a club has more or "
    "less of it in strength, play and memory"
)


def explanation_table(row: Mapping[str, Any]) -> Table:
    """What adds up to a forecast, and what changed since the one before.

    Args:
        row: of `published.prediction`, with an explanation as `pipelines.forecast.explain.explanations` gives it.
    """
    explanation = row["explanation"]
    before = explanation["change"]
    title = f"{row['home_team']} – {row['away_team']}, {row['competition']}: {_shares(row)} ({row['information_set']}"
    title += f", {row['firmness']})"
    if before:
        model = "another model" if before["is_other_model"] else "the same model"
        title += f"\nbefore, {datetime.fromisoformat(before['issued_at']):%d %b %H:%M} UTC, by {model}: {_shares(before)}"
    table = Table(title=title, caption=LEGEND, show_footer=True)
    changes = {name: values for name, *values in (before and before["contributions"]) or ()}
    rows = [(name, values) for name, *values in explanation["contributions"]]
    rows += [(name, [0.0, 0.0]) for name in changes if name not in {name for name, _ in rows}]
    table.add_column("", footer="forecast")
    for k, name in enumerate(("side", "draw")):
        table.add_column(name, f"{sum(values[k] for _, values in rows):+z.3f}", justify="right")
        if changes:
            table.add_column("change", f"{sum(values[k] for values in changes.values()):+z.3f}", justify="right")
    table.add_column("of")
    for name, values in rows:
        numbers = [[values[k], *([changes[name][k]] if changes else [])] for k in range(2)]
        table.add_row(name, *(f"{number:+z.3f}" for pair in numbers for number in pair), _meaning(name))
    return table


def _meaning(group: str) -> str:
    if group == BASE:
        return "two average clubs: home advantage, the general level of draws"
    return GROUPS[group].meaning if group in GROUPS else "known to the model before only"


def _shares(row: Mapping[str, Any]) -> str:
    return " / ".join(f"{row[name]:.1%}" for name in PROBABILITIES)
