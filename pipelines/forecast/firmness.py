"""How firm a forecast stands: how well the strengths of its two clubs are known.

Belongs here: one number for each forecast, its definition, and the levels that people read. Does not belong here: the memory
that knows how unsure it is (`memory`, `statespace`), or how good forecasts of each level were (`record`).

The number is the standard deviation with which the memory of play knows the expected performance of home against away, in
units of ln(p_home/p_away). It is large where few matches of a club are known, after a summer or a longer break, and for a club
that was promoted; every match makes it smaller, one whose shots were counted more than one of which only goals are known. It is
the same for every information set, so that their levels can be compared. It does not depend on the model, and is no interval
around the probabilities.

Disagreement between the members of a model was tried beside it, and left out: the tenth of forecasts on which the members of
`results` disagreed most lost less to the closing price than the others, not more (season 2023, learnt from 2016 to 2022).
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


def strength_deviation(features: pd.DataFrame) -> npt.NDArray[np.float64]:
    """(n,) from the column `play_variance`; NaN where no memory was asked."""
    return np.asarray(np.sqrt(features["play_variance"].to_numpy(dtype=np.float64)))


def firmness(deviation: npt.NDArray[np.float64]) -> list[str]:
    """(n,) of `LEVELS`; loose where the deviation is not known."""
    return [LEVELS[0] if each <= FIRM else LEVELS[1] if each <= LOOSE else LEVELS[2] for each in deviation.tolist()]
