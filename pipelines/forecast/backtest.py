"""Walk-forward backtest: what a recipe would have forecast, season by season, and how far from the market that is.

Belongs here: making the forecasts of past seasons and summarising them beside the closing odds of the same matches.
Does not belong here: the division in time (`splits`), the scores (`metrics`), or what follows (`promotion`).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from pipelines.forecast.contract import FEATURES, LABELS, PROBABILITIES
from pipelines.forecast.devig import devig
from pipelines.forecast.dixon_coles import pooled, rate
from pipelines.forecast.features import label
from pipelines.forecast.learners import Grown
from pipelines.forecast.metrics import (
    accuracy,
    base_rate,
    brier,
    calibration_error,
    log_loss,
    outcome_of,
    paired_bootstrap,
    ranked_probability_score,
    reliability,
    sharpness,
    skill_share,
)
from pipelines.forecast.models import Recipe
from pipelines.forecast.occasions import OCCASIONS, occasions
from pipelines.forecast.splits import begins_late, walk_forward

MARKET_PROBABILITIES = ("market_p_home", "market_p_draw", "market_p_away")
CLOSING_ODDS = ("closing_odds_home", "closing_odds_draw", "closing_odds_away")
GOALS = ["expected_home_goals", "expected_away_goals"]


def backtest(
    matches: pd.DataFrame,
    features: pd.DataFrame,
    quotes: pd.DataFrame,
    recipe: Recipe,
    seasons: Iterable[int],
    grown: Grown | None = None,
) -> pd.DataFrame:
    """Forecast every played match of the seasons by models that have seen only earlier seasons.

    A season has two of them where some of its leagues play from spring to autumn: these begin it half a year before the others,
    and a model that forecasts all knows nothing of the last season's second half, which by the summer everybody knew.

    Parameters
    ----------
    matches
        `contract.MATCH_COLUMNS`, one row per match.
    features
        What `features.assemble` returns for these matches.
    quotes
        As for `features.label`; the closing ones are also what the forecasts are put beside.
    recipe
        How the model is made, anew for each season, from the features and labels of its information set alone, and of how many
        seasons.
    seasons
        Start years.
    grown
        Trees that were grown before, and what they said; those of this backtest are looked up, and added. A caller that asks
        for one season after another, or fits a model afterwards, hands over the same.

    Returns
    -------
    DataFrame
        Index `match_id`, in the order of `features` within each season; columns `season`, `competition_id`,
        `kickoff_at`, `as_of`, `outcome` (0, 1, 2 for home, draw, away), `p_home`, `p_draw`, `p_away`,
        `expected_home_goals`, `expected_away_goals` (the model's own, see `with_pooled_goals`), the market's `market_p_*` by
        the power method (NaN without usable closing odds), and those of `occasions.occasions`.
    """
    rows = matches.set_index("match_id").loc[features.index]
    closing = (quotes.set_index("match_id") if "match_id" in quotes else quotes).reindex(rows.index)
    occasion = occasions(matches, features)
    features = features[list(FEATURES[recipe.information_set])]
    goals = rows[["home_goals", "away_goals"]].astype("float64")
    labels = label(matches, quotes).loc[rows.index, list(LABELS[recipe.information_set])]
    grown = Grown() if grown is None else grown
    parts = []
    for split in walk_forward(rows, seasons, recipe.n_seasons, apart=begins_late(rows)):
        model = recipe.make().fit(features[split.train], labels[split.train], grown)
        part = rows.loc[split.test, ["season", "competition_id", "kickoff_at", "as_of"]].copy()
        part["outcome"] = outcome_of(goals.loc[split.test, "home_goals"], goals.loc[split.test, "away_goals"])
        part[list(PROBABILITIES)] = model.predict_proba(features[split.test])
        part[GOALS] = model.predict_goals(features[split.test])
        part[list(MARKET_PROBABILITIES)] = devig(closing.loc[split.test, list(CLOSING_ODDS)].to_numpy(dtype=np.float64))
        parts.append(part)
    if not parts:
        raise ValueError("none of the seasons has a played match")
    forecasts = pd.concat(parts)
    order = pd.Series(np.arange(len(features)), index=features.index).loc[forecasts.index].to_numpy()
    return forecasts.iloc[np.lexsort((order, forecasts["season"].to_numpy()))].join(occasion)


def with_pooled_goals(forecasts: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """What `backtest` returns, with expected goals as they are published: pooled with Dixon and Coles' fit of each week.

    Grids alone need them, outcomes do not: a comparison of outcomes is spared some thousand fits a season.

    Parameters
    ----------
    forecasts
        Of any of these matches.
    matches
        `contract.MATCH_COLUMNS`, all that the fits may learn from.
    """
    weekly = rate(matches, since=forecasts["as_of"].min()).loc[forecasts.index]
    expected = pooled(forecasts[GOALS].to_numpy(dtype=np.float64), weekly)
    return forecasts.assign(**dict(zip(GOALS, expected.T, strict=True)))


def match_day(forecasts: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """The UTC day of each kick-off: matches of one day share their surprises."""
    days: pd.Series[pd.Timestamp] = forecasts["kickoff_at"].dt.floor("D")
    return days


def score(forecasts: pd.DataFrame) -> dict[str, float]:
    """Every figure of a set of forecasts, on the matches that have a market.

    Returns
    -------
    dict
        `n`, `log_loss`, `rps`, `brier`, `accuracy`, `ece`, `sharpness` of the model, its calibration line of each outcome as
        `slope_home`, `intercept_home` and so on (`metrics.reliability`), `market_log_loss`, `market_rps`, `market_brier`,
        `market_sharpness`, `base_log_loss` of these matches' own frequencies, `skill_share`, and the paired `difference` in
        log loss to the market with `difference_low` and `difference_high` (95 %, by match-day). Without any market only the
        model's and the base rate's figures, over all matches, with NaN for the others.
    """
    judged = forecasts.dropna(subset=list(MARKET_PROBABILITIES))
    has_market = len(judged) > 0
    judged = judged if has_market else forecasts
    p = judged[list(PROBABILITIES)].to_numpy(dtype=np.float64)
    q = judged[list(MARKET_PROBABILITIES)].to_numpy(dtype=np.float64)
    outcomes = judged["outcome"].to_numpy(dtype=np.int64)
    loss = log_loss(p, outcomes)
    base = float(log_loss(np.tile(base_rate(outcomes), (len(outcomes), 1)), outcomes).mean())
    lines = reliability(p, outcomes)
    figures = {
        "n": float(len(judged)),
        "log_loss": float(loss.mean()),
        "rps": float(ranked_probability_score(p, outcomes).mean()),
        "brier": float(brier(p, outcomes).mean()),
        "accuracy": accuracy(p, outcomes),
        "ece": calibration_error(p, outcomes),
        "sharpness": sharpness(p),
        **{f"{name}_{outcome}": value for outcome, line in lines.iterrows() for name, value in line.items()},
        "base_log_loss": base,
    }
    market_loss = log_loss(q, outcomes)
    difference = paired_bootstrap(loss - market_loss, match_day(judged))
    market = {
        "market_log_loss": float(market_loss.mean()),
        "market_rps": float(ranked_probability_score(q, outcomes).mean()),
        "market_brier": float(brier(q, outcomes).mean()),
        "market_sharpness": sharpness(q),
        "skill_share": skill_share(figures["log_loss"], base, float(market_loss.mean())),
        "difference": difference.mean,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }
    return figures | (market if has_market else dict.fromkeys(market, float("nan")))


def summarise(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Scores over everything, and over what lets forecasts be compared with others of their kind.

    The "new" leagues are those that go by the three letters of their country; their source has no match statistics.

    Returns
    -------
    DataFrame
        One row each, the columns of `score`, index (`group`, `name`) with group `all`, `leagues` (`main`, `new`), `season`,
        `occasion` (the names in `occasions.OCCASIONS`), `month_of_season` or `competition_id`; groups without a match are left
        out. Groups are scored on their matches with a market; leagues must not be compared by their level, only by their
        difference to the market.
    """
    groups = [(("all", "all"), forecasts)]
    is_new = forecasts["competition_id"].str.match(r"[A-Z]{3}\b")
    leagues = is_new.map({True: "new", False: "main"}).rename("leagues")
    groups += _parts(forecasts, leagues) + _parts(forecasts, forecasts["season"])
    groups += [(("occasion", name), forecasts[forecasts[column]]) for column, name in OCCASIONS.items()]
    groups += _parts(forecasts, forecasts["month_of_season"]) + _parts(forecasts, forecasts["competition_id"])
    groups = [(key, part) for key, part in groups if len(part)]
    index = pd.MultiIndex.from_tuples([key for key, _ in groups], names=["group", "name"])
    return pd.DataFrame([score(part) for _, part in groups], index=index)


def _parts(forecasts: pd.DataFrame, by: "pd.Series[Any]") -> list[tuple[tuple[str, str], pd.DataFrame]]:
    return [((str(by.name), str(name)), part) for name, part in forecasts.groupby(by, sort=True)]


def as_file(forecasts: pd.DataFrame, matches: pd.DataFrame, information_set: str, model: str) -> pd.DataFrame:
    """Forecasts as others read them: each match as its source spells it, without the blanks at a name's ends.

    Parameters
    ----------
    forecasts
        Index `match_id`, `contract.PROBABILITIES` and `as_of`.
    matches
        `match_id, source_division, source_date, source_home, source_away` of at least these matches.
    information_set, model
        What is written beside each.

    Returns
    -------
    DataFrame
        `source_division, match_date` (ISO), `source_home, source_away, p_home, p_draw, p_away, information_set, model,
        as_of`, ordered by date, division and teams.
    """
    spelling = matches.set_index("match_id").loc[
        forecasts.index, ["source_division", "source_date", "source_home", "source_away"]
    ]
    return (
        forecasts[[*PROBABILITIES, "as_of"]]
        .assign(
            **{name: spelling[name].str.strip() for name in ("source_division", "source_home", "source_away")},
            match_date=pd.to_datetime(spelling["source_date"]).dt.strftime("%Y-%m-%d"),
            information_set=information_set,
            model=model,
        )
        .sort_values(["match_date", "source_division", "source_home", "source_away"], kind="stable")[
            ["source_division", "match_date", "source_home", "source_away", *PROBABILITIES, "information_set", "model", "as_of"]
        ]
    )
