"""How good the probabilities of every market were, beside a constant and, where it is quoted, the closing price.

Belongs here: dividing the scores into each market's outcomes and comparing. Does not belong here: the markets'
definitions (`markets`), or scores of home, draw and away alone (`metrics`, `backtest`).

Log loss is counted per unit of stake that is decided: a bet won counts −ln q, one lost −ln(1 − q), by the share of the
stake, and what is returned does not count. So a returned stake weighs nothing, a half-returned one a half, and in
expectation the score is best exactly at q = win/(win + lose), which is what a price states. For markets without push
this is the ordinary log loss.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.forecast.devig import devig
from pipelines.forecast.grid import AWAY_GOALS, HOME_GOALS, MAX_GOALS, OUTCOME, flattened
from pipelines.forecast.markets import MARGIN_BAND, asian_handicap, settle
from pipelines.forecast.metrics import LEAST, paired_bootstrap
from pipelines.forecast.splits import Split, begins_late, is_played, walk_forward

Array = npt.NDArray[np.float64]
Categories = npt.NDArray[np.int64]

_TOTAL: Final = HOME_GOALS + AWAY_GOALS
OUTCOMES_OF: Final[dict[str, Categories]] = {
    "home_draw_away": OUTCOME,
    "draw_no_bet": np.select([OUTCOME == 0, OUTCOME == 2], [1, 0], -1),
    "home_or_draw": 1 * (OUTCOME != 2),
    "home_or_away": 1 * (OUTCOME != 1),
    "draw_or_away": 1 * (OUTCOME != 0),
    **{f"over_{line}_5": 1 * (line < _TOTAL) for line in range(6)},
    "total_goals": np.minimum(_TOTAL, 6),
    "both_teams_score": 1 * ((HOME_GOALS > 0) & (AWAY_GOALS > 0)),
    "home_clean_sheet": 1 * (AWAY_GOALS == 0),
    "away_clean_sheet": 1 * (HOME_GOALS == 0),
    "winning_margin": np.clip(HOME_GOALS - AWAY_GOALS, -MARGIN_BAND, MARGIN_BAND) + MARGIN_BAND,
    "correct_score": np.arange(len(HOME_GOALS)),
}
"""Market to the outcome that each of the 256 cells of a flattened grid belongs to, −1 where the stake is returned.
`total_goals` takes 6 and more together, `winning_margin` 3 and more."""

QUOTED: Final = {
    "home_draw_away": ("1x2", ("odds_home", "odds_draw", "odds_away")),
    "over_2_5": ("over_under_25", ("odds_under", "odds_over")),
}
"""Market to its name in `gold.fct_odds` and the columns of its outcomes, in their order here."""

BOOKMAKER: Final = "average"
BASE_SEASONS: Final = 5
POOLED_MATCHES: Final = 100.0
"""A competition's frequencies are filled up with so many matches of all competitions' frequencies."""

COLUMNS: Final = (
    *("n", "log_loss", "base_log_loss"),
    *("n_quoted", "quoted_log_loss", "market_log_loss", "difference", "difference_low", "difference_high"),
)
"""What `market_scores` says of a market."""


def market_scores(grids: Array, match_id: pd.Index, matches: pd.DataFrame, odds: pd.DataFrame) -> pd.DataFrame:
    """Score every market on played matches.

    The constant is each competition's frequencies of the five seasons before (`POOLED_MATCHES`), known before the
    season's first forecast. The price is the average closing one without its margin (power method). Of the Asian
    handicap every match is scored at its own closing line, and the constant is how often the home side covered such
    lines before.

    Parameters
    ----------
    grids
        (n, 16, 16), the grids of `match_id`.
    match_id
        (n,) played matches.
    matches
        `contract.MATCH_COLUMNS`: these matches and earlier seasons.
    odds
        `gold.fct_odds`; matches may be missing.

    Returns
    -------
    DataFrame
        Index the market (`OUTCOMES_OF` and `asian_handicap`), columns `n`, `log_loss`, `base_log_loss`; and on the
        matches with a price `n_quoted`, `quoted_log_loss`, `market_log_loss`, their paired `difference` with
        `difference_low` and `difference_high` (95 %, by match-day), NaN without prices.

    Raises
    ------
    ValueError
        If a match was not played.
    """
    matches = matches.set_index("match_id")
    rows = matches.loc[match_id]
    if not is_played(rows).all():
        raise ValueError("only played matches can be scored")
    closing = odds[(odds["bookmaker"] == BOOKMAKER).to_numpy(dtype=bool) & (odds["moment"] == "closing").to_numpy(dtype=bool)]
    days = rows["kickoff_at"].dt.floor("D")
    cell = _cell(rows)
    frequencies = _frequencies(matches, rows)
    scores = {}
    for name, outcome in OUTCOMES_OF.items():
        of_cell = np.eye(outcome.max() + 1)[outcome] * (outcome >= 0)[:, None]
        price = _price(closing, match_id, *QUOTED[name]) if name in QUOTED else np.full((len(rows), of_cell.shape[1]), np.nan)
        forecast, base = (_conditional(p @ of_cell) for p in (flattened(grids), frequencies))
        scores[name] = _score(of_cell[cell], forecast, base, price, days)
    scores["asian_handicap"] = _score_handicap(grids, matches, rows, closing, days)
    return pd.DataFrame.from_dict(scores, orient="index").rename_axis("market")


def _score(won: Array, forecast: Array, base: Array, price: Array, days: "pd.Series[pd.Timestamp]") -> dict[str, float]:
    """One row of the result, from (n, k) shares of the stake that each outcome wins, and probabilities of outcomes."""
    decided = won.sum(axis=1)
    loss, base_loss, market_loss = (_loss(won, p) for p in (forecast, base, price))
    quoted: npt.NDArray[np.bool_] = np.logical_not(np.isnan(price).any(axis=1))
    figures = dict.fromkeys(COLUMNS, float("nan")) | {
        "n": float(np.count_nonzero(decided)),
        "n_quoted": float(np.count_nonzero(decided[quoted])),
    }
    if decided.any():
        figures |= {"log_loss": loss.sum() / decided.sum(), "base_log_loss": base_loss.sum() / decided.sum()}
    if not decided[quoted].any():
        return figures
    per_stake = decided[quoted].mean()
    difference = paired_bootstrap((loss - market_loss)[quoted] / per_stake, days.to_numpy()[quoted])
    return figures | {
        "quoted_log_loss": loss[quoted].mean() / per_stake,
        "market_log_loss": market_loss[quoted].mean() / per_stake,
        "difference": difference.mean,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }


def _score_handicap(
    grids: Array, matches: pd.DataFrame, rows: pd.DataFrame, closing: pd.DataFrame, days: "pd.Series[pd.Timestamp]"
) -> dict[str, float]:
    """The Asian handicap at each match's closing line."""
    quotes = closing[(closing["market"] == "asian_handicap").to_numpy(dtype=bool)].set_index("match_id")
    margin = (matches["home_goals"] - matches["away_goals"]).reindex(quotes.index).to_numpy(dtype=np.float64)
    settled = settle(margin, quotes["line"].to_numpy(dtype=np.float64))
    covered = pd.DataFrame({"win": settled.win, "lose": settled.lose}, index=quotes.index)[~np.isnan(margin)]
    base = np.empty(len(rows))
    for split in _splits(matches, rows):
        earlier = covered.loc[covered.index.isin(matches.index[split.train])].sum()
        home = (earlier["win"] + POOLED_MATCHES / 2.0) / (earlier["win"] + earlier["lose"] + POOLED_MATCHES)
        base[rows.index.isin(matches.index[split.test])] = home

    price = _price(closing, rows.index, "asian_handicap", ("odds_home", "odds_away"))
    has_line = rows.index.isin(covered.index) & ~np.isnan(price).any(axis=1)
    line = quotes["line"].reindex(rows.index).to_numpy(dtype=np.float64)[has_line]
    home = asian_handicap(grids[has_line], line[:, None]).probability[:, 0]
    won = covered.reindex(rows.index).to_numpy(dtype=np.float64)[has_line]
    return _score(
        won,
        np.column_stack([home, 1.0 - home]),
        np.column_stack([base, 1.0 - base])[has_line],
        price[has_line],
        days.iloc[np.flatnonzero(has_line)],
    )


def _loss(won: Array, probabilities: Array) -> Array:
    """(n,) log loss of the decided share of each stake; NaN only where it is decided by what has no probability."""
    return np.asarray(-(won * np.log(np.clip(probabilities, LEAST, None))).sum(axis=1))


def _conditional(weights: Array) -> Array:
    """Weights of outcomes as probabilities, given that the stake is decided."""
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _price(closing: pd.DataFrame, match_id: pd.Index, market: str, columns: tuple[str, ...]) -> Array:
    """(n, k) probabilities that a market's closing quotes state, NaN without usable ones."""
    quotes = closing[(closing["market"] == market).to_numpy(dtype=bool)].set_index("match_id")
    return devig(quotes[list(columns)].reindex(match_id).to_numpy(dtype=np.float64))


def _cell(rows: pd.DataFrame) -> Categories:
    """(n,) position of each result in a flattened grid."""
    home, away = (np.minimum(rows[f"{side}_goals"].to_numpy(dtype=np.int64), MAX_GOALS) for side in ("home", "away"))
    return np.asarray(home * (MAX_GOALS + 1) + away)


def _frequencies(matches: pd.DataFrame, rows: pd.DataFrame) -> Array:
    """(n, 256) what a constant says of each score: frequencies of earlier seasons, never quite zero."""
    codes, names = pd.factorize(matches["competition_id"], sort=True)
    of_row = names.get_indexer(pd.Index(rows["competition_id"]))
    result = np.empty((len(rows), len(HOME_GOALS)))
    for split in _splits(matches, rows):
        counts = np.zeros((len(names), len(HOME_GOALS)))
        np.add.at(counts, (codes[split.train], _cell(matches[split.train])), 1.0)
        pooled = _conditional(counts.sum(axis=0, keepdims=True) + 1.0 / len(HOME_GOALS))
        asked = rows.index.isin(matches.index[split.test])
        result[asked] = _conditional(counts + POOLED_MATCHES * pooled)[of_row[asked]]
    return result


def _splits(matches: pd.DataFrame, rows: pd.DataFrame) -> Iterator[Split]:
    """What a constant may know of each row: as much as the model beside it."""
    return walk_forward(matches, sorted(rows["season"].unique()), BASE_SEASONS, apart=begins_late(matches))
