"""A small world that looks like a real one, for the pages: four leagues with strengths of clubs, and the forecasts that follow from them.

Everything is computed from the few numbers here by the platform's own grids, so that what a page shows fits together. Whoever
publishes it labels it as simulated.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from deploy.database import Urls
from pipelines.forecast.backtest import CLOSING_ODDS
from pipelines.forecast.book import RHO, books, grids
from pipelines.forecast.firmness import firmness
from pipelines.forecast.grid import outcome_probabilities, scoreline_grid
from pipelines.forecast.record import calibration, score, scoreboard
from pipelines.store import published_tables as tables
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
    "movement",
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
    levels = firmness(deviations, np.full(len(deviations), np.nan), np.full(len(deviations), np.nan))
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
    weights = np.array([0.0, 0.34, 0.12, 0.06, 0.07, 0.0, 0.03, 0.0, 0.0, 0.22, 0.14, 0.02, 0.0])
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


@cache
def results() -> list[Row]:
    """Two thirds of a double round robin in each league, on weekends up to the last one, with goals drawn from the strengths."""
    generator = np.random.default_rng(7)
    rows = []
    coming = {match_id(*each[:3]) for each in fixtures()}
    for competition_id, (_, _, clubs) in LEAGUES.items():
        pairs = [
            (home, away)
            for home in clubs
            for away in clubs
            if home != away and match_id(competition_id, home, away) not in coming
        ]
        order = generator.permutation(len(pairs))[: 2 * len(pairs) // 3]
        per_week = len(clubs) // 2
        n_weeks = -(-len(order) // per_week)
        for i, pair in enumerate(order):
            home, away = pairs[pair]
            goals = generator.poisson(expected_goals(competition_id, home, away))
            rows.append({
                "match_id": match_id(competition_id, home, away), "competition_id": competition_id, "season": 2025,
                "kickoff_at": NOW.replace(hour=15) - timedelta(days=6 + 7 * (n_weeks - 1 - i // per_week)), "is_time_known": True,
                "status": "played", "home_team_id": team_id(competition_id, home), "away_team_id": team_id(competition_id, away),
                "home_goals": int(goals[0]), "away_goals": int(goals[1]), "home_half_time_goals": None, "away_half_time_goals": None,
            })  # fmt: skip
    return rows


def outlooks() -> list[Row]:
    """Five hundred simulated ends of each league."""
    generator = np.random.default_rng(8)
    played = {row["match_id"]: row for row in results()}
    rows = []
    for competition_id, (_, _, clubs) in LEAGUES.items():
        points = dict.fromkeys(clubs, 0)
        ends = {club: np.zeros(500) for club in clubs}
        n_left = dict.fromkeys(clubs, 0)
        for home in clubs:
            for away in clubs:
                if home == away:
                    continue
                row = played.get(match_id(competition_id, home, away))
                if row is not None:
                    points[home] += 3 * (row["home_goals"] > row["away_goals"]) + (row["home_goals"] == row["away_goals"])
                    points[away] += 3 * (row["home_goals"] < row["away_goals"]) + (row["home_goals"] == row["away_goals"])
                    continue
                n_left[home] += 1
                n_left[away] += 1
                goals = generator.poisson(expected_goals(competition_id, home, away), (500, 2))
                ends[home] += 3 * (goals[:, 0] > goals[:, 1]) + (goals[:, 0] == goals[:, 1])
                ends[away] += 3 * (goals[:, 0] < goals[:, 1]) + (goals[:, 0] == goals[:, 1])
        totals = np.array([ends[club] + points[club] for club in clubs]) + generator.random((len(clubs), 500)) / 2
        places = (-totals).argsort(axis=0).argsort(axis=0)
        for club, total, place in zip(clubs, totals, places, strict=True):
            shares = [float(np.mean(place == k)) for k in range(len(clubs))]
            rows.append({
                "outlook_id": f"{competition_id}|2025|{team_id(competition_id, club)}", "competition_id": competition_id, "season": 2025,
                "team_id": team_id(competition_id, club), "points": int(points[club]), "expected_points": float(np.floor(total).mean()),
                "n_left": n_left[club], "p_title": shares[0], "p_top_four": sum(shares[:4]), "p_relegated": sum(shares[-3:]), "n_relegated": 3,
                "places": json.dumps(shares),
            })  # fmt: skip
    return rows


def ledger() -> list[Row]:
    """What was said of every coming match in the days before: each drifts towards what is said now."""
    generator = np.random.default_rng(9)
    rows = []
    for row in (each for each in predictions() if each["is_best_informed"]):
        p = np.array([row["p_home"], row["p_draw"], row["p_away"]])
        for k in range(5, -1, -1):
            said = p * np.exp(generator.normal(0, 0.05 * k, 3))
            said /= said.sum()
            rows.append({
                "prediction_id": row["prediction_id"] if k == 0 else _digest(row["match_id"], str(k)), "sequence": len(rows) + 1,
                **{name: row[name] for name in ("match_id", "information_set", "model_name", "model_version", "kickoff_at", "as_of")},
                "issued_at": row["issued_at"] - timedelta(days=k), "p_home": said[0], "p_draw": said[1], "p_away": said[2],
                "expected_home_goals": row["expected_home_goals"], "expected_away_goals": row["expected_away_goals"],
                "features_digest": "0" * 64, "link": _digest(str(len(rows))), "strength_deviation": None, "firmness": None, "contributions": None,
            })  # fmt: skip
    return rows


def record() -> tuple[list[Row], list[Row], list[Row]]:
    """Scores, scoreboard and calibration of forecasts of all results, by the platform's own arithmetic."""
    frame = pd.DataFrame(results())
    generator = np.random.default_rng(10)
    goals = [expected_goals(*_clubs(row)) for row in results()]
    p = outcome_probabilities(scoreline_grid(np.array([g[0] for g in goals]), np.array([g[1] for g in goals]), RHO))
    market = p * np.exp(generator.normal(0, 0.08, p.shape))
    market /= market.sum(axis=1, keepdims=True)
    said = p * np.exp(generator.normal(0, 0.1, p.shape))
    said /= said.sum(axis=1, keepdims=True)
    told = pd.DataFrame({
        "prediction_id": [f"told-{i}" for i in range(len(frame))], "sequence": range(len(frame)), "match_id": frame["match_id"],
        "information_set": "market", "issued_at": frame["kickoff_at"] - pd.Timedelta(hours=5), "firmness": "usual",
        "p_home": said[:, 0], "p_draw": said[:, 1], "p_away": said[:, 2],
    })  # fmt: skip
    known = frame[["match_id", "competition_id", "season", "kickoff_at", "home_goals", "away_goals"]].copy()
    known[list(CLOSING_ODDS)] = 1 / (1.05 * market)
    scores = score(told, known)
    return tuple(
        part.astype(object).where(part.notna(), None).to_dict("records")
        for part in (scores, scoreboard(scores), calibration(told, scores))
    )  # type: ignore[return-value]


def _clubs(row: Row) -> tuple[str, str, str]:
    names = {team_id(row["competition_id"], club): club for club in LEAGUES[row["competition_id"]][2]}
    return row["competition_id"], names[row["home_team_id"]], names[row["away_team_id"]]


def seed(urls: Urls) -> int:
    """Publish it; the publication's number."""
    number = publish(
        urls.model,
        predictions(),
        published_at=NOW - timedelta(minutes=35),
        confirmed_at=NOW - timedelta(minutes=5),
        data_cutoff=NOW - timedelta(minutes=50),
        is_simulated=True,
    )
    teams = [
        {"team_id": team_id(each, club), "name": club, "country": country, "competition_id": each, "season": 2025}
        for each, (_, country, clubs) in LEAGUES.items()
        for club in clubs
    ]
    scores, board, bins = record()
    told = ledger()
    verified = {
        "verified_at": NOW - timedelta(minutes=20),
        "n_predictions": len(told),
        "head_sequence": len(told),
        "head_link": told[-1]["link"],
    }
    engine = sa.create_engine(sa.make_url(urls.model).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for table, rows in (
            (tables.published_team, teams),
            (tables.published_match, results()),
            (tables.issued_prediction, told),
            (tables.published_season_outlook, outlooks()),
            (tables.published_score, scores),
            (tables.published_scoreboard, board),
            (tables.published_calibration, bins),
            (tables.ledger_verification, [verified | {"is_intact": True, "faults": []}]),
        ):
            connection.execute(sa.insert(table), rows)
    engine.dispose()
    return number


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]
