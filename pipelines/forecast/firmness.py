"""How firm a forecast stands: how well the strengths of its two clubs are known, and whether the model agrees with itself.

Belongs here: the deviation of the strengths, and the levels that people read. Does not belong here: the memory that knows how
unsure it is (`memory`, `statespace`), what members say (`models`), or how good forecasts of each level were (`record`).

The deviation is the standard deviation with which the memory of play knows the expected performance of home against away, in
units of ln(p_home/p_away). It is large where few matches of a club are known, after a summer, and for a club that was promoted;
every match makes it smaller, one whose shots were counted more than one of which only goals are known. It does not depend on the
model, and is no interval around the probabilities.

It hardly grows while nothing is played, and forecasts get worse: of 77,012 matches of 2010 to 2018, foreseen walk-forward by
`history`, those of a club that had not played for 30 days or more are farther from the closing price (mean divergence of the
forecast from its probabilities .0060 within a season, n = 646, and .0106 at its opening, n = 2,025; all others .0047). So their
forecasts are a level looser.

Members of a model that were settled apart err apart: where they disagree, one of them must be wrong. Of 77,133 matches of 2012 to
2018, prices foreseen walk-forward by the two members of `history` lost to the closing price, in nats by outcomes:

    deviation    they agree    they disagree (the most disagreed tenth)
    firm           .0038         .0050
    usual          .0051         .0112
    loose          .0092         .0158

Members of `results`, and of `market` where quotes say what the price is, have no such say.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

LEVELS: Final = ("firm", "usual", "loose")

FIRM: Final = 0.53
"""At or below it a forecast is firm: so was a quarter of the matches of 2010 to 2018."""
LOOSE: Final = 0.74
"""Above it a forecast is loose: so was a tenth of them."""
LONG_BREAK: Final = 30.0
"""Days since a club's last match in its country, as the feature of rest counts them, up to this number."""
DISAGREED: Final = 0.076
"""Between the members' ln(p_home/p_away); above it a forecast is loose, too: so was a tenth of the matches of 2012 to 2018."""


def strength_deviation(features: pd.DataFrame) -> npt.NDArray[np.float64]:
    """(n,) from the column `play_variance`; NaN where no memory was asked."""
    return np.asarray(np.sqrt(features["play_variance"].to_numpy(dtype=np.float64)))


def longest_rest(features: pd.DataFrame) -> npt.NDArray[np.float64]:
    """(n,) days since the last match of whichever club has paused longer; NaN where neither has played before."""
    return np.asarray(features[["home_rest_days", "away_rest_days"]].max(axis=1).to_numpy(dtype=np.float64))


def firmness(
    deviation: npt.NDArray[np.float64], disagreement: npt.NDArray[np.float64], rest: npt.NDArray[np.float64]
) -> list[str]:
    """(n,) of `LEVELS`, given what `strength_deviation`, a model's `disagreement` and `longest_rest` say.

    Loose where the deviation is not known, and whatever the disagreement where that is NaN; a level looser after a long break.
    """
    level = np.select([disagreement > DISAGREED, deviation <= FIRM, deviation <= LOOSE], [2, 0, 1], default=2)
    level = np.minimum(level + (rest >= LONG_BREAK), 2)
    return [LEVELS[each] for each in level.tolist()]
