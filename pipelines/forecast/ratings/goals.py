"""Score-driven Poisson ratings of attack and defence, on goals.

log λ = μ + h + attack_home − defence_away and log ν = μ + attack_away − defence_home, with μ the competition's level
and h the country's home advantage. After a match every term moves along the score of its likelihood, which for a
Poisson is the residual: the observation-driven form of S. J. Koopman and R. Lit, "Forecasting football match results
in national league competitions using score-driven time series models", IJF 35(2), 2019, with identity scaling. Constants
were chosen on seasons up to 2018.
"""

import math
from typing import Any, Final

from pipelines.forecast.contract import RATINGS
from pipelines.forecast.replay import Rating

CLUB_STEP: Final = 0.0175
"""Step of attack and defence of a club long known."""
NEWCOMER_GAIN: Final = 2.0
"""By how much that step is larger, as a multiple of it, in a club's first match."""
NEWCOMER_MATCHES: Final = 10.0
"""After how many matches half of that is left."""
LEVEL_STEP: Final = 0.003
"""Step of μ on the mean of the two residuals."""
HOME_ADVANTAGE_STEP: Final = 0.0008
"""Step of h on the difference of the two residuals."""
LEVEL: Final = 0.1
HOME_ADVANTAGE: Final = 0.25
NEW_CLUB: Final = -0.15
"""Attack and defence of a club not seen before: newcomers are weaker than the division they enter."""
SUMMER: Final = 0.87
"""What is left of attack and defence after a summer: clubs move back to the middle of their division."""
DIVISION_SHIFT: Final = 0.22
"""Both ratings are relative to the division: a relegated club is that much stronger in the one below."""


class Goals(Rating):
    """Club row: attack, defence (higher concedes less), season and tier of its last match, matches learnt.

    Attack, defence and the level are logarithms of goals.
    """

    columns = RATINGS["goals"]
    learns_from = ("home_goals", "away_goals")
    club_start = (math.nan, math.nan, math.nan, math.nan, 0.0)
    competition_start = (LEVEL,)
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
        """Logarithms of both expected numbers of goals."""
        said[0] = competition[0] + country[0] + home[0] - away[1]
        said[1] = competition[0] + away[0] - home[1]

    @staticmethod
    def after(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Move every term along its residual."""
        home_residual = match.home_goals - math.exp(said[0])
        away_residual = match.away_goals - math.exp(said[1])
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
