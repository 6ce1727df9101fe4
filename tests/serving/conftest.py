"""A service over a real database with two publications in it, and ways to ask it.

The clock stands still at `NOW` (as in a rehearsal), so that what is listed by default does not depend on the day.
"""

import secrets
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from anyio.from_thread import start_blocking_portal
from litestar import Litestar
from litestar.testing import TestClient

from deploy import database as deploy_database
from deploy.database import Urls
from pipelines.store import published_tables, tables
from serving.app import create_app
from serving.identity.buckets import Buckets
from serving.identity.lookups import MADE_UP, Lookups
from serving.identity.passwords import hash_password
from serving.identity.roles import Role
from serving.identity.tokens import Tokens
from serving.settings import Settings
from tests.serving.process import variables

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEMPLATE = "football_template"

Client = TestClient[Litestar]
Row = dict[str, Any]


def prediction(number: int, **changes: Any) -> Row:
    """A row of `published.prediction` without its publication; rows 0 to 3 kick off in the same hour, 4 to 7 in the next …"""
    return {
        "prediction_id": f"{number:064x}",
        "match_id": f"e0-2025-home{number}-away{number}-1",
        "competition_id": "E0",
        "competition": "Premier League",
        "country": "England",
        "season": 2025,
        "kickoff_at": NOW + timedelta(hours=1 + number // 4),
        "is_time_known": True,
        "home_team_id": f"england-home{number}",
        "home_team": f"Home {number}",
        "away_team_id": f"england-away{number}",
        "away_team": f"Away {number}",
        "p_home": 0.5,
        "p_draw": 0.3,
        "p_away": 0.2,
        "expected_home_goals": 1.61803398875,
        "expected_away_goals": 0.9,
        "information_set": "results",
        "is_best_informed": True,
        "model_name": "lightgbm",
        "model_version": 7,
        "as_of": NOW - timedelta(hours=1),
        "issued_at": NOW - timedelta(minutes=30),
        "strength_deviation": None,
        "firmness": None,
        "book": None,
        "explanation": None,
        **changes,
    }


def publish(url: str, predictions: Sequence[Row], **changes: Any) -> int:
    """Write one publication as the model's role; its number."""
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    publication = {
        "published_at": NOW - timedelta(minutes=20),
        "confirmed_at": NOW - timedelta(minutes=10),
        "data_cutoff": NOW - timedelta(hours=1),
        "is_simulated": False,
        "digest": "0" * 64,
        "n_predictions": len(predictions),
        "note": None,
        "manifest": {"mmz4281/2526/E0.csv": "a" * 64, "fixtures.csv": "b" * 64},
        "git_revision": "abc1234",
        **changes,
    }
    insert = sa.insert(tables.publication).values(publication).returning(tables.publication.c.publication_id)
    names = {row["competition_id"]: (row["competition"], row["country"]) for row in predictions}
    with engine.begin() as connection:
        number = int(connection.execute(insert).scalar_one())
        if predictions:
            competitions = [
                {"publication_id": number, "competition_id": each, "name": name, "country": country, "tier": 1, "n_matches": 380}
                | {"n_predictions": sum(row["competition_id"] == each for row in predictions), "latest_result_on": NOW.date()}
                for each, (name, country) in names.items()
            ]
            connection.execute(sa.insert(tables.published_competition), competitions)
            connection.execute(sa.insert(tables.published_prediction), [{"publication_id": number, **row} for row in predictions])
    engine.dispose()
    return number


def match(number: int, home: str, away: str, score: tuple[int, int] | None, **changes: Any) -> Row:
    """A row of `published.match`, a week after the one before it; the clubs are one letter each."""
    return {
        "match_id": f"m{number}",
        "competition_id": "E0",
        "season": 2025,
        "kickoff_at": NOW + timedelta(weeks=number - 4),
        "is_time_known": True,
        "status": "played" if score else "scheduled",
        "home_team_id": f"england-{home}",
        "away_team_id": f"england-{away}",
        "home_goals": score and score[0],
        "away_goals": score and score[1],
        "home_half_time_goals": None,
        "away_half_time_goals": None,
        **changes,
    }


def said(sequence: int, match_id: str, information_set: str, p_home: float, **changes: Any) -> Row:
    """A row of `published.issued_prediction`."""
    return {
        "prediction_id": f"said{sequence}",
        "sequence": sequence,
        "match_id": match_id,
        "information_set": information_set,
        "model_name": information_set,
        "model_version": 1,
        "kickoff_at": NOW - timedelta(weeks=3),
        "as_of": NOW - timedelta(weeks=4),
        "issued_at": NOW - timedelta(weeks=4) + timedelta(hours=sequence),
        "p_home": p_home,
        "p_draw": 0.25,
        "p_away": 0.75 - p_home,
        "expected_home_goals": 1.23456,
        "expected_away_goals": 0.9,
        "features_digest": "0" * 64,
        "link": f"{sequence:064x}",
        "strength_deviation": 0.6,
        "firmness": "usual",
        "contributions": [["base", 1 / 3, -0.1]],
        **changes,
    }


TOLD: dict[str, list[Row]] = {
    "team": [
        {"team_id": f"england-{each}", "name": f"Club {each.upper()}", "country": "England", "competition_id": "E0", "season": 2025}
        for each in "abcd"
    ],
    "match": [
        match(1, "a", "b", (2, 1)),
        match(2, "c", "d", (0, 0)),
        match(3, "b", "a", (1, 1)),
        match(5, "a", "c", None),
        match(0, "a", "d", (0, 4), season=2024),
    ],
    "issued_prediction": [
        said(1, "m1", "results", 0.5),
        said(2, "m1", "market", 0.4),
        said(3, "m1", "results", 0.45, model_version=2, contributions=None),
        said(4, "m5", "results", 0.3, kickoff_at=NOW + timedelta(weeks=1)),
        # Of a match that only the publication tells of.
        said(5, "e0-2025-home1-away1-1", "results", 0.5, prediction_id=f"{1:064x}", issued_at=NOW - timedelta(minutes=30)),
    ],
    "issue": [
        {
            "first_sequence": 4, "last_sequence": 5, "data_cutoff": NOW - timedelta(hours=1), "through_file_id": 7,
            "files_sha256": "f" * 64, "git_revision": "abc1234", "platform": "Linux", "lock_sha256": None,
        }
    ],
    "model": [
        {
            "model_name": "results", "model_version": version, "information_set": "results", "recipe": "gbm",
            "registry_run_id": f"run{version}", "git_revision": "abc1234", "data_sha256": "d" * 64, "features_sha256": "e" * 64,
            "is_champion": version == 2,
        }
        for version in (1, 2)
    ],
    "model_evidence": [
        {
            "evidence_id": number, "model_name": "results", "model_version": version, "decided_at": NOW + timedelta(days=number - 9),
            "decision": decision, "reasons": [f"Reason {number}."], "figures": {"log_loss": number / 10},
        }
        for number, version, decision in (
            (1, 1, "promoted"), (2, 3, "kept_champion"), (3, 2, "promoted"), (4, 4, "kept_champion"), (5, 5, "kept_champion")
        )
    ],
    "score": [
        {
            "score_id": f"m1|{name}|{hours}", "prediction_id": prediction_id, "match_id": "m1", "information_set": name,
            "horizon_hours": hours, "competition_id": "E0", "season": 2025, "kickoff_at": NOW - timedelta(weeks=3), "outcome": 0,
            "log_loss": 0.91629073, "rps": 0.2, "brier": 0.6, "market_log_loss": market, "firmness": "usual",
        }
        for name, hours, prediction_id, market in (
            ("market", 0, "said2", 0.9), ("results", 0, "said3", None), ("results", 24, "said1", 0.9)
        )
    ],
    "scoreboard": [
        {
            "scoreboard_id": f"results|0|{by}|{name}", "information_set": "results", "horizon_hours": 0, "group_by": by,
            "group_name": name, "n": 2, "log_loss": 1.00000049, "rps": 0.2, "brier": 0.6, "n_market": 0,
            "market_log_loss": float("nan"), "difference": None, "difference_low": None, "difference_high": None,
        }
        for by, name in (("all", "all"), ("competition", "E0"))
    ],
    "calibration": [
        {
            "calibration_id": "results|home|0", "information_set": "results", "outcome": "home", "bin": 0, "n": 2, "p_mean": 0.45,
            "frequency": 0.5, "frequency_low": 0.09, "frequency_high": 0.91,
        }
    ],
    "season_outlook": [
        {
            "outlook_id": f"E0|2025|{each}", "competition_id": "E0", "season": 2025, "team_id": f"england-{each}", "points": points,
            "expected_points": points + 1.234, "n_left": 2, "p_title": 0.25, "p_top_four": 1.0, "p_relegated": 0.333333,
            "n_relegated": 1, "places": places,
        }
        for each, points, places in (("b", 1, None), ("a", 4, "[0.5, 0.25, 0.25, 0.0]"))
    ],
    "ledger_verification": [
        {"verified_at": NOW - timedelta(days=1), "n_predictions": 0, "head_sequence": None, "head_link": None, "is_intact": True, "faults": []},
        {"verified_at": NOW, "n_predictions": 4, "head_sequence": 4, "head_link": f"{4:064x}", "is_intact": True, "faults": []},
    ],
}  # fmt: skip
"""What `published` holds beside the publications."""

CHECKS: list[Row] = [
    {
        "publication_id": 2, "asset": asset, "name": name, "passed": found is None, "is_blocking": found is None, "description": found,
        "checked_at": NOW,
    }
    for asset, name, found in (
        ("gold/fct_match", "no_match_is_lost_on_the_way_to_gold", None),
        ("bronze/quarantine", "nothing_waits_in_quarantine", "12 lines of 1 files are set aside"),
    )
]  # fmt: skip

TRANSFORMATION: Row = {
    "publication_id": 2,
    "project_sha256": "c" * 64,
    "models": [
        {"name": name, "kind": kind, "file": file, "sha256": "9" * 64, "made_of": made_of}
        for name, kind, file, made_of in (
            ("gold/feat_match", "model", "dbt_project/models/gold/features/feat_match.sql", ["silver/competition", "silver/int_match"]),
            ("silver/competition", "seed", "dbt_project/seeds/competition.csv", []),
        )
    ],
}  # fmt: skip


SEEN = {"elo_difference": 118.4, "home_rest_days": -0.0, "home_margin_title": float("nan")}
"""The feature row of prediction 1."""


def keep_features(url: str, prediction_id: str, seen: dict[str, float]) -> None:
    """Keep a feature row as the model's role does."""
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    content = struct.pack(f"<{len(seen)}d", *seen.values())
    with engine.begin() as connection:
        connection.execute(sa.insert(tables.feature_list), [{"names_sha256": "7" * 64, "names": list(seen)}])
        row = {"prediction_id": prediction_id, "names_sha256": "7" * 64, "content": content}
        connection.execute(sa.insert(tables.feature_row), [row])
    engine.dispose()


def tell(url: str, told: dict[str, list[Row]] | None = None) -> None:
    """Write rows beside the publications as the model's role."""
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for name, rows in (TOLD if told is None else told).items():
            connection.execute(sa.insert(published_tables.published_match.metadata.tables[f"published.{name}"]), rows)
    engine.dispose()


BOOK: Row = {
    "selections": [
        ["1x2", None, "home", 0.1234565],
        ["1x2", None, "draw", 0.5],
        ["1x2", None, "away", 0.3765435],
        ["over_under", 2.25, "over", 0.41234567],
        ["asian_handicap", -0.5, "away", 0.3765435],
        ["correct_score", None, "15-15", 0.0],
    ],
    "scorelines": [[0.12345678, 0.87654322], [0.0, 0.0]],
    "expected_home_points": 0.8703695,
    "expected_away_points": 1.6296305,
}

EXPLANATION: Row = {
    "contributions": [["base", 0.4, -0.25], ["strength", -1.5250000000001, 0.0125], ["rest", 1e-15, 0.0]],
    "change": {
        "prediction_id": "e" * 32,
        "issued_at": "2026-02-27T06:00:00+00:00",
        "p_home": 0.1111115,
        "p_draw": 0.5,
        "p_away": 0.3888885,
        "is_other_model": False,
        "contributions": [["base", 0.0, 0.0], ["strength", 0.01, -0.02], ["rest", 0.0, 0.0]],
    },
}

PREDICTIONS = [
    *(prediction(n) for n in range(90)),
    *(
        prediction(
            n,
            competition_id="D1",
            competition="Bundesliga",
            country="Germany",
            p_home=0.1234565,
            p_draw=0.5,
            p_away=0.3765435,
            book=BOOK,
            explanation=EXPLANATION,
            strength_deviation=0.51234,
            firmness="firm",
        )
        for n in range(90, 120)
    ),
    prediction(200, kickoff_at=NOW - timedelta(hours=3), home_team_id="england-arsenal", home_team="Arsenal"),
    prediction(
        201, kickoff_at=NOW + timedelta(days=30), away_team_id="england-arsenal", away_team="Arsenal", is_time_known=False
    ),
    # What sets say that may know less, of matches that another one speaks of.
    *(prediction(n, prediction_id=f"{n + 1000:064x}", information_set="history", is_best_informed=False) for n in (0, 1, 2)),
]


@cache
def hashed(password: str) -> str:
    """The hash of an account's password, made once: that it is slow to make has its own tests."""
    return hash_password(password)


@pytest.fixture(scope="session")
def urls(postgres: Any, database_template: Any) -> Iterator[Urls]:
    """A database of this run of the tests with two publications: tests that write take the fixture `database` instead."""
    name = f"football_test_{secrets.token_hex(4)}"
    urls = deploy_database.copy(postgres.url(), TEMPLATE, name, database_template)
    publish(urls.model, [prediction(0, p_home=0.4, p_draw=0.4)], published_at=NOW - timedelta(days=1))
    publish(urls.model, PREDICTIONS)
    tell(urls.model)
    tell(urls.model, {"check_result": CHECKS, "transformation": [TRANSFORMATION]})
    keep_features(urls.model, f"{1:064x}", SEEN)
    yield urls
    deploy_database.drop(postgres.url(), name)


@pytest.fixture(scope="session")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a secret for tokens."""
    path = tmp_path_factory.mktemp("secrets") / "jwt"
    path.write_text(secrets.token_hex(32))
    return path


@pytest.fixture
def environment(database: Urls, secret_file: Path, redis_url: str, server_state: Path, tmp_path: Path) -> dict[str, str]:
    """What a process of the service is given, over a database in which anything may be written."""
    login_file = tmp_path / "secrets" / "login.json"
    return variables(database.api, secret_file, redis_url, server_state) | {"DEMO_LOGIN_FILE": str(login_file)}


@pytest.fixture(scope="session")
def settings_for(secret_file: Path) -> Callable[..., Settings]:
    """Settings for a database, at the moment `NOW`."""

    def settings(database_url: str, **changes: Any) -> Settings:
        given = {"database_url": database_url, "jwt_secret_file": secret_file, "data_cutoff": NOW, "rate_per_second": 10_000}
        return Settings(**{**given, **changes})

    return settings


@pytest.fixture(scope="session", autouse=True)
def one_loop_for_all_clients() -> Iterator[None]:
    """Instead of a thread with an event loop for each client: hundreds of them would end. Where two threads end at a time, CPython
    3.11 can be caught for good between coverage, which follows greenlets, and what greenlet does after the end of a thread."""
    with start_blocking_portal() as portal, pytest.MonkeyPatch.context() as patch:
        patch.setattr(TestClient, "blocking_portal", portal, raising=False)
        yield


@pytest.fixture(scope="session")
def client(urls: Urls, settings_for: Callable[..., Settings]) -> Iterator[Client]:
    """A client of a service over the session's database; it reads as the service's own role."""
    with TestClient(create_app(settings_for(urls.api))) as client:
        yield client


@pytest.fixture(scope="session")
def bearer(secret_file: Path) -> Callable[..., dict[str, str]]:
    """The header of a bearer with a role."""

    def header(role: str = "viewer", edition: str = "live") -> dict[str, str]:
        return {"Authorization": "Bearer " + Tokens.from_file(secret_file, edition).issue("1", Role(role), "a session")}

    return header


@pytest.fixture(scope="session")
def ask(client: Client, bearer: Callable[..., dict[str, str]]) -> Callable[..., Any]:
    """Ask the session's service as an analyst."""

    def get(path: str, headers: dict[str, str] | None = None, **parameters: Any) -> Any:
        return client.get(path, params=parameters or None, headers=bearer("analyst") | (headers or {}))

    return get


def still_lookups() -> Lookups:
    """For whom no time passes: what was used up does not come back."""
    return Lookups(Buckets(None, "lookups", MADE_UP, clock=lambda: 0.0))
