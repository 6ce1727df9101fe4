"""Forecasts as sums: what each feature adds to the log-odds of a match, so that nothing is left over.

Belongs here: the arithmetic by which stages and members pass on what their parts added. Does not belong here: which stages
make a model (`models`), what a learner's own parts are (`learners`), or how the parts are told to people (`explain`).

Terms are arrays of (n, 1 + T) numbers, or (n, 1 + T, 2) log-odds `memory.log_odds`, side and draw: first the base, what is
forecast of a match of average clubs, then what each of the `TERMS` adds to it. Their sum is the forecast. What no learner looks
at adds 0.

Sums of scores, logits and starts are such sums as they are; a log pool weighs them. Two steps are not linear, and each hands on
what is added by the slope of its secant between the base and the forecast, so that the parts keep their proportions and their
sum:

- `through` one function of one number, Δf · a/Δx, which is what Aumann and Shapley's values are for such a function ("Values of
  Non-Atomic Games", 1974);
- `averaged` probabilities of several members, by the logarithmic mean weights of Vartia ("Ideal log-change index numbers",
  Scandinavian Journal of Statistics 3, 1976), the perfect decomposition that energy studies know as LMDI (Ang, "Decomposition
  analysis for policymaking in energy", Energy Policy 32, 2004).
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.forecast.contract import FEATURES

Array = npt.NDArray[np.float64]

HISTORY_LEADS: Final = ("history_side_lead", "history_draw_lead")
"""By how much the price that earlier matches let expect exceeds the average quote: `models.market`."""

TERMS: Final = (*FEATURES["market"], *HISTORY_LEADS)
"""Every feature that some learner of some model looks at."""

_POSITION: Final = {name: 1 + k for k, name in enumerate(TERMS)}

_SIDES: Final = np.array([[1.0, -0.5], [0.0, 1.0], [-1.0, -0.5]])
"""(3, 2) from scores of home, draw and away to the log-odds of side and draw."""
_SCORES: Final = np.array([[0.5, 0.0, -0.5], [0.0, 1.0, 0.0]])
"""(2, 3) the way back, to scores of which only differences matter."""


class Learner(Protocol):
    """What can say how much each of its columns adds."""

    columns: Sequence[str]

    def contributions(self, features: pd.DataFrame) -> Array:
        """(n, 1 + k) parts of a number, or (n, 1 + k, 3) parts of the scores of the outcomes, the base first."""


def terms(learner: Learner, features: pd.DataFrame) -> Array:
    """(n, 1 + T) of a learner of numbers, (n, 1 + T, 2) of a learner of outcomes."""
    contributions = learner.contributions(features)
    return spread(learner.columns, contributions @ _SIDES if contributions.ndim == 3 else contributions)


def composed(logit: Learner, features: pd.DataFrame, inner: Mapping[str, Array]) -> Array:
    """(n, 1 + T, 2) of a learner of outcomes that looks at forecasts of numbers: what these are made of adds in their place.

    Parameters
    ----------
    logit
        A learner in which what a column adds does not depend on the other columns.
    features
        (n, k), without the columns that are forecasts.
    inner
        Those columns, by their (n, 1 + T) terms.
    """
    columns = list(logit.columns)
    bases = {name: part[:, 0] for name, part in inner.items()}
    forecasts = {name: part.sum(axis=1) for name, part in inner.items()}
    at_base, at_forecast = (logit.contributions(features.assign(**values)) @ _SIDES for values in (bases, forecasts))
    plain = [name for name in columns if name not in inner]
    found = spread(plain, at_forecast[:, [0, *(1 + columns.index(name) for name in plain)]])
    for name, part in inner.items():
        k = 1 + columns.index(name)
        found += through(part, at_base[:, k], at_forecast[:, k])
    return found


def spread(columns: Sequence[str], contributions: Array) -> Array:
    """(n, 1 + T, …) from the (n, 1 + k, …) contributions of some columns, the base first."""
    wide = np.zeros((len(contributions), 1 + len(TERMS), *contributions.shape[2:]))
    wide[:, [0, *(_POSITION[name] for name in columns)]] = contributions
    return wide


def start(name: str, values: Array, usual: float) -> Array:
    """(n, 1 + T) of a feature that stands in the forecast as it is: it adds by how much it exceeds the usual value."""
    return spread((name,), np.column_stack([np.full(len(values), usual), values - usual]))


def through(inner: Array, at_base: Array, at_forecast: Array) -> Array:
    """(n, 1 + T, m) of a function f of one number, from the number's (n, 1 + T) terms.

    Parameters
    ----------
    inner
        (n, 1 + T) terms of the number.
    at_base, at_forecast
        (n, m) f of the number's base, and f of the number.
    """
    parts = inner[:, 1:]
    change = parts.sum(axis=1)[:, None]
    # Where the number is its base, nothing is handed on; what rounding leaves over then stays with the base.
    slope = np.divide(at_forecast - at_base, change, out=np.zeros_like(at_base), where=np.abs(change) > 1e-9)
    added = parts[:, :, None] * slope[:, None, :]
    return np.concatenate([(at_forecast - added.sum(axis=1))[:, None], added], axis=1)


def averaged(members: Sequence[Array]) -> Array:
    """(n, 1 + T, 2) of the mean of the members' probabilities, from their (n, 1 + T, 2) terms.

    With L(a, b) = (a - b)/ln(a/b), the logarithmic mean: the mean's ln p̄ moves from base to forecast by
    Σ L(p, p₀)/(M·L(p̄, p̄₀)) · Δln p over the M members, and a member's ln p by the change of its score, less the mean of all
    three outcomes' changes weighted by L(p, p₀). Both are identities; each is linear in what the terms add.
    """
    scores = np.stack(members) @ _SCORES  # (M, n, 1 + T, 3)
    base, forecast = _log_softmax(scores[:, :, 0]), _log_softmax(scores.sum(axis=2))
    weight = _logarithmic_mean(base, forecast)[:, :, None, :]
    added = scores[:, :, 1:]
    moved = added - (added * weight).sum(axis=3, keepdims=True) / weight.sum(axis=3, keepdims=True)
    mean_base, mean_forecast = (np.logaddexp.reduce(each) - np.log(len(members)) for each in (base, forecast))
    whole = len(members) * _logarithmic_mean(mean_base, mean_forecast)[:, None, :]
    parts: Array = np.concatenate([mean_base[:, None, :], (weight / whole * moved).sum(axis=0)], axis=1)
    return np.asarray(parts @ _SIDES)


def _log_softmax(scores: Array) -> Array:
    return np.asarray(scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True))


def _logarithmic_mean(log_a: Array, log_b: Array) -> Array:
    """(a - b)/ln(a/b) of two numbers given by their logarithms; a itself where they are equal."""
    ratio = log_b - log_a
    growth = np.divide(np.expm1(ratio), ratio, out=np.ones_like(ratio), where=ratio != 0.0)
    return np.asarray(np.exp(log_a) * growth)
