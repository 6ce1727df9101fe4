"""Elo over a country's pyramid: one pool for all its divisions, with a home advantage that moves.

A club's first rating is that of its division, so that promotion and relegation need no correction: points travel
with the clubs. Source of the form: ClubElo (clubelo.com/System), which also weights by the square root of the goal
difference and moves the home advantage of each country. Constants were chosen on seasons up to 2018.
"""

import math
from typing import Any, Final

from pipelines.forecast.contract import RATINGS
from pipelines.forecast.replay import Rating

START: Final = 1500.0
"""First rating of a club in a top division."""
TIER_STEP: Final = 110.0
"""How much lower a club begins for each division down."""
NEWCOMER_DEFICIT: Final = 100.0
"""How much lower than its division a club begins that joins a competition already known: it comes from below."""
K: Final = 16.0
"""Points at stake in a match decided by one goal between clubs long known (ClubElo: 20 for all)."""
NEWCOMER_GAIN: Final = 1.0
"""By how much K is larger, as a share of it, in a club's first match."""
NEWCOMER_MATCHES: Final = 10.0
"""After how many matches half of that is left."""
HOME_ADVANTAGE: Final = 65.0
HOME_ADVANTAGE_STEP: Final = 0.4
"""Points by which a country's home advantage follows result − expectation: empty stadiums show within a season."""


class Elo(Rating):
    """Club row: rating in Elo points, NaN before the first match, and matches learnt.

    Competition row: its first season known, NaN before. Country row: home advantage.
    """

    columns = RATINGS["elo"]
    learns_from = ("home_goals", "away_goals")
    club_start = (math.nan, 0.0)
    competition_start = (math.nan,)
    country_start = (HOME_ADVANTAGE,)

    @staticmethod
    def arrive(club: Any, competition: Any, match: Any) -> None:
        """A new club begins at the level of its division, or below it if the others are known already."""
        if math.isnan(club[0]):
            club[0] = START - TIER_STEP * (match.tier - 1.0)
            if match.season > competition[0]:
                club[0] -= NEWCOMER_DEFICIT

    @staticmethod
    def before(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Both ratings for this match: the home club's with the home advantage of its country."""
        said[0] = home[0] + country[0]
        said[1] = away[0]

    @staticmethod
    def after(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """R += K·√max(1, |goal difference|)·(result − expectation), and the opposite for the other club."""
        difference = match.home_goals - match.away_goals
        result = 0.5 if difference == 0 else (1.0 if difference > 0 else 0.0)
        surprise = result - 1.0 / (1.0 + 10.0 ** (-(said[0] - said[1]) / 400.0))
        points = K * math.sqrt(max(1.0, abs(difference))) * surprise
        home[0] += points * (1.0 + NEWCOMER_GAIN / (1.0 + home[1] / NEWCOMER_MATCHES))
        away[0] -= points * (1.0 + NEWCOMER_GAIN / (1.0 + away[1] / NEWCOMER_MATCHES))
        home[1] += 1.0
        away[1] += 1.0
        if math.isnan(competition[0]):
            competition[0] = match.season
        country[0] += HOME_ADVANTAGE_STEP * surprise
