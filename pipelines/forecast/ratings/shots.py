"""Score-driven Poisson ratings of attack and defence, on shots.

The recursion of `goals`, on a count that is larger and therefore less noisy: the mean of shots and shots on target,
that is, a shot off target counts half (shots on target alone forecast worse by .0013 nats on seasons up to 2018). Residuals
are divided by what a side has on average. A match without the count leaves the state untouched, and in a competition
never seen with it there is no rating. Constants were chosen on seasons up to 2018.
"""

import math
from typing import Any, Final

from pipelines.forecast.contract import RATINGS
from pipelines.forecast.replay import Rating

CLUB_STEP: Final = 0.08
"""Step of attack and defence of a club long known."""
NEWCOMER_GAIN: Final = 3.0
"""By how much that step is larger, as a multiple of it, in a club's first match with the count."""
NEWCOMER_MATCHES: Final = 10.0
"""After how many matches half of that is left."""
LEVEL_STEP: Final = 0.002
"""Step of the competition's level on the mean of the two residuals."""
HOME_ADVANTAGE_STEP: Final = 0.0008
"""Step of the country's home advantage on the difference of the two residuals."""
LEVEL: Final = 1.9
HOME_ADVANTAGE: Final = 0.2
NEW_CLUB: Final = -0.02
"""Attack and defence of a club not seen before."""
SUMMER: Final = 0.86
"""What is left of attack and defence after a summer: clubs move back to the middle of their division."""
DIVISION_SHIFT: Final = 0.115
"""Both ratings are relative to the division: a relegated club is that much stronger in the one below."""
TYPICAL: Final = 8.0
"""The count of one side in a match."""


class Shots(Rating):
    """Club row: attack, defence, season and tier of its last match with the count, matches learnt.

    Competition row: level, and 1 once the count has been seen there. All but the last are logarithms.
    """

    columns = RATINGS["shots"]
    learns_from = ("home_shots", "away_shots", "home_shots_on_target", "away_shots_on_target")
    club_start = (math.nan, math.nan, math.nan, math.nan, 0.0)
    competition_start = (LEVEL, 0.0)
    country_start = (HOME_ADVANTAGE,)

    @staticmethod
    def arrive(club: Any, competition: Any, match: Any) -> None:
        """New club, summer, change of division."""
        if math.isnan(club[0]):
            club[0] = club[1] = NEW_CLUB
        elif match.season > club[2]:
            shrink = SUMMER ** (match.season - club[2])
            shift = DIVISION_SHIFT * (match.tier - club[3])
            club[0] = club[0] * shrink + shift
            club[1] = club[1] * shrink + shift
        else:
            return
        club[2] = match.season
        club[3] = match.tier

    @staticmethod
    def before(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Logarithms of both expected counts; NaN in a competition never seen with the count."""
        if competition[1] == 0.0:
            said[0] = said[1] = math.nan
        else:
            said[0] = competition[0] + country[0] + home[0] - away[1]
            said[1] = competition[0] + away[0] - home[1]

    @staticmethod
    def after(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Move every term along its residual; a competition's first match with the count only opens it."""
        if competition[1] == 0.0:
            competition[1] = 1.0
            return
        home_residual = ((match.home_shots + match.home_shots_on_target) / 2.0 - math.exp(said[0])) / TYPICAL
        away_residual = ((match.away_shots + match.away_shots_on_target) / 2.0 - math.exp(said[1])) / TYPICAL
        home_step = CLUB_STEP * (1.0 + NEWCOMER_GAIN / (1.0 + home[4] / NEWCOMER_MATCHES))
        away_step = CLUB_STEP * (1.0 + NEWCOMER_GAIN / (1.0 + away[4] / NEWCOMER_MATCHES))
        home[0] += home_step * home_residual
        home[1] -= home_step * away_residual
        away[0] += away_step * away_residual
        away[1] -= away_step * home_residual
        home[4] += 1.0
        away[4] += 1.0
        competition[0] += LEVEL_STEP * (home_residual + away_residual) / 2.0
        country[0] += HOME_ADVANTAGE_STEP * (home_residual - away_residual)
