"""Small worlds for the tests of `forecast`: simulated leagues whose strengths we know."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast import contract
from pipelines.forecast.features import rate
from pipelines.forecast.memory import remember
from pipelines.forecast.replay import MEASURES, Timeline

Frames = tuple[pd.DataFrame, pd.DataFrame]


def simulate(n_seasons: int = 4, n_clubs: int = 10, countries: tuple[str, ...] = ("here", "there"), seed: int = 7) -> Frames:
    """(matches, warehouse) of double round-robins in two divisions a country, the last round not yet played.

    `there` counts no shots. The market knows the true strengths; the warehouse features are noise around them.
    """
    random = np.random.default_rng(seed)
    rows = []
    for c, country in enumerate(countries):
        strength = random.normal(0.0, 0.35, 2 * n_clubs)
        for season in range(2015, 2015 + n_seasons):
            strength += random.normal(0.0, 0.1, len(strength))
            order = np.argsort(-strength)
            for tier, clubs in ((1, order[:n_clubs]), (2, order[n_clubs:])):
                pairs = [(h, a) for h in clubs for a in clubs if h != a]
                random.shuffle(pairs)
                start = pd.Timestamp(f"{season}-08-0{1 + c}T15:00Z")
                for k, (h, a) in enumerate(pairs):
                    kickoff = start + pd.Timedelta(days=7 * (k // (n_clubs // 2)), hours=k % 2)
                    rates = np.exp(0.1 + np.array([0.25 + strength[h] - strength[a], strength[a] - strength[h]]))
                    played = not (season == 2014 + n_seasons and k >= len(pairs) - n_clubs // 2)
                    goals = random.poisson(rates).astype(float) if played else np.full(2, np.nan)
                    shots = random.poisson(9 * rates**0.5).astype(float)
                    on_target = random.binomial(shots.astype(int), 0.4).astype(float)
                    counted = played and country == "here"
                    grid = np.outer(*(np.exp(-r) * r ** np.arange(15) / np.cumprod(np.r_[1.0, np.arange(1, 15)]) for r in rates))
                    fair = np.array([np.tril(grid, -1).sum(), np.trace(grid), np.triu(grid, 1).sum()])
                    rows.append(
                        {
                            "match_id": f"{country}{tier}-{season}-club{h:02d}-club{a:02d}-1",
                            "competition_id": f"{country}{tier}",
                            "country": country,
                            "tier": float(tier),
                            "season": season,
                            "kickoff_at": kickoff,
                            "as_of": kickoff - pd.Timedelta(hours=1),
                            "known_at": kickoff + pd.Timedelta(hours=3) if played else pd.NaT,
                            "status": "played" if played else "scheduled",
                            "home_team_id": f"{country}-club{h:02d}",
                            "away_team_id": f"{country}-club{a:02d}",
                            "home_goals": goals[0],
                            "away_goals": goals[1],
                            "home_shots": shots[0] if counted else np.nan,
                            "away_shots": shots[1] if counted else np.nan,
                            "home_shots_on_target": on_target[0] if counted else np.nan,
                            "away_shots_on_target": on_target[1] if counted else np.nan,
                            **{
                                f"{side}_{name}": float(count) if counted else np.nan
                                for name, mean in (("corners", 5.0), ("yellow_cards", 2.0), ("red_cards", 0.1))
                                for side, count in zip(("home", "away"), random.poisson(mean, 2), strict=True)
                            },
                            "odds": 0.95 / (fair / fair.sum()),
                        }
                    )
    frame = pd.DataFrame(rows).sort_values("kickoff_at", kind="stable", ignore_index=True)
    warehouse = pd.DataFrame(
        random.normal(size=(len(frame), len(contract.WAREHOUSE_FEATURES))), columns=list(contract.WAREHOUSE_FEATURES)
    ).assign(match_id=frame["match_id"], tier=frame["tier"], month=frame["kickoff_at"].dt.month)
    for moment in ("pre_match", "closing"):
        warehouse[[f"{moment}_odds_{outcome}" for outcome in contract.OUTCOMES]] = np.stack(frame["odds"].to_list())
        warehouse[[f"{moment}_odds_over", f"{moment}_odds_under"]] = [1.85, 1.95]
    # Of every other match Pinnacle's closing price is known, a little off the average.
    pinnacle = np.stack(frame["odds"].to_list()) * np.exp(random.normal(0.0, 0.01, (len(frame), 3)))
    pinnacle[::2] = np.nan
    warehouse[[f"pinnacle_closing_odds_{outcome}" for outcome in contract.OUTCOMES]] = pinnacle
    # The quotes before a match know a little less than the closing ones.
    early = np.stack(frame["odds"].to_list()) * np.exp(random.normal(0.0, 0.04, (len(frame), 3)))
    early *= 0.95 * (1.0 / early).sum(axis=1, keepdims=True)  # with the margin of the closing ones
    warehouse[[f"pre_match_odds_{outcome}" for outcome in contract.OUTCOMES]] = early
    # Bookmakers are wrong by a few per cent each; the line is the market's own view of the sides.
    fair = 0.95 / warehouse[[f"pre_match_odds_{outcome}" for outcome in contract.OUTCOMES]].to_numpy()
    for bookmaker in contract.BOOKMAKERS:
        noise = random.normal(0.0, 0.03, fair.shape)
        margin = 0.99 if bookmaker == "maximum" else 1.05
        prices = np.exp(noise) * fair
        warehouse[[f"{bookmaker}_odds_{outcome}" for outcome in contract.OUTCOMES]] = 1.0 / (
            margin * prices / prices.sum(axis=1, keepdims=True)
        )
    warehouse["handicap_line"] = np.round(-2.0 * np.log(fair[:, 0] / fair[:, 2])) / 4.0
    warehouse[["handicap_odds_home", "handicap_odds_away"]] = [1.9, 1.96]
    warehouse[list(contract.MOVEMENT_COLUMNS)] = np.nan  # as where there is no stream
    return frame[list(contract.MATCH_COLUMNS)], warehouse


def known(matches: pd.DataFrame, warehouse: pd.DataFrame) -> pd.DataFrame:
    """All ratings and memories, as `assemble` wants them for every information set."""
    return rate(matches).join(remember(Timeline.of(matches), warehouse))


@pytest.fixture(scope="session")
def world() -> Frames:
    """Four seasons, two countries, two divisions each."""
    return simulate()


@pytest.fixture(scope="session")
def make_match() -> Callable[..., dict[str, object]]:
    """One match as a row of `contract.MATCH_COLUMNS`; day 0 is 2020-01-01, noon kick-off, first division."""

    def make(day: int, home: str, away: str, goals: tuple[int, int] | None = None, **changes: object) -> dict[str, object]:
        kickoff = pd.Timestamp("2020-01-01T12:00Z") + pd.Timedelta(days=day)
        row: dict[str, object] = {
            "match_id": f"{day:03d}-{home}-{away}",
            "competition_id": "one",
            "country": "here",
            "tier": 1.0,
            "season": 2020,
            "kickoff_at": kickoff,
            "as_of": kickoff - pd.Timedelta(hours=1),
            "known_at": kickoff + pd.Timedelta(hours=3) if goals else pd.NaT,
            "status": "played" if goals else "scheduled",
            "home_team_id": home,
            "away_team_id": away,
            "home_goals": float(goals[0]) if goals else np.nan,
            "away_goals": float(goals[1]) if goals else np.nan,
            **dict.fromkeys([name for name in MEASURES if not name.endswith("goals")], np.nan),
        }
        return row | changes

    return make
