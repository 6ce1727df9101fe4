"""Ratings of national teams: Elo, and score-driven Poisson rates of goals, in one pool of all teams.

Belongs here: what differs from the ratings of clubs (`elo`, `goals`), whose formulas these are. There are no divisions and no
summers, a team plays ten matches a year against opponents of every strength, and where the ground is neutral neither side has a
home advantage: what a rating says of such a match changes sides with the teams. Friendlies teach as much as other matches:
weighing them less forecast worse. Constants were chosen on matches from 2000 to 2009.
"""

import math
from typing import Any, Final

from pipelines.forecast.contract import NATIONAL_RATINGS
from pipelines.forecast.replay import Rating

START: Final = 1500.0
K: Final = 28.0
"""Points at stake in a match decided by one goal between teams long known."""
ELO_NEWCOMER_GAIN: Final = 3.0
"""By how much K is larger, as a multiple of it, in a team's first match."""
ELO_NEWCOMER_MATCHES: Final = 20.0
"""After how many matches half of that is left."""
ELO_HOME_ADVANTAGE: Final = 90.0
"""Elo points, on a ground that is not neutral."""

GOALS_STEP: Final = 0.03
"""Step of attack and defence of a team long known."""
GOALS_NEWCOMER_GAIN: Final = 5.0
"""By how much that step is larger, as a multiple of it, in a team's first match."""
GOALS_NEWCOMER_MATCHES: Final = 10.0
"""After how many matches half of that is left."""
LEVEL: Final = 0.3
"""Logarithm of the goals of a side against its equal, on neutral ground."""
LEVEL_STEP: Final = 0.0005
HOME_ADVANTAGE: Final = 0.45
"""Difference of both sides' logarithms for the ground alone."""
HOME_ADVANTAGE_STEP: Final = 0.0004
NEW_TEAM: Final = -0.15
"""Attack and defence of a team not seen before."""
MOST_GOALS: Final = 6.0
"""Of one side in one match, that teach: a 31 : 0 says little more of both teams than a 6 : 0."""
MOST_EXPECTED: Final = 2.3
"""Logarithm of the most goals that are expected when learning: beyond it a residual would be of the model, not of the match."""


class NationalElo(Rating):
    """Team row: rating in Elo points, matches learnt."""

    columns = NATIONAL_RATINGS["national_elo"]
    learns_from = ("home_goals", "away_goals")
    club_start = (START, 0.0)
    competition_start = (0.0,)
    country_start = (0.0,)

    @staticmethod
    def arrive(club: Any, competition: Any, match: Any) -> None:
        """Nothing happens to a team between its matches."""

    @staticmethod
    def before(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Both ratings for this match, the home side's with the advantage of its ground."""
        said[0] = home[0] + ELO_HOME_ADVANTAGE * (1.0 - match.is_neutral)
        said[1] = away[0]

    @staticmethod
    def after(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """As the Elo of clubs: R += K·√max(1, |goal difference|)·(result − expectation), and the opposite for the other side."""
        difference = match.home_goals - match.away_goals
        result = 0.5 if difference == 0 else (1.0 if difference > 0 else 0.0)
        surprise = result - 1.0 / (1.0 + 10.0 ** (-(said[0] - said[1]) / 400.0))
        points = K * math.sqrt(max(1.0, abs(difference))) * surprise
        home[0] += points * (1.0 + ELO_NEWCOMER_GAIN / (1.0 + home[1] / ELO_NEWCOMER_MATCHES))
        away[0] -= points * (1.0 + ELO_NEWCOMER_GAIN / (1.0 + away[1] / ELO_NEWCOMER_MATCHES))
        home[1] += 1.0
        away[1] += 1.0


class NationalGoals(Rating):
    """Team row: attack, defence (higher concedes less), matches learnt. Country row: level and home advantage of all teams.

    All but the count are logarithms of goals.
    """

    columns = NATIONAL_RATINGS["national_goals"]
    learns_from = ("home_goals", "away_goals")
    club_start = (NEW_TEAM, NEW_TEAM, 0.0)
    competition_start = (0.0,)
    country_start = (LEVEL, HOME_ADVANTAGE)

    @staticmethod
    def arrive(club: Any, competition: Any, match: Any) -> None:
        """Nothing happens to a team between its matches."""

    @staticmethod
    def before(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Logarithms of both expected numbers of goals; the ground gives one side as much as it takes from the other."""
        ground = country[1] * (1.0 - match.is_neutral) / 2.0
        said[0] = country[0] + ground + home[0] - away[1]
        said[1] = country[0] - ground + away[0] - home[1]

    @staticmethod
    def after(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Move every term along its residual, as the goals of clubs do."""
        home_residual = min(match.home_goals, MOST_GOALS) - math.exp(min(said[0], MOST_EXPECTED))
        away_residual = min(match.away_goals, MOST_GOALS) - math.exp(min(said[1], MOST_EXPECTED))
        home_step = GOALS_STEP * (1.0 + GOALS_NEWCOMER_GAIN / (1.0 + home[2] / GOALS_NEWCOMER_MATCHES))
        away_step = GOALS_STEP * (1.0 + GOALS_NEWCOMER_GAIN / (1.0 + away[2] / GOALS_NEWCOMER_MATCHES))
        home[0] += home_step * home_residual
        home[1] -= home_step * away_residual
        away[0] += away_step * away_residual
        away[1] -= away_step * home_residual
        home[2] += 1.0
        away[2] += 1.0
        country[0] += LEVEL_STEP * (home_residual + away_residual) / 2.0
        country[1] += HOME_ADVANTAGE_STEP * (home_residual - away_residual) * (1.0 - match.is_neutral)
