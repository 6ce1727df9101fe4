"""Whether a challenger may be served in place of the champion, and why.

Belongs here: the rules, applied to walk-forward forecasts of the same matches, with reasons for a person. Does not
belong here: making the forecasts (`backtest`), or moving the alias (the registry).
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import norm

from pipelines.forecast.backtest import CLOSING_ODDS, MARKET_PROBABILITIES, match_day, score
from pipelines.forecast.contract import PROBABILITIES
from pipelines.forecast.devig import devig
from pipelines.forecast.metrics import calibration_error, calibration_error_by_chance, log_loss, paired_bootstrap, reliability

NON_INFERIORITY: Final = 0.001
"""Nats by which what need not be better may at worst be behind: about a week of tuning."""
LEAGUE_MATCHES: Final = 300
"""Below this a league's own figures are noise."""
LEAGUE_ERROR: Final = 0.05
"""Chance that any league at all is wrongly called worse, shared out among the leagues."""
CALIBRATION_TOLERANCE: Final = 0.01
"""Calibration error allowed beyond what a perfectly calibrated forecast of as many matches shows by chance."""
DEAF: Final = (
    "Warning: there are no closing odds, so the leak alarm could not listen: whether the model has seen what it should not is "
    "not known, nor is the distance to the market."
)
"""The reason that is a warning: what passed without having been looked at."""


class Kind(StrEnum):
    """What a challenger is to the champion; the text is for people."""

    FIRST = "the first model"
    REFIT = "routine refit"
    CHANGED = "changed recipe"
    UNOPPOSED = "unopposed, by order"


@dataclass(frozen=True)
class Rival:
    """The champion as a challenger meets it.

    Parameters
    ----------
    kind
        What the challenger is to it.
    forecasts
        What it, or its recipe, says of matches that it has not learnt from, in the columns of `backtest.backtest`; None where
        that cannot be had.
    told_by
        Whose forecasts these are, or why there are none: the end of a sentence.
    differs
        In what a changed recipe differs, as a sentence.
    """

    kind: Kind
    forecasts: pd.DataFrame | None = None
    told_by: str = ""
    differs: str = ""


@dataclass(frozen=True)
class Decision:
    """What was decided. `reasons` are sentences, the decisive ones first, then a warning; `figures` can be written as JSON."""

    promote: bool
    reasons: list[str]
    figures: dict[str, Any] = field(default_factory=dict)

    def as_markdown(self, recipe: str) -> str:
        """The decision for a person with half a minute: what, why, and the figures of challenger, champion and market."""
        challenger = self.figures["challenger"]
        scored = {
            "challenger": challenger,
            "champion": self.figures.get("champion"),
            "closing odds": {name: challenger[f"market_{name}"] for name in ("log_loss", "rps", "brier")},
        }
        columns = {"log_loss": "log loss", "rps": "RPS", "brier": "Brier", "ece": "calibration error"}
        rows = [
            f"| {name} | {' | '.join(_shown(figures.get(column)) for column in columns)} |"
            for name, figures in scored.items()
            if figures is not None
        ]
        seasons = ", ".join(map(str, self.figures["seasons"]))
        # What was said of some matches alone is compared on fewer than are judged.
        n_compared = self.figures["n_compared"] if self.figures["n_compared"] < self.figures["n_judged"] else 0
        outcome = "promoted" if self.promote else "not promoted"
        return "\n".join(
            [
                f"**{recipe}: {outcome}** ({self.figures['kind']}), judged on {self.figures['n_judged']:,} matches of {seasons}",
                "",
                *(f"- {reason}" for reason in self.reasons),
                "",
                *([f"On the {n_compared:,} matches that both were compared on:", ""] if n_compared else []),
                f"| | {' | '.join(columns.values())} |",
                "| --- |" + " ---: |" * len(columns),
                *rows,
            ]
        )


def decide(challenger: pd.DataFrame, rival: Rival, market: pd.DataFrame | None = None, *, is_odds_free: bool = True) -> Decision:
    """Compare two recipes by their walk-forward forecasts.

    The first model need not be better than anything but the plain frequencies, nor need one that somebody ordered to meet no
    champion. A refit of the champion's own recipe need not be better, only not worse on the whole; what single leagues show is
    reported. A changed recipe must be better, and in no league worse.

    Parameters
    ----------
    challenger
        What `backtest.backtest` returns.
    rival
        What it is compared with, on the matches that both have. Where there is a champion and nothing of it to compare with, it
        stays.
    market
        Closing odds by column or index `match_id`, to be used in place of those the frames carry.
    is_odds_free
        The challenger's information set has no odds: then to beat the closing price is a sign of leakage.

    Returns
    -------
    Decision
        Promotes only if every check passes.

    Raises
    ------
    ValueError
        If there is no match to compare on.
    """
    champion = rival.forecasts
    if market is not None:
        challenger = _with_market(challenger, market)
        champion = _with_market(champion, market) if champion is not None else None
    if challenger.empty:
        raise ValueError("there is no match to judge by")
    compared = challenger
    if champion is not None:
        shared = challenger.index.intersection(champion.index, sort=False)
        compared, champion = challenger.loc[shared], champion.loc[shared]
        if compared.empty:
            raise ValueError("there is no match that both were judged on")

    figures: dict[str, Any] = {
        "kind": rival.kind.value,
        "compared_with": rival.told_by if champion is not None else None,
        "seasons": sorted(int(season) for season in challenger["season"].unique()),
        "n_judged": len(challenger),
        "n_compared": len(compared),
        "challenger": score(compared),
    }
    checks = [_has_skill(challenger), _leak_alarm(challenger, is_odds_free, figures), _calibration(challenger, figures)]
    if champion is not None:
        figures["champion"] = score(champion)
        checks.append(_improvement(compared, champion, rival, figures))
        passed, reason = _leagues(compared, champion, figures)
        checks.append((passed or rival.kind is not Kind.CHANGED, reason))
    else:
        checks.append(_not_compared(rival))
    promote = all(passed for passed, _ in checks)
    # What stops a promotion is read first, then what could not be looked at; among equals the order of the checks stays.
    reasons = [reason for _, reason in sorted(checks, key=lambda check: (check[0], check[1] != DEAF))]
    return Decision(promote, reasons, _as_json(figures))


def _has_skill(forecasts: pd.DataFrame) -> tuple[bool, str]:
    outcomes = forecasts["outcome"].to_numpy(dtype=np.int64)
    rates = np.bincount(outcomes, minlength=3) / len(outcomes)
    loss = float(_loss(forecasts).mean())
    base = float(-(rates[rates > 0] * np.log(rates[rates > 0])).sum())
    return (
        loss < base,
        f"Log loss {loss:.4f} against {base:.4f} of the plain frequencies of home, draw and away, on {len(outcomes):,} matches.",
    )


def _leak_alarm(forecasts: pd.DataFrame, is_odds_free: bool, figures: dict[str, Any]) -> tuple[bool, str]:
    judged = forecasts.dropna(subset=list(MARKET_PROBABILITIES))
    if judged.empty:
        return True, DEAF if is_odds_free else "No closing odds: the distance to the market is not known."
    market = log_loss(judged[list(MARKET_PROBABILITIES)].to_numpy(dtype=np.float64), judged["outcome"].to_numpy(dtype=np.int64))
    difference = paired_bootstrap(_loss(judged) - market, match_day(judged))
    figures["distance_to_market"] = vars(difference)
    if is_odds_free and difference.high < 0.0:
        return False, f"Leak alarm: without odds it beats the closing price, {difference}. It must have seen what it should not."
    return True, f"Distance to the closing odds in log loss: {difference}."


def _calibration(forecasts: pd.DataFrame, figures: dict[str, Any]) -> tuple[bool, str]:
    """Against what chance alone would show: outcomes drawn from the forecast itself."""
    p = forecasts[list(PROBABILITIES)].to_numpy(dtype=np.float64)
    outcomes = forecasts["outcome"].to_numpy(dtype=np.int64)
    observed = calibration_error(p, outcomes)
    allowed = float(np.quantile(calibration_error_by_chance(p), 0.99)) + CALIBRATION_TOLERANCE
    lines = reliability(p, outcomes).to_dict("index")
    figures["calibration"] = {"error": observed, "allowed": allowed, "reliability": lines}
    return observed <= allowed, f"Calibration error {observed:.4f}, allowed {allowed:.4f} on this many matches."


def _not_compared(rival: Rival) -> tuple[bool, str]:
    """A challenger without forecasts to be compared with."""
    if rival.kind is Kind.FIRST:
        return True, "There is no champion yet: the first model that passes these checks is served."
    if rival.kind is Kind.UNOPPOSED:
        return True, "Compared with no champion, as was ordered: a model that passes these checks is served."
    return False, f"{rival.differs} No comparison could be made: {rival.told_by}. So the champion stays.".lstrip()


def _improvement(challenger: pd.DataFrame, champion: pd.DataFrame, rival: Rival, figures: dict[str, Any]) -> tuple[bool, str]:
    difference = paired_bootstrap(_loss(challenger) - _loss(champion), match_day(challenger))
    figures["difference"] = vars(difference)
    if rival.kind is Kind.CHANGED:
        passed = difference.high < 0.0
        word = "better" if passed else "not shown to be better"
        return (
            passed,
            f"{rival.differs} Challenger {word} than the champion (compared with {rival.told_by}): difference in log loss "
            f"{difference}.",
        )
    passed = difference.high < NON_INFERIORITY
    word = "not worse" if passed else "perhaps worse"
    return (
        passed,
        "Refit of the champion's recipe, for which a walk-forward stand-in speaks, made by the same recipe from earlier seasons "
        f"(the fitted model has learnt from these matches): {word} by the margin of {NON_INFERIORITY} nats (compared with "
        f"{rival.told_by}), difference in log loss {difference}.",
    )


def _leagues(challenger: pd.DataFrame, champion: pd.DataFrame, figures: dict[str, Any]) -> tuple[bool, str]:
    difference = pd.Series(_loss(challenger) - _loss(champion), index=challenger.index)
    days = match_day(challenger)
    leagues = challenger["competition_id"].value_counts()
    leagues = leagues[leagues >= LEAGUE_MATCHES].sort_index()
    limit = float(norm.ppf(1.0 - LEAGUE_ERROR / max(len(leagues), 1)))
    worse, table = [], {}
    for league, n in leagues.items():
        own = difference[challenger["competition_id"] == league]
        # By match-day, as everywhere: the standard error of a ratio of sums over days.
        sums = (own - own.mean()).groupby(days.loc[own.index]).sum()
        error = math.sqrt(float((sums**2).sum())) / len(own)
        table[str(league)] = {"n": int(n), "difference": float(own.mean()), "standard_error": error}
        if own.mean() > limit * error:
            worse.append(f"{league} ({own.mean():+.4f} ± {error:.4f})")
    figures["leagues"] = table
    if worse:
        return False, f"Worse beyond its own noise in {', '.join(worse)}."
    return True, f"No league of at least {LEAGUE_MATCHES} matches ({len(leagues)} of them) gets worse beyond its own noise."


def _loss(forecasts: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    return log_loss(forecasts[list(PROBABILITIES)].to_numpy(dtype=np.float64), forecasts["outcome"].to_numpy(dtype=np.int64))


def _with_market(forecasts: pd.DataFrame, market: pd.DataFrame) -> pd.DataFrame:
    odds = (market.set_index("match_id") if "match_id" in market else market).reindex(forecasts.index)
    result = forecasts.copy()
    result[list(MARKET_PROBABILITIES)] = devig(odds[list(CLOSING_ODDS)].to_numpy(dtype=np.float64))
    return result


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _as_json(value: Any) -> Any:
    """JSON has no NaN: what is not known is null."""
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
