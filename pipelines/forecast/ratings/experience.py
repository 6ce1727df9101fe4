"""How many matches of a club are known: the weight that every other rating deserves."""

from typing import Any

from pipelines.forecast.contract import RATINGS
from pipelines.forecast.replay import Rating


class Experience(Rating):
    """Club row: number of results known."""

    columns = RATINGS["experience"]
    learns_from = ("home_goals", "away_goals")
    club_start = (0.0,)
    competition_start = (0.0,)
    country_start = (0.0,)

    @staticmethod
    def arrive(club: Any, competition: Any, match: Any) -> None:
        """Nothing happens to a count."""

    @staticmethod
    def before(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """Both counts."""
        said[0] = home[0]
        said[1] = away[0]

    @staticmethod
    def after(home: Any, away: Any, competition: Any, country: Any, match: Any, said: Any) -> None:
        """One more match each."""
        home[0] += 1.0
        away[0] += 1.0
