"""Pictures of how good forecasts are, as small PNG files.

Belongs here: figures from arrays and tables, returned as bytes. Does not belong here: computing what they show
(`metrics`, `backtest`), or where they are put.
"""

from io import BytesIO
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.forecast.backtest import summarise
from pipelines.forecast.contract import OUTCOMES, PROBABILITIES
from pipelines.forecast.metrics import calibration_table

COLOURS: Final = {"home": "#2563a8", "draw": "#8a8a8a", "away": "#c2622d"}
INK: Final = "#333333"
FAINT: Final = "#dddddd"
DPI: Final = 72


def reliability_diagram(forecasts: pd.DataFrame, n_bins: int = 15) -> bytes:
    """Forecast probability against frequency for each outcome, in bins of equal count, with 95 % intervals.

    Parameters
    ----------
    forecasts
        What `backtest.backtest` returns: `outcome` and the columns `contract.PROBABILITIES`.

    Returns
    -------
    bytes
        A PNG of at most 60 kB.
    """
    table = calibration_table(
        forecasts[list(PROBABILITIES)].to_numpy(dtype=np.float64), forecasts["outcome"].to_numpy(dtype=np.int64), n_bins
    )
    figure = Figure(figsize=(10.5, 3.9), layout="constrained")
    for axes, outcome in zip(figure.subplots(1, 3), OUTCOMES, strict=True):
        part = table[table["outcome"] == outcome]
        spread = 1.96 * np.sqrt(part["frequency"] * (1.0 - part["frequency"]) / part["n"])
        end = min(1.0, float(np.ceil((max(part["p_mean"].max(), (part["frequency"] + spread).max()) + 0.02) * 10.0) / 10.0))
        _calm(axes)
        axes.plot([0.0, end], [0.0, end], color=FAINT, linewidth=1.5, zorder=1)
        axes.errorbar(
            part["p_mean"], part["frequency"], yerr=spread, fmt="o", color=COLOURS[outcome], markersize=4, elinewidth=1, zorder=2
        )
        axes.set(xlim=(0.0, end), ylim=(0.0, end), aspect="equal", xlabel="forecast probability", title=outcome)
    figure.axes[0].set_ylabel("frequency")
    figure.suptitle(f"Reliability, {len(forecasts):,} matches", color=INK, fontsize=12)
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
    _calm(axes)
    table = summarise(forecasts).xs("season", level="group")
    table = table[table["difference"].notna()]
    if table.empty:
        axes.text(0.5, 0.5, "no closing odds for these matches", ha="center", va="center", transform=axes.transAxes, color=INK)
        axes.set(xticks=[], yticks=[])
        return _png(figure)
    x = np.arange(len(table))
    interval = np.abs(table[["difference_low", "difference_high"]].to_numpy().T - table["difference"].to_numpy())
    axes.axhline(0.0, color=INK, linewidth=1)
    axes.errorbar(x, table["difference"], yerr=interval, fmt="o", color=COLOURS["home"], markersize=5, elinewidth=1.2, capsize=3)
    for i, value in zip(x, table["difference"], strict=True):
        axes.annotate(f"{value:+.4f}", (i, value), xytext=(7, 0), textcoords="offset points", va="center", color=INK, fontsize=9)
    labels = [f"{name}\n{n:,.0f}" for name, n in zip(table.index, table["n"], strict=True)]
    axes.set_xticks(x, labels)
    axes.set(xlim=(-0.5, len(table) - 0.2), xlabel="season and matches", ylabel="log loss above closing odds, nats")
    axes.set_title("Distance to the market (0 = the closing price)", fontsize=12)
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
