"""Pictures of how good forecasts are, as small PNG files.

Belongs here: figures from arrays and tables, returned as bytes. Does not belong here: computing what they show
(`metrics`, `backtest`), or where they are put.
"""

from collections.abc import Iterable
from io import BytesIO
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.forecast.backtest import MARKET_PROBABILITIES, match_day
from pipelines.forecast.contract import OUTCOMES, PROBABILITIES
from pipelines.forecast.metrics import Array, Difference, calibration_table, log_loss, paired_bootstrap, reliability

COLOURS: Final = {"home": "#2563a8", "draw": "#8a8a8a", "away": "#c2622d"}
INK: Final = "#333333"
FAINT: Final = "#dddddd"
DPI: Final = 72
LEAST: Final = 100
"""Matches that a competition must have to be drawn."""


def reliability_diagram(forecasts: pd.DataFrame, n_bins: int = 15) -> bytes:
    """Forecast probability against frequency for each outcome, in bins of equal count, with 95 % intervals.

    Below each, how many matches got which probability.

    Parameters
    ----------
    forecasts
        What `backtest.backtest` returns: `outcome` and the columns `contract.PROBABILITIES`.

    Returns
    -------
    bytes
        A PNG of at most 60 kB.
    """
    p, outcomes = forecasts[list(PROBABILITIES)].to_numpy(dtype=np.float64), forecasts["outcome"].to_numpy(dtype=np.int64)
    table, lines = calibration_table(p, outcomes, n_bins), reliability(p, outcomes)
    figure = Figure(figsize=(10.5, 4.9), layout="constrained")
    upper, lower = figure.subplots(2, 3, height_ratios=(4, 1))
    for k, (axes, counts, outcome) in enumerate(zip(upper, lower, OUTCOMES, strict=True)):
        part = table[table["outcome"] == outcome]
        spread = 1.96 * np.sqrt(part["frequency"] * (1.0 - part["frequency"]) / part["n"])
        end = min(1.0, float(np.ceil((max(part["p_mean"].max(), (part["frequency"] + spread).max()) + 0.02) * 10.0) / 10.0))
        _calm(axes)
        axes.plot([0.0, end], [0.0, end], color=FAINT, linewidth=1.5, zorder=1)
        axes.errorbar(
            part["p_mean"], part["frequency"], yerr=spread, fmt="o", color=COLOURS[outcome], markersize=4, elinewidth=1, zorder=2
        )
        axes.set(xlim=(0.0, end), ylim=(0.0, end), box_aspect=1, title=outcome)
        slope, intercept = lines.loc[outcome, ["slope", "intercept"]]
        said = f"slope {slope:.2f}\nintercept {intercept:+.2f}"
        axes.text(0.96, 0.05, said, transform=axes.transAxes, ha="right", color=INK, fontsize=9)
        _calm(counts)
        counts.hist(p[:, k], bins=np.linspace(0.0, end, 41), color=COLOURS[outcome], alpha=0.6)
        counts.set(xlim=(0.0, end), xlabel="forecast probability")
    upper[0].set_ylabel("frequency")
    lower[0].set_ylabel("matches")
    figure.suptitle(f"Reliability: {len(forecasts):,} matches, {len(forecasts) // n_bins:,} a point", color=INK, fontsize=12)
    return _png(figure)


def distance_to_market(forecasts: pd.DataFrame) -> bytes:
    """Log loss above that of the closing odds, season by season, with 95 % intervals by match-day.

    Returns
    -------
    bytes
        A PNG of at most 60 kB; without any closing odds it says so.
    """
    figure = Figure(figsize=(7.5, 3.9), layout="constrained")
    axes = figure.subplots()
    distances = _distances(forecasts, "season")
    if not distances:
        return _without_odds(figure)
    _calm(axes)
    x, means, intervals = np.arange(len(distances)), *_bars(distances.values())
    axes.axhline(0.0, color=INK, linewidth=1)
    axes.errorbar(x, means, yerr=intervals, fmt="o", color=COLOURS["home"], markersize=5, elinewidth=1.2, capsize=3)
    for i, value in zip(x, means, strict=True):
        axes.annotate(f"{value:+.4f}", (i, value), xytext=(7, 0), textcoords="offset points", va="center", color=INK, fontsize=9)
    axes.set_xticks(x, [f"{name}\n{distance.n:,}" for name, distance in distances.items()])
    axes.set(xlim=(-0.5, len(distances) - 0.2), xlabel="season and matches", ylabel="log loss above closing odds, nats")
    axes.set_title("Distance to the market (0 = the closing price)", fontsize=12)
    return _png(figure)


def distance_by_league(forecasts: pd.DataFrame) -> bytes:
    """Log loss above that of the closing odds in each competition, the farthest first, with 95 % intervals by match-day.

    Competitions of fewer than `LEAST` such matches say nothing and are left out.

    Returns
    -------
    bytes
        A PNG of at most 60 kB; without any closing odds it says so.
    """
    distances = {name: each for name, each in _distances(forecasts, "competition_id").items() if each.n >= LEAST}
    distances = dict(sorted(distances.items(), key=lambda item: item[1].mean))
    figure = Figure(figsize=(7.5, 1.4 + 0.19 * max(len(distances), 8)), layout="constrained")
    axes = figure.subplots()
    if not distances:
        return _without_odds(figure)
    _calm(axes)
    y, means, intervals = np.arange(len(distances)), *_bars(distances.values())
    axes.axvline(0.0, color=INK, linewidth=1)
    axes.errorbar(means, y, xerr=intervals, fmt="o", color=COLOURS["home"], markersize=4, elinewidth=1.2, capsize=2)
    axes.set_yticks(y, [f"{name}  {distance.n:,}" for name, distance in distances.items()])
    axes.set(ylim=(-0.7, len(distances) - 0.3), xlabel="log loss above closing odds, nats", ylabel="competition and matches")
    axes.set_title("Distance to the market by competition (0 = the closing price)", fontsize=12)
    return _png(figure)


def _distances(forecasts: pd.DataFrame, by: str) -> dict[str, Difference]:
    """Group to the paired difference in log loss, of the matches that have a market."""
    judged = forecasts.dropna(subset=list(MARKET_PROBABILITIES))
    outcomes = judged["outcome"].to_numpy(dtype=np.int64)
    model, market = (
        log_loss(judged[list(names)].to_numpy(dtype=np.float64), outcomes) for names in (PROBABILITIES, MARKET_PROBABILITIES)
    )
    difference = pd.Series(model - market, index=judged.index)
    days = match_day(judged)
    return {
        str(name): paired_bootstrap(difference[rows].to_numpy(), days[rows])
        for name in sorted(judged[by].unique())
        for rows in [judged[by] == name]
    }


def _bars(distances: Iterable[Difference]) -> tuple[Array, Array]:
    """(n,) means and (2, n) how far their intervals reach to both sides."""
    mean, low, high = np.array([(each.mean, each.low, each.high) for each in distances]).T
    return mean, np.abs(np.vstack([low, high]) - mean)


def _without_odds(figure: Figure) -> bytes:
    axes = figure.axes[0]
    axes.set_axis_off()
    axes.text(0.5, 0.5, "no closing odds, or for too few matches", ha="center", va="center", transform=axes.transAxes, color=INK)
    return _png(figure)


def _calm(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, length=0, labelsize=9)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_color(INK)


def _png(figure: Figure) -> bytes:
    """The figure as a PNG whose bytes depend on nothing but what it shows."""
    FigureCanvasAgg(figure)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
