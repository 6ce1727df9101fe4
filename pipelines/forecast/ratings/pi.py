"""pi-ratings: what a club scores more than an average opponent, at home and away.

Source of the formulas: A. C. Constantinou and N. E. Fenton, "Determining the level of ability of football teams by
dynamic ratings based on the relative discrepancies in scores between adversaries", JQAS 9(1), 2013, and the CRAN
package `piratings`. Learning rates as later users found them.
"""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipelines.forecast.contract import RATINGS
from pipelines.forecast.replay import Rating

LEARNING_RATE: Final = 0.05
"""λ: the paper has .035, later users .05 to .06."""
CATCH_UP: Final = 0.7
"""γ: how much a home match teaches about away form, and the other way round."""
SCALE: Final = 3.0
"""c of the paper."""
TIER_STEP: Final = 0.25
"""How much lower both ratings begin for each division down; the paper knows one division and begins at 0."""
NEWCOMER_DEFICIT: Final = 0.23
"""How much lower than its division a club begins that joins a competition already known: it comes from below."""


class Pi(Rating):
    """Club row: rating at home, rating away; NaN before the first match. Competition row: first season known."""

    columns = RATINGS["pi"]
    learns_from = ("home_goals", "away_goals")
    club_start = (math.nan, math.nan)
    competition_start = (math.nan,)
    country_start = (0.0,)

    @staticmethod
    def arrive(club: Any, competition: Any, match: Any) -> None:
        """A new club begins at the level of its division, or below it if the others are known already."""
        if math.isnan(club[0]):
            club[0] = -TIER_STEP * (match.tier - 1.0)
            if match.season > competition[0]:
                club[0] -= NEWCOMER_DEFICIT
            club[1] = club[0]

    @staticmethod
    def before(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Home club at home and away, away club at home and away."""
        said[0], said[1] = home[0], home[1]
        said[2], said[3] = away[0], away[1]

    @staticmethod
    def after(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Move by the error of the expected goal difference, damped as ψ(e) = c·log10(1 + e)."""
        expected = math.copysign(10.0 ** (abs(said[0]) / SCALE) - 1.0, said[0])
        expected -= math.copysign(10.0 ** (abs(said[3]) / SCALE) - 1.0, said[3])
        error = match.home_goals - match.away_goals - expected
        surprise = math.copysign(SCALE * math.log10(1.0 + abs(error)), error)
        home[0] += LEARNING_RATE * surprise
        home[1] += CATCH_UP * LEARNING_RATE * surprise
        away[1] -= LEARNING_RATE * surprise
        away[0] -= CATCH_UP * LEARNING_RATE * surprise
        if math.isnan(competition[0]):
            competition[0] = match.season


def expected_goals(rating: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """g(R) = sign(R)·(10^(|R|/c) − 1): goals by which such a club is expected to beat the average opponent."""
    value = np.asarray(rating, dtype=np.float64)
    return np.sign(value) * (10.0 ** (np.abs(value) / SCALE) - 1.0)
