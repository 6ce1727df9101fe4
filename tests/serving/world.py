"""A small world that looks like a real one, for the pages: four leagues with strengths of clubs, and the forecasts that follow from them.

Everything is computed from the few numbers here by the platform's own grids, so that what a page shows fits together. Whoever
publishes it labels it as simulated.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from deploy.database import Urls
from pipelines.forecast.book import RHO, books, grids
from pipelines.forecast.firmness import firmness
from pipelines.forecast.grid import outcome_probabilities, scoreline_grid
from tests.serving.conftest import publish

NOW = datetime(2026, 3, 6, 9, tzinfo=UTC)
"""A Friday morning; the matches are on this day and the next two."""

HOME_ADVANTAGE = 0.22
Row = dict[str, Any]

LEAGUES: dict[str, tuple[str, str, list[str]]] = {
    "E0": ("Premier League", "England", [
        "Arsenal", "Man City", "Liverpool", "Aston Villa", "Chelsea", "Newcastle", "Tottenham", "Brighton", "Nott'm Forest", "Bournemouth",
        "Brentford", "Fulham", "Crystal Palace", "Man United", "Everton", "West Ham", "Wolves", "Leeds", "Burnley", "Sunderland"]),
    "SP1": ("La Liga Primera Division", "Spain", [
        "Barcelona", "Real Madrid", "Ath Madrid", "Ath Bilbao", "Villarreal", "Betis", "Sociedad", "Celta", "Vallecano", "Osasuna",
        "Mallorca", "Sevilla", "Valencia", "Girona", "Getafe", "Espanol", "Alaves", "Elche", "Levante", "Oviedo"]),
    "D1": ("Bundesliga", "Germany", [
        "Bayern Munich", "Leverkusen", "Dortmund", "RB Leipzig", "Ein Frankfurt", "Stuttgart", "Mainz", "Freiburg", "Hoffenheim",
        "Wolfsburg", "Werder Bremen", "Augsburg", "M'gladbach", "Union Berlin", "FC Koln", "Hamburg", "St Pauli", "Heidenheim"]),
    "I1": ("Serie A", "Italy", [
        "Inter", "Napoli", "Juventus", "Milan", "Atalanta", "Roma", "Bologna", "Lazio", "Como", "Fiorentina",
        "Udinese", "Torino", "Genoa", "Sassuolo", "Cagliari", "Parma", "Lecce", "Verona", "Cremonese", "Pisa"]),
}  # fmt: skip
"""Name, country and clubs, the strongest first."""

KICKOFFS = {"E0": (20.0, 36.5, 39.0, 39.0, 39.0, 41.5, 62.0, 62.0, 64.5, 67.0), "SP1": (20.0, 37.0, 39.25, 41.5, 44.0, 61.0, 63.25, 65.5, 68.0, 68.0),
            "D1": (19.5, 38.5, 38.5, 38.5, 38.5, 41.5, 62.5, 64.5, 66.5), "I1": (19.75, 38.0, 38.0, 41.0, 43.75, 59.5, 62.0, 62.0, 65.0, 67.75)}  # fmt: skip
"""Hours from the beginning of the Friday; the last Bundesliga match is one of those whose time is not known."""

GROUPS = (
    "base",
    "strength",
    "play",
    "form",
    "season",
    "rest",
    "stakes",
    "experience",
    "occasion",
    "memory",
    "quotes",
    "bookmakers",
)


def team_id(competition_id: str, club: str) -> str:
    return f"{LEAGUES[competition_id][1]}-{club}".lower().replace(" ", "-").replace("'", "")


def match_id(competition_id: str, home: str, away: str) -> str:
    parts = (team_id(competition_id, home), team_id(competition_id, away))
    return f"{competition_id.lower()}-2025-{parts[0]}-{parts[1]}-1"


def strength(competition_id: str, club: str) -> float:
    """From 0.75 for the strongest club of a league to -0.55 for the weakest, in units of the logarithm of goals."""
    clubs = LEAGUES[competition_id][2]
    place = clubs.index(club) / (len(clubs) - 1)
    return float(0.75 - 1.3 * place**0.7)


def expected_goals(competition_id: str, home: str, away: str) -> tuple[float, float]:
    difference = strength(competition_id, home) - strength(competition_id, away)
    return float(1.32 * np.exp(HOME_ADVANTAGE / 2 + 0.55 * difference)), float(
        1.32 * np.exp(-HOME_ADVANTAGE / 2 - 0.55 * difference)
    )


def fixtures() -> list[tuple[str, str, str, float]]:
    """Competition, home, away and hours from the beginning of the Friday."""
    generator = np.random.default_rng(6)
    found = []
    for competition_id, (_, _, clubs) in LEAGUES.items():
        order = generator.permutation(len(clubs))
        pairs = zip(order[::2], order[1::2], strict=True)
        found += [(competition_id, clubs[h], clubs[a], at) for (h, a), at in zip(pairs, KICKOFFS[competition_id], strict=True)]
    return found


@cache
def predictions() -> list[Row]:
    """One row of `published.prediction` for each fixture, and for those in England what was said from results alone."""
    listed = fixtures()
    goals = np.array([expected_goals(*each[:3]) for each in listed])
    p = outcome_probabilities(scoreline_grid(goals[:, 0], goals[:, 1], RHO))
    frame = pd.DataFrame({"expected_home_goals": goals[:, 0], "expected_away_goals": goals[:, 1]}).assign(
        p_home=p[:, 0], p_draw=p[:, 1], p_away=p[:, 2]
    )
    said = books(grids(frame))
    deviations = np.resize(np.linspace(0.48, 0.8, 9), len(listed))
    levels = firmness(deviations)
    start = NOW.replace(hour=0)
    rows = []
    for i, (competition_id, home, away, hours) in enumerate(listed):
        name, country, _ = LEAGUES[competition_id]
        row = {
            "prediction_id": _digest(home, away, "market"),
            "match_id": match_id(competition_id, home, away),
            "competition_id": competition_id,
            "competition": name,
            "country": country,
            "season": 2025,
            "kickoff_at": start + timedelta(hours=hours),
            "is_time_known": hours != KICKOFFS["D1"][-1],
            "home_team_id": team_id(competition_id, home),
            "home_team": home,
            "away_team_id": team_id(competition_id, away),
            "away_team": away,
            **frame.iloc[i].to_dict(),
            "information_set": "market",
            "is_best_informed": True,
            "model_name": "blend",
            "model_version": 4,
            "as_of": NOW - timedelta(minutes=50),
            "issued_at": NOW - timedelta(minutes=40),
            "strength_deviation": float(deviations[i]),
            "firmness": levels[i],
            "book": said[i],
            "explanation": explanation(p[i], i),
        }
        rows.append(row)
        if competition_id == "E0":
            shrunk = 0.85 * p[i] + 0.15 * np.array([0.45, 0.26, 0.29])
            rows.append(
                row
                | {"prediction_id": _digest(home, away, "results"), "information_set": "results", "is_best_informed": False}
                | {
                    "p_home": shrunk[0],
                    "p_draw": shrunk[1],
                    "p_away": shrunk[2],
                    "model_name": "logit",
                    "book": None,
                    "explanation": None,
                }
            )
    return rows


def explanation(p: "np.ndarray[Any, Any]", seed: int) -> Row:
    """Contributions of all groups that add up to the forecast's two log-odds, and a change since two days before."""
    generator = np.random.default_rng(seed)
    side, draw = np.log(p[0] / p[2]), np.log(p[1] / np.sqrt(p[0] * p[2]))
    weights = np.array([0.0, 0.34, 0.12, 0.06, 0.07, 0.0, 0.03, 0.0, 0.0, 0.22, 0.14, 0.02])
    sides = weights * (side - 0.3) + generator.normal(0, 0.02, len(GROUPS))
    draws = np.append(-0.1, generator.normal(0, 0.03, len(GROUPS) - 1))
    sides[0] = 0.3
    sides[1] += side - sides.sum()
    draws[1] += draw - draws.sum()
    shift = generator.normal(0, 0.03)
    before = {"p_home": p[0] * np.exp(-shift), "p_draw": p[1], "p_away": p[2] * np.exp(shift)}
    total = sum(before.values())
    moved = generator.normal(0, 0.01, (len(GROUPS), 2))
    return {
        "contributions": [[group, float(s), float(d)] for group, s, d in zip(GROUPS, sides, draws, strict=True)],
        "change": {
            "prediction_id": _digest(str(seed), "before"),
            "issued_at": (NOW - timedelta(days=2)).isoformat(),
            **{name: float(value / total) for name, value in before.items()},
            "is_other_model": False,
            "contributions": [[group, float(s), float(d)] for group, (s, d) in zip(GROUPS, moved, strict=True)],
        },
    }


def seed(urls: Urls) -> int:
    """Publish it; the publication's number."""
    return publish(
        urls.model,
        predictions(),
        published_at=NOW - timedelta(minutes=35),
        confirmed_at=NOW - timedelta(minutes=5),
        data_cutoff=NOW - timedelta(minutes=50),
        is_simulated=True,
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]
